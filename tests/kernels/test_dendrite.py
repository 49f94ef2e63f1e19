"""Dendritic kernels: forward against dense sequences and the reference, bit for bit where promised, and the adjoint."""

import pytest
import torch
from torch import Tensor

from dendrites import (
    ConvCase,
    Geometry,
    at_rows,
    conv_case,
    dense_layer,
    frames_of,
    plan_of,
    random_items,
    unique_items,
)
from longspike.kernels import native
from longspike.kernels.dendrite import (
    PoolPlan,
    compiled,
    dendritic_conv,
    dendritic_lif,
    pool_plan,
    reference,
    segment_max,
)
from longspike.nn import Surrogate
from operators import SURROGATES, relative_error, weighted_sum
from tolerances import DENDRITE, DENDRITE_GRADIENT

needs_extension = pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
DTYPES = [torch.float32, torch.float64]
THRESHOLD = 0.8
NAMES = ("values", "weight", "rate", "rate_soma", "g", "i", "v")
# branches, channels, c_in, counts, geometry, steps: one vector and tails, two, four and more vectors, long chains
CASES = {
    "small": (5, 3, 2, [60, 0, 40], Geometry((5, 4), 3, 1, 1), 9),
    "one": (1, 1, 1, [40], Geometry((3, 5), 2, 2, 0), 9),
    "tails": (4, 17, 3, [30, 50], Geometry((6, 3), 3, 2, 2), 9),
    "long": (3, 33, 5, [330, 30], Geometry((2, 1), 1, 1, 0), 300),
    "wide": (2, 70, 7, [14], Geometry((2, 1), 1, 1, 0), 30),
    "branches": (19, 8, 1, [25], Geometry((3, 2), 3, 1, 1), 9),
    "empty": (2, 3, 2, [0, 0], Geometry((3, 2), 3, 1, 1), 9),
}


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def error(a: Tensor, b: Tensor) -> float:
    return relative_error(a.detach(), b.detach())


def run(case: ConvCase, leaves: list[Tensor], surrogate: Surrogate = SURROGATES[0], **options) -> list[Tensor]:
    """Membranes and the last state, in float64 for losses that are the same."""
    values, weight, *parameters, i, v = leaves
    membrane, end = dendritic_conv(
        values,
        weight,
        tuple(parameters),
        (i, v) if options.pop("has_state", True) else None,
        case.plan,
        case.gap,
        threshold=THRESHOLD,
        surrogate=surrogate.name,
        scale=surrogate.value,
        **options,
    )
    return [membrane, *(end or ())]


def gradients(case: ConvCase, dtype: torch.dtype, *args, **options) -> list[Tensor]:
    leaves = case.leaves(dtype)
    loss = weighted_sum(run(case, leaves, *args, **options))
    return list(torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES)
@needs_extension
def test_forward_is_the_reference(dtype: torch.dtype, case: str) -> None:
    data = conv_case(*CASES[case][:5], steps=CASES[case][5])
    truth = run(data, data.leaves(torch.float64), method="reference")
    for ours, expected in zip(run(data, data.leaves(dtype), method="compiled"), truth, strict=True):
        assert ours.dtype == dtype
        assert ours.shape == expected.shape
        assert error(ours, expected) <= DENDRITE[name(dtype)]
    if case in ("small", "tails", "long"):
        assert 0 < float((truth[0] > THRESHOLD).double().mean()) < 0.9


@pytest.mark.parametrize("case", CASES)
@needs_extension
def test_float64_gradients_are_autograds(case: str) -> None:
    data = conv_case(*CASES[case][:5], steps=CASES[case][5])
    surrogate = SURROGATES[list(CASES).index(case) % len(SURROGATES)]
    ours = gradients(data, torch.float64, surrogate, method="compiled")
    expected = gradients(data, torch.float64, surrogate, method="reference")
    for name_, a, b in zip(NAMES, ours, expected, strict=True):
        assert a.shape == b.shape
        assert error(a, b) <= DENDRITE_GRADIENT["float64"], name_


@pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda s: s.name)
@needs_extension
def test_gradients_with_every_surrogate(surrogate: Surrogate) -> None:
    data = conv_case(*CASES["small"][:5])
    expected = gradients(data, torch.float64, surrogate, method="reference")
    for dtype in DTYPES:
        for a, b in zip(gradients(data, dtype, surrogate, method="compiled"), expected, strict=True):
            assert error(a, b) <= DENDRITE_GRADIENT[name(dtype)]
    assert all(float(x.abs().max()) > 0 for x in expected)


