"""The spike-aware memory's routes: compiled, chunked and by FFT against the loop, bit for bit where that is promised."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels.sa_hippo import arguments, sa_hippo
from longspike.kernels.sa_hippo.tables import formula, rows_of
from longspike.nn import SAHippo
from operators import relative_error, weighted_sum
from sa_hippo_cases import OFFSETS, VARIANTS, dense_step, memory, start, ticks
from tolerances import SA_HIPPO, SA_HIPPO_GRADIENT, SA_HIPPO_ROWS

DTYPES = (torch.float32, torch.float64)
SIZES = [(1, 2, 1), (3, 6, 3), (17, 6, 1), (34, 64, 2)]  # d_model, d_state, num_heads: d_head 1, 1, 17, 17


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def run(layer: SAHippo, method: str, *arguments: Tensor) -> tuple[Tensor, Tensor]:
    layer.method = method
    return layer(*arguments)


def assert_close(ours: tuple[Tensor, ...], expected: tuple[Tensor, ...], tolerance: float) -> None:
    for a, b in zip(ours, expected, strict=True):
        assert a.shape == b.shape
        assert relative_error(a.detach(), b.detach()) <= tolerance


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("d_model", "d_state", "num_heads"), SIZES)
def test_routes_agree_on_irregular_ticks(
    d_model: int, d_state: int, num_heads: int, variant: str, dtype: torch.dtype
) -> None:
    layer = memory(variant, d_model, d_state, num_heads, torch.float64)
    u, delta, offsets = ticks(d_model, torch.float64)
    state = start(layer, len(offsets) - 1)
    with torch.no_grad():
        expected = run(layer, "reference", u, delta, offsets, state)
        layer = layer.to(dtype)
        for method in ("recurrent", "auto", "chunked"):
            ours = run(layer, method, u.to(dtype), delta.to(dtype), offsets, state.to(dtype))
            assert ours[0].dtype == dtype
            assert_close(ours, expected, SA_HIPPO[name(dtype)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("has_state", [True, False])
def test_convolution_over_equal_gaps(has_state: bool, variant: str, dtype: torch.dtype) -> None:
    layer = memory(variant, 6, 10, 2, dtype)
    u, delta, offsets = ticks(6, dtype)
    delta = torch.full_like(delta, 3.0)
    state = start(layer, len(offsets) - 1) if has_state else None
    with torch.no_grad():
        expected = run(layer, "reference", u, delta, offsets, state)
        assert_close(run(layer, "fft", u, delta, offsets, state), expected, SA_HIPPO[name(dtype)])


@pytest.mark.parametrize("method", ["recurrent", "reference", "chunked", "fft"])
def test_step_and_sequence(method: str) -> None:
    layer = memory("rank 3", 6, 10, 2, torch.float64)
    u, state = torch.randn(3, 70, 6, dtype=torch.float64), start(layer, 3)
    layer.method = method
    with torch.no_grad():
        y, end = layer.sequence(u, state)
        x, outputs = state, []
        for u_t in u.unbind(1):
            y_t, x = layer.step(u_t, torch.ones(3), x)
            outputs.append(y_t)
    steps = torch.stack(outputs, 1)
    assert_close((steps, x), (y, end), SA_HIPPO["float64"])
    if method in ("recurrent", "reference"):
        assert torch.equal(steps, y)
        assert torch.equal(x, end)


@pytest.mark.parametrize("variant", ["rank 3", "rank 8, held", "diag, held"])
@pytest.mark.parametrize("method", ["recurrent", "reference"])
def test_a_batch_is_its_samples_bit_for_bit(method: str, variant: str) -> None:
    layer = memory(variant, 34, 6, 2, torch.float32)
    u, delta, offsets = ticks(34, torch.float32)
    state = start(layer, len(offsets) - 1)
    with torch.no_grad():
        y, end = run(layer, method, u, delta, offsets, state)
        for i, (first, last) in enumerate(pairwise(OFFSETS)):
            own = slice(first, last)
            alone = layer(u[own], delta[own], torch.tensor([0, last - first]), state[i : i + 1])
            assert torch.equal(alone[0], y[own])
            assert torch.equal(alone[1][0], end[i])


@pytest.mark.parametrize("cuts", [(0, 1, 64, 65, 150), (0, 63, 63, 129, 150), tuple(range(151))])
@pytest.mark.parametrize("variant", ["rank 3", "rank 8, held", "diag, held"])
def test_chunks_equal_the_whole_bit_for_bit(variant: str, cuts: tuple[int, ...]) -> None:
    """Cut anywhere: the rows are computed for other sets of gaps, and must not differ."""
    layer = memory(variant, 17, 6, 1, torch.float32, method="recurrent")
    u, delta, offsets = ticks(17, torch.float32, (0, 150))
    state = start(layer, 1)
    with torch.no_grad():
        y, end = layer(u, delta, offsets, state)
        parts = []
        for first, last in pairwise(cuts):
            own = slice(first, last)
            part, state = layer(u[own], delta[own], torch.tensor([0, last - first]), state)
            parts.append(part)
    assert torch.equal(torch.cat(parts), y)
    assert torch.equal(state, end)


def test_threads_and_saving_do_not_change_the_bits() -> None:
    layer = memory("rank 8, held", 34, 6, 2, torch.float32, method="recurrent")
    u, delta, offsets = ticks(34, torch.float32)
    with torch.no_grad():
        expected = layer(u, delta, offsets)
    results, threads = [], torch.get_num_threads()
    for count in (1, 3):
        torch.set_num_threads(count)
        ours = layer(u, delta, offsets)
        results.append(torch.autograd.grad(weighted_sum(list(ours)), list(layer.parameters())))
        assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))
    torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("way", ["formula", pytest.param("compiled", marks=pytest.mark.needs_extension)])
def test_the_held_diagonal_is_exact_on_both_sides_of_its_series(way: str) -> None:
    """(exp(z) - 1)/z for |z| from 1e-12 to 1, of which the series has what is below 1e-5; the truth is numpy's expm1."""
    layer = memory("diag, held", 3, 6, 3, torch.float64)
    gaps = torch.logspace(-9, 1, 61, dtype=torch.float64)
    with torch.no_grad():
        tables = (
            layer.tables(gaps, torch.float64)
            if way == "compiled"
            else formula(gaps, layer.dynamics(gaps.dtype), "diag", "held")
        )
    parts = rows_of(tables, layer.n_pairs, 0)
    sizes = []
    for k, gap in enumerate(gaps.tolist()):
        for head in range(layer.num_heads):
            t, held = (np.diag(x) if x.ndim == 2 else x for x in dense_step(layer, head, gap))
            sizes.append(abs(np.log(t[0])))
            for ours, right in ((parts.g, t), (parts.b, held)):
                found = torch.complex(*ours[k, head].unbind(0)).numpy()
                assert np.abs(found / right[: layer.n_pairs] - 1).max() <= SA_HIPPO_ROWS, gap
    assert min(sizes) < 1e-9
    assert max(sizes) > 0.1


