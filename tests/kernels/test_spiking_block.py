"""The block in one pass against its operators in turn: the same bits forward, the same gradients backward."""

import pytest
import torch
from torch import Tensor

from block_cases import OPTIONS, BlockCase, block_case
from longspike import explain
from longspike.kernels import native
from longspike.kernels.spiking_block import Inputs, spiking_block
from operators import GRADIENTS, LAYOUTS, RESETS, SURROGATES, relative_error, weighted_sum
from tolerances import BLOCK_GRADIENT

DTYPES = (torch.float32, torch.float64)
# batch, seqlen, channels, pairs: around the blocks of 64 steps, the spans of 256, the words of 64 channels, the vectors
SIZES = ((1, 1, 1, 1), (2, 0, 5, 2), (2, 63, 37, 3), (3, 65, 64, 2), (1, 300, 70, 4), (2, 513, 5, 5), (0, 7, 3, 1))
VARIANTS = (
    {},
    {"has_norm": False},
    {"has_dropout": True},
    {"has_lengths": True},
    {"has_dropout": True, "has_lengths": True},
    {"is_bidirectional": True},
    {"is_bidirectional": True, "has_norm": False, "has_dropout": True, "has_lengths": True},
)


def run(case: BlockCase, method: str, **options: str | float) -> list[Tensor]:
    """y, counts and the four states."""
    y, counts, state = spiking_block(case.x, case.inputs, case.state, **(OPTIONS | options), method=method)
    return [y, counts, *state]


def assert_same_bits(found: list[Tensor], expected: list[Tensor]) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