@pytest.mark.parametrize("case", ["small", "tails", "long", "wide", "branches"])
@needs_extension
def test_float32_gradients(case: str) -> None:
    data = conv_case(*CASES[case][:5], steps=CASES[case][5])
    surrogate = SURROGATES[4]
    expected = gradients(data, torch.float64, surrogate, method="reference")
    for name_, a, b in zip(NAMES, gradients(data, torch.float32, surrogate), expected, strict=True):
        assert error(a, b) <= DENDRITE_GRADIENT["float32"], name_


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (2, 2, 0), (3, 2, 2), (1, 1, 0)])
def test_sparse_is_dense(kernel: int, stride: int, padding: int) -> None:
    """The dense sequence with a masked clock: forward, and every gradient, that of silent inputs included."""
    geometry = Geometry((5, 4), kernel, stride, padding)
    items = unique_items([90, 0, 60], geometry, 3, steps=12)
    branches, channels = 4, 5
    plan = plan_of(items, geometry)
    g = torch.Generator().manual_seed(3)
    weight = 0.6 * torch.randn(branches, channels, 3, kernel, kernel, generator=g, dtype=torch.float64)
    rates = (torch.rand(branches, generator=g).double(), torch.tensor(0.3, dtype=torch.float64))
    leaves = [items.values, weight, *rates, torch.full((branches,), 0.3, dtype=torch.float64)]
    leaves = [x.clone().requires_grad_() for x in leaves]
    values, weight, rate, rate_soma, gain = leaves
    gap = plan.row_step.diff(prepend=plan.row_step[:1])
    gap[plan.chain_offsets[:-1]] = 0
    ours, _ = dendritic_conv(
        values,
        weight.permute(3, 4, 2, 0, 1).reshape(kernel**2, 3, branches, channels),
        (rate, rate_soma, gain),
        None,
        plan,
        gap,
        threshold=THRESHOLD,
        surrogate="atan",
        scale=1.3,
    )
    frames = frames_of(items._replace(values=values), 12)
    dense, is_row = dense_layer(
        frames,
        weight,
        (rate, rate_soma, gain),
        threshold=THRESHOLD,
        surrogate=Surrogate("atan", 1.3),
        stride=stride,
        padding=padding,
    )
    expected = at_rows(dense, plan)
    assert int(is_row.sum()) == expected.shape[0] > 50
    assert bool((expected > THRESHOLD).any())
    assert error(ours, expected) <= DENDRITE["float64"]
    silent = (items.values == 0) & (items.values != 0).any(1, keepdim=True)
    grads = [torch.autograd.grad(weighted_sum([x]), leaves) for x in (ours, expected)]
    for a, b in zip(*grads, strict=True):
        assert error(a, b) <= DENDRITE_GRADIENT["float64"]
    assert float(grads[0][0][silent].abs().max()) > 0


def chains_of(case: ConvCase, dtype: torch.dtype) -> compiled.Chains:
    values, weight, rate, rate_soma, g, i, v = (x.detach() for x in case.leaves(dtype))
    pairs = (case.plan.pair_offsets, case.plan.pair_input, case.plan.pair_tap)
    rates = torch.cat([rate, rate_soma.reshape(1)])
    return compiled.Chains(values, weight, rates, g, i, v, case.gap, case.plan.chain_offsets, pairs, THRESHOLD)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES)
@needs_extension
def test_a_row_has_the_bits_of_a_stream(dtype: torch.dtype, case: str, architectures: list[str]) -> None:
    """The fused row, and decay, add and membrane called one after the other for every event."""
    call = chains_of(conv_case(*CASES[case][:5], steps=CASES[case][5]), dtype)
    for arch in architectures:
        native.extension().use_architecture(arch)
        fused, by_event = compiled.forward(call, True), compiled.forward(call, True, by_event=True)
        assert all(torch.equal(a, b) for a, b in zip(fused, by_event, strict=True))


@needs_extension
def test_instruction_sets_agree(architectures: list[str]) -> None:
    data = conv_case(*CASES["tails"][:5])
    expected = gradients(data, torch.float64, method="reference")
    for arch in architectures:
        native.extension().use_architecture(arch)
        for a, b in zip(gradients(data, torch.float64, method="compiled"), expected, strict=True):
            assert error(a, b) <= DENDRITE_GRADIENT["float64"]