def gradients(layer: SAHippo, method: str, u: Tensor, delta: Tensor, offsets: Tensor, state: Tensor) -> list[Tensor]:
    leaves = [u.clone().requires_grad_(), state.clone().requires_grad_()]
    outputs = run(layer, method, leaves[0], delta, offsets, leaves[1])
    wanted = [*leaves, *layer.parameters()]
    found = torch.autograd.grad(weighted_sum(list(outputs)), wanted, allow_unused=True, materialize_grads=True)
    return list(found)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("d_model", "d_state", "num_heads"), [(1, 2, 1), (3, 6, 3), (34, 6, 2), (6, 64, 2)])
def test_gradients_of_every_parameter(d_model: int, d_state: int, num_heads: int, variant: str) -> None:
    layer = memory(variant, d_model, d_state, num_heads, torch.float64)
    u, delta, offsets = ticks(d_model, torch.float64, (0, 0, 70, 135, 136, 136))
    case = (u, delta, offsets, start(layer, 5))
    expected = gradients(layer, "reference", *case)
    for a, b in zip(gradients(layer, "recurrent", *case), expected, strict=True):
        assert relative_error(a, b) <= SA_HIPPO_GRADIENT["float64"]
    single = layer.to(torch.float32)
    ours = gradients(single, "recurrent", u.float(), delta.float(), offsets, case[3].float())
    for a, b in zip(ours, expected, strict=True):
        assert relative_error(a, b) <= SA_HIPPO_GRADIENT["float32"]


@pytest.mark.parametrize("method", ["chunked", "fft"])
@pytest.mark.parametrize("variant", ["rank 3", "diag, held"])
def test_gradients_of_the_parallel_routes(variant: str, method: str) -> None:
    layer = memory(variant, 4, 6, 2, torch.float64)
    u, delta, offsets = ticks(4, torch.float64, (0, 0, 70, 75))
    case = (u, delta if method == "chunked" else torch.ones_like(delta), offsets, start(layer, 3))
    expected = gradients(layer, "reference", *case)
    for a, b in zip(gradients(layer, method, *case), expected, strict=True):
        assert relative_error(a, b) <= SA_HIPPO_GRADIENT["float64"]


