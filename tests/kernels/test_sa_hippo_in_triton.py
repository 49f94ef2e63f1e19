"""The spike-aware memory's Triton kernels against the loop; without a GPU through Triton's interpreter, on few ticks."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from operators import relative_error, weighted_sum
from sa_hippo_cases import VARIANTS, memory, start, ticks
from tolerances import SA_HIPPO, SA_HIPPO_GRADIENT

pytest.importorskip("triton", reason="triton is not installed")

from longspike.kernels.sa_hippo import arguments as memory_arguments
from longspike.kernels.sa_hippo import reference, triton_adjoint, triton_chunked, triton_recurrent, triton_starts

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
OFFSETS = (0, 0, 6, 7, 7, 11)  # empty samples, one tick, less and more than a span of 4
SIZES = [(1, 2, 1), (6, 6, 3), (5, 4, 1)]  # d_model, d_state, num_heads: d_head 1, 2, 5
NAMES = ("u", "tables", "r", "c", "d", "state")


class Recurrent(torch.autograd.Function):
    """The operator as it is on a GPU."""

    @staticmethod
    def forward(ctx, *arguments):
        y, end, checkpoints = triton_recurrent.forward(*arguments[:8], True)
        ctx.save_for_backward(*arguments[:7], checkpoints)
        ctx.mark_non_differentiable(checkpoints)
        return y, end, checkpoints

    @staticmethod
    def backward(ctx, grad_y, grad_end, _):
        *arguments, checkpoints = ctx.saved_tensors
        grad_u, *grads, grad_state = triton_adjoint.backward(*arguments, grad_y, grad_end, checkpoints)
        return grad_u, None, None, *grads, grad_state, None


@pytest.fixture(autouse=True)
def small_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans of 4 ticks; chunks through these kernels also on a CPU."""
    monkeypatch.setattr(triton_recurrent, "SPAN", 4)
    monkeypatch.setattr(memory_arguments, "SPAN", 4)
    monkeypatch.setattr(triton_chunked, "sa_hippo_op", Recurrent.apply)


def arguments(
    variant: str,
    sizes: tuple[int, int, int],
    dtype: torch.dtype = torch.float64,
    offsets: tuple[int, ...] = OFFSETS,
    *,
    has_one_gap: bool = False,
) -> list[Tensor]:
    """u, index, offsets, tables, r, c, d, state."""
    d_model, d_state, num_heads = sizes
    layer = memory(variant, d_model, d_state, num_heads, torch.float64)
    u, delta, bounds = ticks(d_model, torch.float64, offsets)
    gaps, index = torch.unique(torch.full_like(delta, 3.0) if has_one_gap else delta, return_inverse=True)
    r = layer.dynamics(torch.float64).r
    values = [u, index, bounds, layer.tables(gaps, torch.float64), r, layer.C, layer.D, start(layer, len(bounds) - 1)]
    return [(x.detach().to(dtype) if x.is_floating_point() else x).to(DEVICE) for x in values]


def leaves_of(values: list[Tensor]) -> list[Tensor]:
    return [x.clone().requires_grad_() if x.is_floating_point() else x for x in values]


def gradients(run, values: list[Tensor]) -> dict[str, Tensor]:
    leaves = leaves_of(values)
    y, end, *_ = run(*leaves)
    wanted = [x for x in leaves if x.requires_grad]
    found = torch.autograd.grad(weighted_sum([y, end]), wanted, allow_unused=True, materialize_grads=True)
    return dict(zip(NAMES, found, strict=True))


def assert_gradients_agree(run, values: list[Tensor]) -> None:
    expected = gradients(reference.forward, values)
    for name, found in gradients(run, values).items():
        assert relative_error(found, expected[name]) <= SA_HIPPO_GRADIENT["float64"], name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("variant", VARIANTS)
def test_recurrent_is_the_loop(variant: str, dtype: torch.dtype) -> None:
    values = arguments(variant, (6, 6, 3), dtype)
    expected = reference.forward(*(x.double() if x.is_floating_point() else x for x in values))
    y, end, _ = triton_recurrent.forward(*values, False)
    assert y.dtype == end.dtype == dtype
    for ours, truth in zip((y, end), expected, strict=True):
        assert relative_error(ours.double(), truth) <= SA_HIPPO[str(dtype).removeprefix("torch.")]


@pytest.mark.parametrize("sizes", SIZES)
def test_recurrent_of_odd_sizes(sizes: tuple[int, int, int]) -> None:
    values = arguments("rank 3", sizes)
    for ours, truth in zip(triton_recurrent.forward(*values, True), reference.forward(*values), strict=False):
        assert relative_error(ours, truth) <= SA_HIPPO["float64"]


@pytest.mark.parametrize("cuts", [(0, 1, 4, 11), (0, 3, 4, 9, 11), tuple(range(12))])
def test_chunks_and_steps_have_the_bits_of_the_whole(cuts: tuple[int, ...]) -> None:
    u, index, _, *rest, state = arguments("rank 8, held", (5, 4, 1), torch.float32, (0, 11))
    bounds = lambda n: torch.tensor([0, n], device=DEVICE)  # noqa: E731
    y, end, _ = triton_recurrent.forward(u, index, bounds(11), *rest, state, False)
    parts = []
    for first, last in pairwise(cuts):
        own = slice(first, last)
        part, state, _ = triton_recurrent.forward(u[own], index[own], bounds(last - first), *rest, state, True)
        parts.append(part)
    assert torch.equal(torch.cat(parts), y)
    assert torch.equal(state, end)