@needs_extension
def test_no_state_is_silence() -> None:
    data = conv_case(*CASES["small"][:5])
    silent = data._replace(i=torch.zeros_like(data.i), v=torch.zeros_like(data.v))
    for dtype in DTYPES:
        ours, expected = (run(silent, silent.leaves(dtype), has_state=has) for has in (False, True))
        assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))
    assert len(run(data, data.leaves(torch.float32), keeps_state=False)) == 1
    ours, expected = (
        gradients(silent, torch.float64, method=method, has_state=False, keeps_state=False)
        for method in ("compiled", "reference")
    )
    for a, b in zip(ours, expected, strict=True):
        assert error(a, b) <= DENDRITE_GRADIENT["float64"]


@pytest.mark.parametrize("which", [0, 1, 2])
@needs_extension
def test_gradient_of_one_output_alone(which: int) -> None:
    data = conv_case(*CASES["small"][:5])
    found = []
    for method in ("compiled", "reference"):
        leaves = data.leaves(torch.float64)
        loss = weighted_sum(run(data, leaves, method=method)[which : which + 1])
        found.append(torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True))
    for a, b in zip(*found, strict=True):
        assert error(a, b) <= DENDRITE_GRADIENT["float64"]


@needs_extension
def test_a_forgotten_state_is_zero() -> None:
    """After a gap of thousands of time constants a chain starts as from silence, bit for bit."""
    data = conv_case(*CASES["small"][:5])
    first = data.plan.chain_offsets[:-1]
    gap = data.gap.clone()
    gap[first] = 100_000
    for dtype in DTYPES:
        with_state, without = (run(data._replace(gap=gap), data.leaves(dtype), has_state=has) for has in (True, False))
        assert all(torch.equal(a, b) for a, b in zip(with_state, without, strict=True))


@needs_extension
def test_threads_change_no_membrane_and_repeat_their_gradients() -> None:
    geometry = Geometry((8, 6), 3, 1, 1)
    data = conv_case(3, 9, 4, [300, 0, 200, 250], geometry, steps=60)
    assert data.gap.numel() > 1024  # enough rows for three parts
    before, found = torch.get_num_threads(), []
    for threads in (1, 3, 3):
        torch.set_num_threads(threads)
        found.append((run(data, data.leaves(torch.float32)), gradients(data, torch.float32)))
    torch.set_num_threads(before)
    for state in zip(*(x[0] for x in found), strict=True):
        assert torch.equal(state[0], state[1])
    for one, three, again in zip(*(x[1] for x in found), strict=True):
        assert torch.equal(three, again)
        assert error(three, one) <= DENDRITE_GRADIENT["float32"]


def lif_arguments(batch: int, seqlen: int, branches: int, channels: int, dtype: torch.dtype) -> list[Tensor]:
    g = torch.Generator().manual_seed(7)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    rate, rate_soma = torch.rand(branches, generator=g).double() + 0.02, torch.tensor(0.2, dtype=torch.float64)
    gain = (0.5 + torch.rand(branches, generator=g).double()) / branches
    parts = (draw(batch, seqlen, branches, channels), rate, rate_soma, gain)
    return [x.to(dtype).requires_grad_() for x in (*parts, draw(batch, branches, channels), draw(batch, channels))]


def run_lif(leaves: list[Tensor], surrogate: Surrogate, method: str) -> list[Tensor]:
    drive, rate, rate_soma, g, i, v = leaves
    options = {"threshold": THRESHOLD, "surrogate": surrogate.name, "scale": surrogate.value, "method": method}
    membrane, end = dendritic_lif(drive, (rate, rate_soma, g), (i, v), **options)
    return [membrane, *end]