@pytest.mark.needs_extension
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "+".join(v) or "plain")
@pytest.mark.parametrize("sizes", SIZES)
def test_fused_has_the_bits_of_the_operators(sizes: tuple, variant: dict, dtype: torch.dtype) -> None:
    case = block_case(*sizes, dtype=dtype, **variant)
    expected = run(case, "reference")
    assert_same_bits(run(case, "fused"), expected)
    assert_same_bits(run(case, "auto"), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", [{}, {"is_bidirectional": True, "has_lengths": True}], ids=str)
@pytest.mark.parametrize("sizes", SIZES)
def test_a_norm_with_its_statistics_in_its_weights(sizes: tuple, variant: dict, dtype: torch.dtype) -> None:
    case = block_case(*sizes, dtype=dtype, **variant)
    assert_same_bits(run(case, "fused", norm="affine"), run(case, "reference", norm="affine"))
    assert_close(gradients(case, "fused", norm="affine"), gradients(case, "reference", norm="affine"), dtype)
    z = case._replace(
        x=case.x * case.inputs.norm_weight + case.inputs.norm_bias,
        inputs=case.inputs._replace(norm_weight=None, norm_bias=None),
    )
    assert_same_bits(run(case, "fused", norm="affine")[1:], run(z, "fused")[1:])


def test_the_cases_fire_and_the_masks_matter() -> None:
    case = block_case(3, 300, 37, 3, has_dropout=True, has_lengths=True)
    y, counts, *_ = run(case, "fused")
    rate = float(counts.sum() / (case.inputs.lengths.sum() * 37))
    assert 0.05 < rate < 0.7
    plain, all_counts, *_ = run(case._replace(inputs=case.inputs._replace(spike_scale=None, lengths=None)), "fused")
    assert not torch.equal(y, plain)
    assert bool((counts <= all_counts).all())


@pytest.mark.parametrize("reset", RESETS)
def test_resets(reset: str) -> None:
    case = block_case(2, 130, 19, 3)
    assert_same_bits(run(case, "fused", reset=reset), run(case, "reference", reset=reset))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_do_not_matter(layout: str) -> None:
    case = block_case(2, 70, 5, 2, layout=layout)
    copy = case.x.clone()
    assert_same_bits(run(case, "fused"), run(case._replace(x=case.x.contiguous()), "reference"))
    assert torch.equal(case.x, copy)


@pytest.mark.parametrize("is_bidirectional", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_instruction_sets_decide_alike(architectures: list[str], dtype: torch.dtype, is_bidirectional: bool) -> None:
    case = block_case(2, 130, 37, 3, dtype=dtype, is_bidirectional=is_bidirectional)
    for name in architectures:
        before = native.extension().use_architecture(name)
        try:
            assert_same_bits(run(case, "fused"), run(case, "reference"))
        finally:
            native.extension().use_architecture(before)


@pytest.mark.parametrize("method", ["fused", "reference"])
def test_the_second_scan_is_the_first_one_from_the_other_end(method: str) -> None:
    """A neuron without a memory sees the sum of both, so a reversed input with swapped scans gives reversed outputs."""
    case = block_case(2, 150, 5, 3, dtype=torch.float64, is_bidirectional=True)
    p, none = case.inputs, torch.zeros(2, 5, dtype=torch.float64)
    state = (torch.zeros_like(case.state[0]), none, none, none)
    alone = p._replace(beta=torch.zeros_like(p.beta), rho=torch.zeros_like(p.rho))
    swapped = alone._replace(lam=p.back_lam, c=p.back_c, d=p.back_d, back_lam=p.lam, back_c=p.c, back_d=p.d)
    y, counts, *_ = run(BlockCase(case.x, alone, state), method)
    other, other_counts, *_ = run(BlockCase(case.x.flip(1), swapped, state), method)
    assert bool(counts.any())
    assert_same_bits([other.flip(1), other_counts], [y, counts])


def test_silence_lies_behind_the_last_valid_step() -> None:
    case = block_case(3, 300, 5, 2, is_bidirectional=True, has_lengths=True)
    lengths = torch.tensor([300, 129, 1])
    y, counts, *_ = run(case._replace(inputs=case.inputs._replace(lengths=lengths)), "fused")
    for k, n in enumerate(lengths.tolist()):
        state = tuple(s[k : k + 1] for s in case.state)
        alone = BlockCase(case.x[k : k + 1, :n], case.inputs._replace(lengths=None), state)
        assert_same_bits([y[k : k + 1, :n], counts[k : k + 1]], run(alone, "fused")[:2])


@pytest.mark.parametrize("batch", [1, 3])
def test_chunks_are_the_whole(batch: int) -> None:
    case = block_case(batch, 400, 19, 3)
    whole, counts, *ends = run(case, "fused")
    for size in (1, 64, 100, 256, 257):
        state, parts, total = case.state, [], 0
        for x in case.x.split(size, dim=1):
            y, count, *rest = run(BlockCase(x, case.inputs, state), "fused")
            state, total = tuple(rest), total + count
            parts.append(y)
            if size == 1 and len(parts) == 70:
                break
        assert torch.equal(torch.cat(parts, dim=1), whole[:, : sum(p.shape[1] for p in parts)])
        if size > 1:
            assert_same_bits([total, *state], [counts, *ends])


def gradients(case: BlockCase, method: str, **options: str | float) -> dict[str, Tensor]:
    leaves = case.leaves()
    weighted_sum(run(leaves, method, **options)).backward()
    return {name: t.grad for name, t in leaves.differentiable().items()}


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor], dtype: torch.dtype) -> None:
    assert found.keys() == expected.keys()
    for name, grad in found.items():
        assert relative_error(grad, expected[name]) <= BLOCK_GRADIENT[str(dtype).removeprefix("torch.")], name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "+".join(v) or "plain")
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (2, 63, 37, 3), (3, 65, 64, 2), (1, 300, 70, 4), (2, 513, 5, 5)])
def test_gradients_are_those_of_the_operators(sizes: tuple, variant: dict, dtype: torch.dtype) -> None:
    case = block_case(*sizes, dtype=dtype, **variant)
    assert_close(gradients(case, "fused"), gradients(case, "reference"), dtype)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda s: s.name)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_gradients_of_every_neuron(gradient: str, reset: str, surrogate: object) -> None:
    options = {"reset": reset, "gradient": gradient, "surrogate": surrogate.name, "scale": surrogate.value}
    case = block_case(2, 70, 9, 2, dtype=torch.float64)
    assert_close(gradients(case, "fused", **options), gradients(case, "reference", **options), torch.float64)


def test_gradient_of_the_counts_alone() -> None:
    case = block_case(2, 130, 9, 2, dtype=torch.float64, has_lengths=True)
    found, expected = case.leaves(), case.leaves()
    for leaves, method in ((found, "fused"), (expected, "reference")):
        weighted_sum([run(leaves, method)[1]]).backward()
    names = {name for name, t in expected.differentiable().items() if t.grad is not None}
    assert {"x", "lam", "threshold", "norm_weight"} <= names
    for name in names:
        grad, truth = found.differentiable()[name].grad, expected.differentiable()[name].grad
        assert relative_error(grad, truth) <= BLOCK_GRADIENT["float64"], name


