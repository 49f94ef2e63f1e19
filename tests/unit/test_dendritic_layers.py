"""Dendritic layers: chunks and the whole, dense and sparse, stacks of them, silence, and messages."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dendrites import (
    Geometry,
    at_rows,
    dense_layer,
    dense_pool,
    frames_of,
    random_events,
    unique_items,
)
from longspike.events.ragged import RaggedEvents
from longspike.kernels.dendrite import DendritePlan
from longspike.nn import (
    DendriticConvState,
    DendriticLIF,
    DendriticLIFConv2d,
    DendriticRows,
    DendriticState,
    SparseSpikes,
    SpatialPool,
    Surrogate,
    from_events,
)
from operators import relative_error, weighted_sum
from strategies import seeds, splits
from tolerances import DENDRITE, DENDRITE_GRADIENT

SENSOR = (7, 5)
STEPS = 24
TIMES = {"step_us": 1000, "tau_min_us": 1500, "tau_max_us": 30_000, "tau_soma_us": 6000}
ATAN = Surrogate("atan", 1.3)


def conv(in_channels: int = 2, channels: int = 5, *, gain: float = 2.0, **changes: object) -> DendriticLIFConv2d:
    """A small layer that fires now and then."""
    layer = DendriticLIFConv2d(in_channels, channels, **{"num_branches": 3, "surrogate": ATAN, **TIMES, **changes})
    with torch.no_grad():
        layer.weight.mul_(gain)
    return layer


def events(counts: tuple[int, ...] = (120, 0, 80), seed: int = 1) -> RaggedEvents:
    return random_events(list(counts), SENSOR, until_us=1000 * STEPS, seed=seed)


def spikes_of(
    counts: tuple[int, ...] = (120, 0, 80), seed: int = 1, dtype: torch.dtype = torch.float32
) -> SparseSpikes:
    return from_events(events(counts, seed), SENSOR, step_us=1000, dtype=dtype)


def during(items: SparseSpikes, first: int, last: int) -> SparseSpikes:
    """The items of steps in [first, last)."""
    kept = (items.step >= first) & (items.step < last)
    ends = torch.cat([torch.zeros(1, dtype=torch.int64), kept.long().cumsum(0)])[items.offsets]
    return SparseSpikes(*(x[kept] for x in items[:4]), ends, items.grid_size)


def keys_of(plan: DendritePlan) -> list[tuple[int, ...]]:
    return list(zip(*(x.tolist() for x in plan[:4]), strict=True))


def test_from_events() -> None:
    p = torch.tensor([1, 0, 1], dtype=torch.int32)
    x = torch.tensor([3, 0, 6], dtype=torch.int32)
    ragged = RaggedEvents(x, p, torch.tensor([999, 1000, 2999]), p, torch.tensor([0, 2, 3]))
    spikes = from_events(ragged, SENSOR, step_us=1000)
    assert spikes.step.tolist() == [0, 1, 2]
    assert spikes.values.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert spikes.grid_size == SENSOR
    with pytest.raises(
        ValueError, match=r"from_events: `x` must lie in \[0, 5\]; got min=0, max=6. Is sensor_size=\(6"
    ):
        from_events(ragged, (6, 5), step_us=1000)
    with pytest.raises(ValueError, match=r"`p` must lie in \[0, 1\]; got min=0, max=2"):
        from_events(ragged._replace(p=2 * p), SENSOR, step_us=1000)
    with pytest.raises(ValueError, match="`step_us` must be an integer of at least 1; got 0"):
        from_events(ragged, SENSOR, step_us=0)


def split_run(layer: DendriticLIFConv2d, items: SparseSpikes, lengths: list[int]) -> tuple[dict, DendriticConvState]:
    """Membranes by row over chunks of whole steps, and the last state."""
    state, membranes, start = None, {}, 0
    for length in lengths:
        rows = layer(during(items, start, start + length), state)
        membranes |= dict(zip(keys_of(rows.plan), rows.membrane, strict=True))
        state, start = rows.state, start + length
    return membranes, state


@settings(max_examples=25)
@given(lengths=splits(STEPS), seed=seeds, stride=st.integers(1, 2))
def test_chunks_are_the_whole(lengths: list[int], seed: int, stride: int) -> None:
    torch.manual_seed(seed)
    layer, items = conv(stride=stride), spikes_of((40, 0, 25), seed=seed)
    with torch.no_grad():
        whole = layer(items)
        membranes, state = split_run(layer, items, lengths)
    assert sorted(membranes) == sorted(keys_of(whole.plan))
    assert torch.equal(torch.stack([membranes[key] for key in keys_of(whole.plan)]), whole.membrane)
    for a, b in zip(state, whole.state, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("lengths", [[9, 15], [1, 0, 3, 20]])
def test_chunks_have_the_gradient_of_the_whole(lengths: list[int]) -> None:
    layer, items = conv().double(), spikes_of(dtype=torch.float64)
    items.values.requires_grad_()
    leaves = [items.values, *layer.parameters()]
    whole = layer(items)
    membranes, state = split_run(layer, items, lengths)
    ours = [torch.stack([membranes[key] for key in keys_of(whole.plan)]), state.i, state.v]
    expected = [whole.membrane, whole.state.i, whole.state.v]
    grads = [torch.autograd.grad(weighted_sum(x), leaves) for x in (ours, expected)]
    for a, b in zip(*grads, strict=True):
        assert float(b.abs().max()) > 0
        assert relative_error(a, b) <= DENDRITE_GRADIENT["float64"]


def test_state_holds_the_touched_positions_alone() -> None:
    layer, items = conv(), spikes_of()
    first, second = layer(during(items, 0, 2)), layer(during(items, 2, 5), layer(during(items, 0, 2)).state)
    width, height = first.plan.grid_size
    touched = {(b * height + y) * width + x: step for b, x, y, step in sorted(keys_of(first.plan), key=lambda k: k[3])}
    assert first.state.keys.tolist() == sorted(touched)
    assert first.state.last_step.tolist() == [touched[key] for key in sorted(touched)]
    later = {(b * height + y) * width + x for b, x, y, _ in keys_of(second.plan)}
    assert later - set(touched)
    untouched = [k for k, key in enumerate(first.state.keys.tolist()) if key not in later]
    assert untouched
    at = torch.searchsorted(second.state.keys, first.state.keys[untouched])
    for before, after in zip(first.state, second.state, strict=True):
        assert torch.equal(before[untouched], after[at])
    assert layer(items, keeps_state=False).state is None


def test_a_position_does_not_depend_on_what_happens_elsewhere() -> None:
    layer, items = conv(), spikes_of((150,))
    near = (items.x < 3).nonzero()[:, 0]  # these reach the cells x <= 3, and cells x <= 1 see no other
    part = SparseSpikes(*(x[near] for x in items[:4]), torch.tensor([0, near.numel()]), SENSOR)
    whole, alone = layer(items), layer(part)
    found = dict(zip(keys_of(whole.plan), whole.membrane, strict=True))
    rows = [(key, m) for key, m in zip(keys_of(alone.plan), alone.membrane, strict=True) if key[1] <= 1]
    assert len(rows) > 20
    assert all(torch.equal(found[key], m) for key, m in rows)
    assert {key for key in found if key[1] <= 1} == {key for key, _ in rows}


def test_samples_do_not_meet() -> None:
    layer, items = conv(), spikes_of((60, 0, 90))
    whole = layer(items)
    for sample in range(3):
        begin, end = items.offsets[sample : sample + 2].tolist()
        alone = layer(SparseSpikes(*(x[begin:end] for x in items[:4]), torch.tensor([0, end - begin]), SENSOR))
        here = slice(*whole.plan.row_offsets[sample : sample + 2].tolist())
        assert torch.equal(whole.membrane[here], alone.membrane)


def dense_stack(
    layers: list[DendriticLIFConv2d], pools: list[SpatialPool], frames: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Membranes of the last layer, where it has rows, and its pooled spikes."""
    for layer, pool in zip(layers, pools, strict=True):
        options = {"threshold": layer.threshold, "surrogate": ATAN, "stride": layer.stride, "padding": layer.padding}
        membranes, is_row = dense_layer(frames, layer.weight, layer.dynamics(), **options)
        frames = dense_pool(membranes, is_row, pool.size, layer.threshold, ATAN)
    return membranes, is_row, frames