def test_a_batch_has_the_bits_of_its_samples() -> None:
    u, index, offsets, *rest, state = arguments("rank 3", (6, 6, 3), torch.float32)
    y, end, _ = triton_recurrent.forward(u, index, offsets, *rest, state, False)
    for k, (first, last) in enumerate(pairwise(OFFSETS)):
        own, bounds = slice(first, last), torch.tensor([0, last - first], device=DEVICE)
        alone = triton_recurrent.forward(u[own], index[own], bounds, *rest, state[k : k + 1], False)
        assert torch.equal(alone[0], y[own])
        assert torch.equal(alone[1][0], end[k])


def test_strided_arguments_and_no_ticks_at_all() -> None:
    values = arguments("rank 3", (5, 4, 1))
    wide = [torch.stack([x, torch.full_like(x, 7)], -1)[..., 0] for x in values]
    assert not wide[0].is_contiguous()
    for a, b in zip(triton_recurrent.forward(*wide, False), triton_recurrent.forward(*values, False), strict=True):
        assert torch.equal(a, b)
    nothing = [values[0][:0], values[1][:0], values[2][:1].repeat(3), *values[3:7], values[7][:2]]
    y, end, _ = triton_recurrent.forward(*nothing, True)
    assert y.shape == (0, 5)
    assert torch.equal(end, nothing[7])


@pytest.mark.usefixtures("nan_in_fresh_memory")
def test_every_output_is_written() -> None:
    values = arguments("rank 3", (5, 4, 1), offsets=(0, 0, 5))
    y, end, checkpoints = triton_recurrent.forward(*values, True)
    carried, saved = triton_recurrent.transitions(*values[1:5], True)
    grads = triton_adjoint.backward(*values[:7], y, end, checkpoints)
    of_transitions = triton_adjoint.transitions_backward(*values[1:5], carried, saved)
    assert all(x.isfinite().all() for x in (y, end, carried, *grads, *of_transitions))


@pytest.mark.parametrize("has_one_gap", [False, True])
@pytest.mark.parametrize("variant", ["rank 3", "rank 0", "rank 8, held", "diag, held"])
def test_gradients_of_the_recurrent_form(variant: str, has_one_gap: bool) -> None:
    assert_gradients_agree(
        Recurrent.apply, arguments(variant, (4, 4, 2), offsets=(0, 0, 5, 6), has_one_gap=has_one_gap)
    )


@pytest.mark.parametrize("sizes", [(1, 2, 1), (2, 6, 2), (17, 2, 1)])
def test_gradients_of_odd_sizes(sizes: tuple[int, int, int]) -> None:
    assert_gradients_agree(Recurrent.apply, arguments("rank 3", sizes, offsets=(0, 5)))


def test_gradients_sample_by_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_adjoint, "LARGEST_PATH", 1)
    assert_gradients_agree(Recurrent.apply, arguments("rank 3", (4, 4, 2), offsets=(0, 2, 2, 5)))


def by_products(local: Tensor, carried: Tensor, state: Tensor, bounds: Tensor) -> tuple[Tensor, Tensor]:
    starts, ends = [], []
    for x, first, last in zip(state.unbind(0), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        for k in range(first, last):
            starts.append(x)
            x = carried[k] @ x + local[k]
        ends.append(x)
    return torch.stack(starts), torch.stack(ends)


@pytest.mark.parametrize(("heads", "d_state", "d_head"), [(2, 6, 3), (1, 2, 17), (1, 1, 1)])
def test_states_before_chunks(heads: int, d_state: int, d_head: int) -> None:
    bounds = torch.tensor([0, 0, 3, 4, 4], device=DEVICE)
    draw = lambda *shape: torch.randn(shape, dtype=torch.float64, device=DEVICE).requires_grad_()  # noqa: E731
    leaves = [draw(4, heads, d_state, d_head), draw(4, heads, d_state, d_state), draw(4, heads, d_state, d_head)]
    expected, found = by_products(*leaves, bounds), triton_starts.sa_hippo_starts_op(*leaves, bounds)
    grads = [torch.autograd.grad(weighted_sum(list(x)), leaves) for x in (found, expected)]
    for ours, truth in zip((*found, *grads[0]), (*expected, *grads[1]), strict=True):
        assert relative_error(ours.detach(), truth.detach()) <= SA_HIPPO["float64"]


@pytest.mark.parametrize("variant", ["rank 3", "diag"])
def test_chunked_is_the_loop(variant: str) -> None:
    """Another order of sums: to the tolerance of the other parallel routes, not to the bit."""
    values = arguments(variant, (4, 4, 2))
    for ours, truth in zip(triton_chunked.forward(*values, chunk=4), reference.forward(*values), strict=True):
        assert ours.shape == truth.shape
        assert relative_error(ours, truth) <= SA_HIPPO["float64"]


def test_gradients_of_the_chunked_form() -> None:
    values = arguments("rank 3", (2, 2, 1), offsets=(0, 0, 5))
    assert_gradients_agree(lambda *x: triton_chunked.forward(*x, chunk=4), values)


def test_chunked_without_ticks() -> None:
    values = arguments("rank 3", (4, 4, 2), offsets=(0, 0, 0))
    y, end = triton_chunked.forward(*values)
    assert y.shape == (0, 4)
    assert torch.equal(end, values[7])


@pytest.mark.parametrize(("name", "at"), [("tables", 3), ("c", 5), ("state", 7)])
def test_wrong_shapes_are_named(name: str, at: int) -> None:
    values = arguments("rank 3", (4, 4, 2))
    values[at] = values[at][..., :-1]
    with pytest.raises(ValueError, match=f"sa_hippo: `{name}` must have shape"):
        triton_recurrent.forward(*values, False)
