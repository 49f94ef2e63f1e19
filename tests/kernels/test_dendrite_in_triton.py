"""The dendritic neuron's Triton kernels against the reference; without a GPU through Triton's interpreter, on few rows."""

import pytest
import torch
from torch import Tensor

from dendrites import ConvCase, Geometry, conv_case
from operators import SURROGATES, relative_error, weighted_sum
from tolerances import DENDRITE, DENDRITE_GRADIENT

pytest.importorskip("triton", reason="triton is not installed")

from longspike.kernels.dendrite import PoolPlan, pool_plan, reference, triton_adjoint, triton_chains, triton_pool
from longspike.kernels.dendrite.arguments import Chains

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
THRESHOLD = 0.8
SIZES = [(1, 1, 1), (3, 5, 2), (2, 33, 1), (5, 2, 3)]  # branches, channels, c_in
NAMES = ("values", "weight", "rate", "rate_soma", "g", "i", "v")


def small_case(branches: int, channels: int, c_in: int, *, counts: tuple[int, ...] = (6, 0, 4)) -> ConvCase:
    case = conv_case(branches, channels, c_in, list(counts), Geometry((3, 2), 2, 1, 0), steps=5)
    plan = case.plan._replace(**{k: x.to(DEVICE) for k, x in case.plan._asdict().items() if isinstance(x, Tensor)})
    return ConvCase(*(x.to(DEVICE) if isinstance(x, Tensor) else plan for x in case))


def pairs_of(case: ConvCase) -> tuple[Tensor, Tensor, Tensor]:
    return case.plan.pair_offsets, case.plan.pair_input, case.plan.pair_tap


def call_of(case: ConvCase, dtype: torch.dtype = torch.float64, *, has_state: bool = True) -> Chains:
    values, weight, rate, rate_soma, g, i, v = (x.to(dtype) for x in case[:7])
    state = (i, v) if has_state else (None, None)
    rates = torch.cat([rate, rate_soma.reshape(1)])
    return Chains(values, weight, rates, g, *state, case.gap, case.plan.chain_offsets, pairs_of(case), THRESHOLD)


def by_reference(case: ConvCase, leaves: list[Tensor], surrogate: str = "atan", scale: float = 1.3) -> list[Tensor]:
    """Membranes, i and v from values, weight, rate, rate_soma, g, i, v."""
    values, weight, *parameters, i, v = leaves
    plan, options = (case.plan.chain_offsets, pairs_of(case)), (THRESHOLD, surrogate, scale)
    return list(reference.dendritic_conv(values, weight, tuple(parameters), (i, v), case.gap, *plan, options))


class Conv(torch.autograd.Function):
    """The operator as it is on a GPU: leaves as in `by_reference`, then the call that holds the rest."""

    @staticmethod
    def forward(ctx, values, weight, rate, rate_soma, g, i, v, call, surrogate, scale):
        ctx.call, ctx.options = call, (surrogate, scale)
        ctx.membrane, *end = triton_chains.forward(call, keeps_state=True)
        return ctx.membrane, *end

    @staticmethod
    def backward(ctx, grad_membrane, *grad_end):
        options = {"surrogate": ctx.options[0], "scale": ctx.options[1], "wants_values": True}
        found = triton_adjoint.backward(ctx.call, ctx.membrane, grad_membrane, grad_end, **options)
        values, weight, rate, g, i, v = found
        return values, weight, rate[:-1], rate[-1], g, i, v, None, None, None


def gradients(outputs: list[Tensor], leaves: list[Tensor]) -> dict[str, Tensor]:
    return dict(zip(NAMES, torch.autograd.grad(weighted_sum(outputs), leaves), strict=True))


def assert_gradients_agree(case: ConvCase, surrogate: str = "atan", scale: float = 1.3) -> None:
    ours, theirs = (case.leaves(torch.float64) for _ in range(2))
    expected = gradients(by_reference(case, theirs, surrogate, scale), theirs)
    found = gradients(list(Conv.apply(*ours, call_of(case), surrogate, scale)), ours)
    for name in NAMES:
        assert relative_error(found[name], expected[name]) <= DENDRITE_GRADIENT["float64"], name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", SIZES)