@pytest.mark.parametrize("sizes", [(1, 1), (2, 1), (2, 3), (3, 2)])
def test_a_stack_is_a_dense_stack(sizes: tuple[int, int]) -> None:
    """Two layers and two pools: membranes, spikes, and every gradient, through silent cells that were touched too."""
    geometry = Geometry(SENSOR, 3, 1, 1)
    items = unique_items([90, 0, 60], geometry, 2, steps=12)
    items.values.requires_grad_()
    layers = [conv(gain=1.0, threshold=0.8).double(), conv(5, 4, kernel=2, stride=2, padding=1, gain=2.5).double()]
    pools = [SpatialPool(size, surrogate=ATAN) for size in sizes]
    spikes: SparseSpikes = items
    for layer, pool in zip(layers, pools, strict=True):
        rows: DendriticRows = layer(spikes, keeps_state=False)
        between, spikes = spikes, pool(rows)
    assert bool(((between.values == 0).all(1)).any())  # silent items reached the second layer
    assert 0 < float(between.values.detach().mean()) < 0.6
    membranes, is_row, pooled = dense_stack(layers, pools, frames_of(items, 12))
    assert int(is_row.sum()) == rows.membrane.shape[0]
    assert relative_error(rows.membrane.detach(), at_rows(membranes.detach(), rows.plan)) <= DENDRITE["float64"]
    expected = frames_of(spikes, 12)
    assert torch.equal(expected, pooled)
    assert float(pooled.detach().sum()) > 0
    leaves = [items.values, *layers[0].parameters(), *layers[1].parameters()]
    grads = [torch.autograd.grad(weighted_sum([x]), leaves) for x in (expected, pooled)]
    for a, b in zip(*grads, strict=True):
        assert float(b.abs().max()) > 0
        assert relative_error(a, b) <= DENDRITE_GRADIENT["float64"]