@pytest.mark.parametrize(
    "sizes", [(2, 7, 4, 3), (1, 65, 1, 17), (3, 130, 2, 33), (2, 0, 3, 5), (0, 4, 2, 3), (1, 1, 18, 16)]
)
@pytest.mark.parametrize("dtype", DTYPES)
@needs_extension
def test_dense_drive(dtype: torch.dtype, sizes: tuple[int, ...]) -> None:
    found = []
    for method, kind in (("compiled", dtype), ("reference", torch.float64)):
        leaves = lif_arguments(*sizes, kind)
        results = run_lif(leaves, SURROGATES[2], method)
        found.append(
            (results, torch.autograd.grad(weighted_sum(results), leaves, materialize_grads=True, allow_unused=True))
        )
    for a, b in zip(*(x[0] for x in found), strict=True):
        assert a.shape == b.shape
        assert error(a, b) <= DENDRITE[name(dtype)]
    for a, b in zip(*(x[1] for x in found), strict=True):
        assert error(a, b) <= DENDRITE_GRADIENT[name(dtype)]


@needs_extension
def test_silence_does_not_end_in_denormal_numbers() -> None:
    if native.extension().architecture() == "portable":
        pytest.skip("this instruction set cannot flush them")
    _, *parameters, i, v = (x.detach() for x in lif_arguments(1, 1, 3, 5, torch.float32))
    options = {"threshold": THRESHOLD, "surrogate": "triangle", "scale": 1.0}
    _, end = dendritic_lif(torch.zeros(1, 4000, 3, 5), tuple(parameters), (i, v), **options)
    for x in end:
        assert bool(((x == 0) | (x.abs() >= torch.finfo(torch.float32).tiny)).all())


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3, 16, 35])
@pytest.mark.parametrize("dtype", DTYPES)
@needs_extension
def test_segment_max(dtype: torch.dtype, channels: int, size: int) -> None:
    """Whole numbers, so that many are equal: the first of them gets the gradient."""
    geometry = Geometry((7, 5), 3, 1, 1)
    plan = pool_plan(plan_of(random_items([40, 0, 30], geometry, 1, density=0.7), geometry), size)
    x = torch.randint(-2, 3, (plan.group_rows.numel(), channels)).to(dtype)
    y, position = compiled.segment_max(x, plan.group_offsets, plan.group_rows)
    expected, first = reference.segment_max(x, plan.group_offsets, plan.group_rows)
    assert torch.equal(y, expected)
    assert torch.equal(position, first)
    grads = []
    for method in ("compiled", "reference"):
        leaf = x.clone().requires_grad_()
        grads.append(torch.autograd.grad(weighted_sum([segment_max(leaf, plan, method=method)]), leaf)[0])
    assert torch.equal(*grads)
    groups = [x[rows] for rows in torch.tensor_split(plan.group_rows, plan.group_offsets[1:-1])]
    assert torch.equal(y, torch.stack([group.amax(0) for group in groups]))
    assert torch.equal(first, torch.stack([group.argmax(0) for group in groups]).int())


def test_messages() -> None:
    data = conv_case(*CASES["small"][:5])
    leaves = [x.detach() for x in data.leaves(torch.float32)]
    broken = [leaves[0] * float("nan"), *leaves[1:]]
    if not native.is_available():
        pytest.skip("the compiled extension is not built")
    with pytest.raises(ValueError, match="dendritic_conv: the inputs, weights and time constants must not hold NaN"):
        run(data, broken)
    with pytest.raises(ValueError, match=r"dendritic_conv: `weight` must have shape \(9, 2, 5, 3\)|`values` must"):
        run(data, [leaves[0].double(), *leaves[1:]])
    with pytest.raises(ValueError, match=r"dendritic_conv: `g` must have shape \(5,\)"):
        run(data, [*leaves[:4], leaves[4][:3], *leaves[5:]])
    with pytest.raises(ValueError, match=r"`pair_input` must lie in \[0, 7\); got min=0, max=\d+. Take it from"):
        run(data, [leaves[0][:7], *leaves[1:]])
    with pytest.raises(ValueError, match=r"`pair_offsets` must have shape \(\d+,\) and dtype torch.int64"):
        run(data._replace(gap=data.gap[:-1]), leaves)
    falling = data.plan._replace(chain_offsets=data.plan.chain_offsets.flip(0))
    with pytest.raises(ValueError, match=r"`chain_offsets` must rise from 0 to \d+, the number of rows; got .*"):
        run(data._replace(plan=falling), leaves)
    plan = PoolPlan(*(torch.zeros(1).int(),) * 3, torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([5]), (1, 1))
    with pytest.raises(ValueError, match=r"segment_max: `group_rows` must lie in \[0, 2\); got min=5, max=5. Take"):
        segment_max(torch.zeros(2, 3), plan)