def test_membranes_and_state(sizes: tuple[int, int, int], dtype: torch.dtype) -> None:
    case = small_case(*sizes)
    expected = by_reference(case, case.leaves(torch.float64))
    for ours, truth in zip(triton_chains.forward(call_of(case, dtype), keeps_state=True), expected, strict=True):
        assert ours.dtype == dtype
        assert relative_error(ours.double(), truth.detach()) <= DENDRITE[str(dtype).removeprefix("torch.")]


def test_no_state_is_silence_and_none_is_kept() -> None:
    case = small_case(3, 5, 2)
    silent = case._replace(i=torch.zeros_like(case.i), v=torch.zeros_like(case.v))
    expected = triton_chains.forward(call_of(silent), keeps_state=True)[0]
    membrane, i, v = triton_chains.forward(call_of(case, has_state=False), keeps_state=False)
    assert torch.equal(membrane, expected)
    assert i.shape == (0, 3, 5)
    assert v.shape == (0, 5)


@pytest.mark.parametrize("counts", [(0,), (0, 0), (1,)])
def test_no_inputs_and_one(counts: tuple[int, ...]) -> None:
    case = small_case(3, 5, 2, counts=counts)
    for ours, truth in zip(
        triton_chains.forward(call_of(case), keeps_state=True),
        by_reference(case, case.leaves(torch.float64)),
        strict=True,
    ):
        assert ours.shape == truth.shape
        assert torch.allclose(ours, truth.detach(), rtol=DENDRITE["float64"])


def test_a_chain_in_two_calls_has_the_bits_of_one() -> None:
    """The rows of every chain but its last, then the last ones."""
    call = call_of(small_case(3, 5, 2), torch.float32)
    whole = triton_chains.forward(call, keeps_state=True)
    offsets, sizes = call.chain_offsets, call.chain_offsets.diff()
    is_last = torch.zeros(int(sizes.sum()), dtype=torch.bool, device=DEVICE)
    is_last[offsets[1:] - 1] = True
    state, membranes = (call.i0, call.v0), torch.empty_like(whole[0])
    for rows in (~is_last, is_last):
        kept = rows.nonzero()[:, 0]
        counts = torch.zeros_like(is_last, dtype=torch.int64).masked_fill(rows, 1).cumsum(0)
        chains = torch.cat([counts.new_zeros(1), counts[offsets[1:] - 1]])
        starts, ends = call.pairs[0][kept], call.pairs[0][kept + 1]
        chosen = torch.cat([torch.arange(int(a), int(b), device=DEVICE) for a, b in zip(starts, ends, strict=True)])
        pair_offsets = torch.cat([counts.new_zeros(1), (ends - starts).cumsum(0)])
        pairs = (pair_offsets, call.pairs[1][chosen], call.pairs[2][chosen])
        part = call._replace(i0=state[0], v0=state[1], gap=call.gap[kept], chain_offsets=chains, pairs=pairs)
        membranes[kept], *state = triton_chains.forward(part, keeps_state=True)
    for ours, truth in zip((membranes, *state), whole, strict=True):
        assert torch.equal(ours, truth)


@pytest.mark.parametrize("sizes", SIZES)
def test_gradients(sizes: tuple[int, int, int]) -> None:
    assert_gradients_agree(small_case(*sizes))


@pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda s: s.name)
def test_gradients_of_every_surrogate(surrogate) -> None:
    assert_gradients_agree(small_case(2, 3, 1), surrogate.name, surrogate.value)


def test_gradients_range_by_range(monkeypatch: pytest.MonkeyPatch) -> None:
    case = small_case(3, 5, 2)
    monkeypatch.setattr(triton_adjoint, "LARGEST_PATH", 4 * 15 * 8)  # about four rows at a time
    assert len(triton_adjoint._ranges(call_of(case))) > 1
    assert_gradients_agree(case)


def test_channels_in_several_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_chains, "LARGEST_BLOCK", 8)
    case = small_case(3, 5, 1, counts=(4, 1))
    assert case.gap.numel() > 2
    assert triton_chains.shape_options(3, 5)["CHANNELS"] == 2
    membrane, _, _ = triton_chains.forward(call_of(case), keeps_state=True)
    assert relative_error(membrane, by_reference(case, case.leaves(torch.float64))[0].detach()) <= DENDRITE["float64"]
    assert_gradients_agree(case)