def test_pooled_spikes_are_the_or_of_spikes() -> None:
    with torch.no_grad():
        rows = conv()(spikes_of())
    ones = SpatialPool(1)(rows)
    assert ones.grid_size == SENSOR
    assert float(ones.values.sum()) == float((rows.membrane > rows.threshold).sum()) > 0
    pooled = SpatialPool(2)(rows)
    assert pooled.grid_size == (4, 3)
    largest = torch.nn.functional.max_pool2d(frames_of(ones, STEPS).flatten(0, 1), 2, ceil_mode=True)
    assert torch.equal(frames_of(pooled, STEPS).flatten(0, 1), largest)
    sample = torch.repeat_interleave(torch.arange(3), pooled.offsets.diff())
    order = ((sample * STEPS + pooled.step) * 3 + pooled.y) * 4 + pooled.x
    assert bool((order.diff() > 0).all())


def test_one_cell_is_the_dense_layer() -> None:
    """A 1x1 grid with an input in every step is a sequence."""
    dense = DendriticLIF(4, 3, num_branches=5, tau_min=1.5, tau_max=30, tau_soma=6, surrogate=ATAN).double()
    sparse = conv(4, 3, num_branches=5, kernel=1).double()
    with torch.no_grad():
        dense.weight.mul_(12)
        sparse.weight.copy_(dense.weight[..., None, None])
        sparse.log_tau.copy_(dense.log_tau + math.log(1000))  # microseconds, not steps
        sparse.log_tau_soma.copy_(dense.log_tau_soma + math.log(1000))
    x = torch.randn(2, 9, 4, dtype=torch.float64, requires_grad=True)
    zeros = torch.zeros(18, dtype=torch.int32)
    items = SparseSpikes(x.reshape(18, 4), torch.arange(9).repeat(2), zeros, zeros, torch.tensor([0, 9, 18]), (1, 1))
    ours, (spikes, state) = SpatialPool(1, surrogate=ATAN)(sparse(items)), dense(x)
    assert torch.equal(ours.values.view(2, 9, 3), spikes)
    assert float(spikes.detach().sum()) > 0
    torch.testing.assert_close(sparse(items).state.i, state.i, rtol=0, atol=1e-12)
    grads = [torch.autograd.grad(weighted_sum([y]), x)[0] for y in (ours.values.view(2, 9, 3), spikes)]
    assert relative_error(*grads) <= DENDRITE_GRADIENT["float64"]