def test_a_frozen_neuron_gets_no_gradient_and_changes_none() -> None:
    case = block_case(2, 70, 9, 2, dtype=torch.float64)
    leaves = case.leaves()
    frozen = [leaves.inputs.beta, leaves.inputs.threshold, leaves.inputs.rho, leaves.inputs.gamma]
    for p in frozen:
        p.requires_grad_(False)
    weighted_sum(run(leaves, "fused")).backward()
    assert all(p.grad is None for p in frozen)
    expected = gradients(case, "fused")
    for name, t in leaves.differentiable().items():
        if t.grad is not None:
            torch.testing.assert_close(t.grad, expected[name], rtol=0, atol=0)


@pytest.mark.parametrize("variant", [{}, {"is_bidirectional": True, "has_lengths": True}], ids=str)
def test_gradients_do_not_depend_on_the_threads(variant: dict) -> None:
    case = block_case(3, 300, 37, 3, **variant)
    torch.set_num_threads(1)
    alone = gradients(case, "fused")
    for threads in (2, 3, 5):  # as many as samples, one sample shared
        torch.set_num_threads(threads)
        assert_same_bits(list(gradients(case, "fused").values()), list(alone.values()))
        assert_same_bits(run(case, "fused"), run(case, "reference"))


def test_nothing_is_kept_without_gradients() -> None:
    case = block_case(2, 70, 5, 2)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t), torch.no_grad():
        run(case.leaves(), "fused")
    assert not kept


@pytest.mark.parametrize("ways", [1, 2])
def test_what_is_kept_beside_the_input(ways: int) -> None:
    """1/8 byte an element for spikes, 3 states of the neuron every 64 steps, 2 * n_pairs of each scan every 256."""
    case = block_case(2, 512, 64, 32, is_bidirectional=ways == 2).leaves()
    kept: dict[int, int] = {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.setdefault(t.untyped_storage().data_ptr(), t.numel() * t.element_size()) and t, lambda t: t
    ):
        run(case, "fused")
    own = {case.x.data_ptr()} | {t.data_ptr() for t in case.inputs if t is not None}
    total = sum(size for address, size in kept.items() if address not in own)
    assert total / case.x.numel() == pytest.approx(1 / 8 + 3 * 4 / 64 + ways * 64 * 4 / 256)


def test_errors() -> None:
    case = block_case(2, 7, 5, 2)
    half_a_norm = case._replace(inputs=case.inputs._replace(norm_bias=None))
    with pytest.raises(ValueError, match="`norm_weight` and `norm_bias` go together"):
        run(half_a_norm, "fused")
    with pytest.raises(ValueError, match="spiking_block: `norm` must be one of 'layer', 'affine'"):
        run(case, "fused", norm="batch")
    half_a_scan = case._replace(inputs=case.inputs._replace(back_d=case.inputs.d))
    with pytest.raises(ValueError, match="`back_lam`, `back_c` and `back_d` go together; got some of them"):
        run(half_a_scan, "fused")
    narrow = case._replace(inputs=case.inputs._replace(weight=case.inputs.weight[:-1]))
    with pytest.raises(ValueError, match=r"spiking_block: `weight` must have shape \(10, 5\)"):
        run(narrow, "fused")
    short = case._replace(state=(case.state[0][:1], *case.state[1:]))
    with pytest.raises(ValueError, match=r"spiking_block: `ssm_state` must have shape \(2, 2, 2, 5\)"):
        run(short, "fused")
    floats = case._replace(inputs=case.inputs._replace(lengths=torch.ones(2)))
    with pytest.raises(ValueError, match=r"spiking_block: `lengths` must have shape \(2,\) and dtype torch.int64"):
        run(floats, "fused")
    masked = case._replace(inputs=case.inputs._replace(spike_scale=torch.ones(2, 5, requires_grad=True)))
    with pytest.raises(ValueError, match="have no gradient in the fused route"):
        run(masked, "fused")
    with pytest.raises(ValueError, match="at least one channel"):
        run(block_case(1, 3, 0, 1), "fused")
    for method in ("fused", "reference"):
        with pytest.raises(ValueError, match="must not hold NaN"):
            run(case._replace(x=torch.full_like(case.x, float("nan"))), method)


@pytest.mark.needs_extension
def test_explain_says_which_and_why() -> None:
    assert str(explain("spiking_block", (2, 7, 5))) == (
        "spiking_block: fused (cpp), because one pass keeps current and spikes in the caches"
    )
    assert explain("spiking_block", (2, 7, 5), method="reference").backend == "torch"
    assert Inputs._fields[-1] == "lengths"