@pytest.mark.parametrize(("batch", "seqlen"), [(2, 4), (1, 1), (2, 0), (0, 3)])
def test_dense_sequences(batch: int, seqlen: int) -> None:
    draw = lambda *shape: torch.rand(shape, dtype=torch.float64, device=DEVICE).requires_grad_()  # noqa: E731
    drive, rate, rate_soma, g = draw(batch, seqlen, 3, 5), draw(3), draw(), draw(3)
    i, v = draw(batch, 3, 5), draw(batch, 5)
    leaves = [drive, rate, rate_soma, g, i, v]
    expected = reference.dendritic_lif(drive, (rate, rate_soma, g), (i, v), (THRESHOLD, "atan", 1.3))
    rates = torch.cat([rate, rate_soma.reshape(1)]).detach()
    offsets = torch.arange(batch + 1, device=DEVICE) * seqlen
    rows = drive.detach().reshape(batch * seqlen, 3, 5)
    call = Chains(None, rows, rates, g.detach(), i.detach(), v.detach(), None, offsets, None, THRESHOLD)
    membrane, *end = triton_chains.forward(call, keeps_state=True)
    for ours, truth in zip((membrane.view(batch, seqlen, 5), *end), expected, strict=True):
        assert torch.allclose(ours, truth.detach(), rtol=DENDRITE["float64"])
    gradient = [torch.randn_like(x) for x in expected]
    loss = sum((x * y).sum() for x, y in zip(expected, gradient, strict=True))
    truth = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    options = {"surrogate": "atan", "scale": 1.3, "wants_values": False}
    found = triton_adjoint.backward(call, membrane, gradient[0].reshape(-1, 5), tuple(gradient[1:]), **options)
    of_drive, of_rate, *rest = found[1:]
    for ours, wanted in zip((of_drive.view(drive.shape), of_rate[:-1], of_rate[-1], *rest), truth, strict=True):
        assert torch.allclose(ours, wanted, rtol=0, atol=DENDRITE_GRADIENT["float64"])


@pytest.mark.usefixtures("nan_in_fresh_memory")
def test_every_output_is_written() -> None:
    call = call_of(small_case(3, 5, 2))
    found = triton_chains.forward(call, keeps_state=True)
    options = {"surrogate": "triangle", "scale": 1.0, "wants_values": True}
    grads = triton_adjoint.backward(call, found[0], found[0], tuple(found[1:]), **options)
    assert all(x.isfinite().all() for x in (*found, *grads))


def test_wrong_shapes_are_named() -> None:
    call = call_of(small_case(3, 5, 2))
    with pytest.raises(ValueError, match="dendritic_conv: `weight` must have shape"):
        triton_chains.forward(call._replace(values=call.values[:, :1]), keeps_state=True)
    with pytest.raises(ValueError, match="dendritic_conv: `i` must have shape"):
        triton_chains.forward(call._replace(i0=call.i0[:, :2]), keeps_state=True)


def groups_of(case: ConvCase) -> PoolPlan:
    plan = pool_plan(case.plan, 2)
    return plan._replace(**{k: x.to(DEVICE) for k, x in plan._asdict().items() if isinstance(x, Tensor)})


@pytest.mark.usefixtures("nan_in_fresh_memory")
@pytest.mark.parametrize("channels", [1, 5, 130])
def test_largest_row_of_a_group(channels: int) -> None:
    plan = groups_of(small_case(1, 1, 1))
    x = torch.randint(-2, 3, (plan.group_rows.numel(), channels), device=DEVICE).float()  # equal ones among them
    y, position = triton_pool.forward(x, plan.group_offsets, plan.group_rows)
    expected = reference.segment_max(x, plan.group_offsets, plan.group_rows)
    assert torch.equal(y, expected[0])
    assert torch.equal(position, expected[1])
    leaf = x.clone().requires_grad_()
    grad = torch.randn_like(y)
    (reference.segment_max(leaf, plan.group_offsets, plan.group_rows)[0] * grad).sum().backward()
    assert torch.equal(triton_pool.backward(grad, position, plan.group_offsets, plan.group_rows), leaf.grad)


def test_no_group_at_all() -> None:
    plan = groups_of(small_case(1, 1, 1, counts=(0,)))
    y, position = triton_pool.forward(torch.zeros(0, 3, device=DEVICE), plan.group_offsets, plan.group_rows)
    assert y.shape == position.shape == (0, 3)
    assert triton_pool.backward(y, position, plan.group_offsets, plan.group_rows).shape == (0, 3)