@settings(max_examples=25)
@given(lengths=splits(13), seed=seeds)
def test_dense_chunks_and_steps_are_the_whole(lengths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    layer = DendriticLIF(4, 3, num_branches=5, tau_min=2, tau_max=30, tau_soma=6)
    x = 3 * torch.randn(2, 13, 4)
    with torch.no_grad():
        whole, end = layer(x)
        state, parts = None, []
        for part in x.split(lengths, dim=1):
            spikes, state = layer(part, state)
            parts.append(spikes)
        assert torch.equal(torch.cat(parts, 1), whole)
        stepped = layer.init_state(2)
        steps = []
        for t in range(13):
            spikes, stepped = layer.step(x[:, t], stepped)
            steps.append(spikes)
    assert torch.equal(torch.stack(steps, 1), whole)
    for a, b, c in zip(state, stepped, end, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, c)


def test_dense_gradcheck_of_smooth_parts() -> None:
    """Below the threshold nothing fires and a narrow boxcar has no slope: the layer is smooth."""
    layer = DendriticLIF(3, 2, num_branches=4, tau_min=2, tau_max=30, tau_soma=6, surrogate=Surrogate("boxcar", 0.01))
    layer = layer.double()
    with torch.no_grad():
        layer.weight.mul_(0.1)
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    start = DendriticState(*(0.1 * torch.randn(2, *s, dtype=torch.float64).requires_grad_() for s in ((4, 2), (2,))))
    assert torch.autograd.gradcheck(lambda x, i, v: tuple(layer(x, DendriticState(i, v))[1]), (x, *start))


def test_initial_activity() -> None:
    """Where events touch a position every 10 ms, a few per cent of the neurons fire."""
    ragged = random_events([80, 80, 80], SENSOR, until_us=200_000, seed=3)  # 11 a second and pixel
    items = from_events(ragged, SENSOR, step_us=1000)
    for branches in (4, 16):
        layer = DendriticLIFConv2d(
            2, 32, num_branches=branches, step_us=1000, tau_min_us=2e3, tau_max_us=1e5, tau_soma_us=1e4
        )
        rows = layer(items)
        assert 0.03 < float((rows.membrane > 1).float().mean()) < 0.08
        assert layer.g.tolist() == pytest.approx([1 / branches] * branches)
    assert layer.log_tau.exp().tolist()[:: branches - 1] == pytest.approx([2e3, 1e5], rel=1e-5)


def test_half_precision_computes_in_single() -> None:
    layer = DendriticLIF(4, 3, num_branches=2, tau_min=2, tau_max=30, tau_soma=6)
    x = torch.randn(2, 9, 4).bfloat16()
    spikes, state = layer(x)
    assert spikes.dtype == torch.bfloat16
    assert state.i.dtype == torch.float32
    assert torch.equal(spikes.float(), layer(x.float())[0])
    items = spikes_of()
    assert torch.equal(conv_half(items.values.bfloat16(), items), conv_half(items.values, items))


def conv_half(values: Tensor, items: SparseSpikes) -> Tensor:
    torch.manual_seed(0)
    return conv()(items._replace(values=values)).membrane


def test_conv_messages() -> None:
    layer, items = conv(), spikes_of()
    with pytest.raises(
        ValueError, match=r"`inputs.values` must be floating point of shape \(items, channels\) = \(200, 2\)"
    ):
        layer(items._replace(values=items.values[:, :1]))
    with pytest.raises(
        ValueError, match="`inputs` must begin after the state's last step; a position is touched in step"
    ):
        layer(items, layer(items).state)
    state = layer(during(items, 0, 3)).state
    with pytest.raises(ValueError, match=r"`state.v` must have shape \(\d+, 5\); got a tensor of shape"):
        layer(during(items, 3, 9), state._replace(v=state.v[:, :2]))
    for name, value in (("channels", 0), ("kernel", -1), ("stride", 0), ("step_us", 0.5), ("num_branches", 0)):
        with pytest.raises(ValueError, match=f"DendriticLIFConv2d: `{name}` must be an integer of at least 1; got"):
            conv(**{name: value})
    with pytest.raises(ValueError, match=r"`tau_max` must lie in \[1500, inf\); got 1000"):
        conv(tau_max_us=1000.0)
    with pytest.raises(ValueError, match=r"`threshold` must lie in \(0, inf\); got 0"):
        conv(threshold=0.0)
    with pytest.raises(ValueError, match="`method` must be one of 'auto', 'compiled', 'reference'; got 'scan'"):
        conv(method="scan")
    with pytest.raises(ValueError, match="SpatialPool: `size` must be an integer of at least 1; got 0"):
        SpatialPool(0)


def test_dense_messages() -> None:
    options = {"num_branches": 2, "tau_min": 2.0, "tau_max": 9.0, "tau_soma": 3.0}
    layer = DendriticLIF(4, 3, **options)
    with pytest.raises(ValueError, match="DendriticLIF: `x` must have 4 channels on its last axis"):
        layer(torch.zeros(2, 5, 3))
    with pytest.raises(ValueError, match=r"DendriticLIF: `state.i` must have shape \(2, 2, 3\); got a tensor of shape"):
        layer(torch.zeros(2, 5, 4), layer.init_state(3))
    for name in ("tau_min", "tau_soma"):
        with pytest.raises(ValueError, match=rf"DendriticLIF: `{name}` must lie in \(0, inf\); got 0"):
            DendriticLIF(4, 3, **{**options, name: 0.0})