@pytest.mark.parametrize("variant", ["rank 3", "rank 8, held", "diag, held"])
def test_gradcheck(variant: str) -> None:
    layer = memory(variant, 4, 4, 2, torch.float64, method="recurrent")
    names, values = zip(*layer.named_parameters(), strict=True)
    u, _, offsets = ticks(4, torch.float64, (0, 0, 3, 5))
    delta = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0], dtype=torch.float64, requires_grad=True)

    def call(u: Tensor, state: Tensor, *parameters: Tensor) -> tuple[Tensor, Tensor]:
        return torch.func.functional_call(
            layer, dict(zip(names, parameters, strict=True)), (u, delta.detach(), offsets, state)
        )

    state = start(layer, 3).requires_grad_()
    assert torch.autograd.gradcheck(call, (u.requires_grad_(), state, *values), fast_mode=True)


@pytest.mark.parametrize("method", ["recurrent", "reference", "chunked", "fft"])
@pytest.mark.parametrize("offsets", [(0,), (0, 0), (0, 0, 0)])
def test_no_ticks(method: str, offsets: tuple[int, ...]) -> None:
    layer = memory("rank 3", 6, 4, 2, torch.float32)
    u, delta, bounds = ticks(6, torch.float32, offsets)
    state = start(layer, len(offsets) - 1)
    y, end = run(layer, method, u, delta, bounds, state)
    assert y.shape == (0, 6)
    assert torch.equal(end, state)
    assert all(not bool(x.any()) for x in gradients(layer, method, u, delta, bounds, state)[2:])


@pytest.mark.parametrize("method", ["recurrent", "chunked", "reference"])
def test_strides_do_not_matter(method: str) -> None:
    layer = memory("rank 3", 6, 4, 2, torch.float64)
    u, delta, offsets = ticks(6, torch.float64)
    state = start(layer, len(offsets) - 1)
    with torch.no_grad():
        expected = run(layer, method, u, delta, offsets, state)
        wide = torch.full((len(u), 13), float("nan"), dtype=torch.float64)
        wide[:, 1::2] = u
        turned = state.transpose(0, 3).contiguous().transpose(0, 3)
        ours = run(layer, method, wide[:, 1::2], delta.repeat_interleave(2)[::2], offsets, turned)
    assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))


@pytest.mark.parametrize("variant", VARIANTS)
def test_instruction_sets_agree(variant: str, architectures: list[str]) -> None:
    layer = memory(variant, 34, 10, 2, torch.float64)
    u, delta, offsets = ticks(34, torch.float64)
    case = (u, delta, offsets, start(layer, len(offsets) - 1))
    expected, grads = run(layer, "reference", *case), gradients(layer, "reference", *case)
    gaps = delta.unique()
    rows = formula(gaps, layer.dynamics(torch.float64), layer.structure, layer.input)
    for architecture in architectures:
        native.extension().use_architecture(architecture)
        assert relative_error(layer.tables(gaps, torch.float64).detach(), rows.detach()) <= SA_HIPPO_ROWS
        assert_close(run(layer, "recurrent", *case), expected, SA_HIPPO["float64"])
        for a, b in zip(gradients(layer, "recurrent", *case), grads, strict=True):
            assert relative_error(a, b) <= SA_HIPPO_GRADIENT["float64"]


def test_sinking_states_are_flushed() -> None:
    """Denormal numbers cost a hundred times more; a decaying state becomes zero instead."""
    layer = SAHippo(3, d_state=4, structure="diag", decay="none", dt_min=0.1, dt_max=0.1)
    u, delta = torch.zeros(3000, 3), torch.ones(3000)
    u[0] = 1
    with torch.no_grad():
        _, end = layer(u, delta, torch.tensor([0, 3000]))
    assert not bool(end.any())


@pytest.mark.needs_extension
def test_block_sizes_of_python_and_the_kernels_agree() -> None:
    assert native.extension().sa_hippo_block == arguments.SPAN


@pytest.mark.needs_extension
def test_addresses_are_vouched_for() -> None:
    layer = memory("rank 3", 6, 4, 2, torch.float32)
    u, delta, offsets = ticks(6, torch.float32)
    gaps, index = delta.unique(return_inverse=True)
    good = [u, index, offsets, layer.tables(gaps, u.dtype), layer.R, layer.C, layer.D, start(layer, len(offsets) - 1)]
    for k, bad, message in (
        (1, index + 1, r"`index` must lie in \[0, 6\)"),
        (1, index[:-1], "`index` must have shape"),
        (2, offsets.flip(0), "`offsets` must rise from 0 to 195"),
        (3, good[3][..., :-1], "`tables` must have shape"),
        (4, layer.R.double(), "`r` must have shape .* dtype torch.float32"),
        (7, good[7][:2], "`state` must have shape"),
    ):
        arguments = [*good[:k], bad, *good[k + 1 :]]
        with pytest.raises(ValueError, match=f"sa_hippo: {message}"):
            sa_hippo(*arguments, method="recurrent")
