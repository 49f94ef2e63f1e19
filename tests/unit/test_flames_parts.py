"""What FLAMES is made of besides its fronts: ticks, the memory block, the read-out's pool, the leaky memory."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longspike.kernels.layer_norm import layer_norm
from longspike.layers.event_pool import EventPool
from longspike.layers.memory_block import MemoryBlock
from longspike.layers.norm import RowNorm
from longspike.layers.sparse import SparseSpikes
from longspike.layers.ticks import NEVER, find_ticks
from longspike.neurons.leaky_memory import LeakyMemory
from longspike.nn import SAHippo
from tolerances import FLAMES_GRADIENT, LOGITS

GRID = (5, 3)


def sparse(samples: list[list[tuple[int, int, bool]]]) -> SparseSpikes:
    """Samples of (step, cell, spikes or not), sorted."""
    rows = [row for sample in samples for row in sorted(sample)]
    step, cell, fired = (torch.tensor([row[k] for row in rows], dtype=torch.int64) for k in range(3))
    values = torch.stack([torch.zeros(len(rows)), fired.float()], dim=1)
    offsets = torch.tensor([0, *torch.tensor([len(s) for s in samples], dtype=torch.int64).cumsum(0).tolist()])
    return SparseSpikes(values, step, (cell % GRID[0]).int(), (cell // GRID[0]).int(), offsets, GRID)


rows = st.tuples(st.integers(6, 11), st.integers(0, 14), st.booleans())
samples = st.lists(st.lists(rows, max_size=8, unique_by=lambda row: row[:2]), min_size=1, max_size=4)


@settings(max_examples=200)
@given(samples=samples, last=st.lists(st.integers(-1, 5), min_size=4, max_size=4))
def test_ticks_are_those_of_a_plain_loop(samples: list, last: list[int]) -> None:
    ticks = find_ticks(sparse(samples), torch.tensor(last[: len(samples)]))
    items, cells, sizes, steps, deltas, counts, ends, first = [], [], [], [], [], [], [], 0
    for sample, before in zip(samples, last, strict=False):
        ordered, count = sorted(sample), 0
        for step in sorted({row[0] for row in ordered}):
            here = [k for k, row in enumerate(ordered) if row[0] == step]
            if any(ordered[k][2] for k in here):
                items += [first + k for k in here]
                cells += [ordered[k][1] for k in here]
                sizes.append(len(here))
                steps.append(step)
                deltas.append(1 if before == NEVER else step - before)
                before, count = step, count + 1
        counts.append(count)
        ends.append(before)
        first += len(ordered)
    assert ticks.items.tolist() == items
    assert ticks.cell.tolist() == cells
    assert ticks.tick_offsets.diff().tolist() == sizes
    assert ticks.step.tolist() == steps
    assert ticks.delta.tolist() == deltas
    assert ticks.offsets.diff().tolist() == counts
    assert ticks.last_step.tolist() == ends
    assert int(ticks.tick_offsets[0]) == int(ticks.offsets[0]) == 0


@pytest.mark.parametrize("before", [6, 7])
def test_a_tick_before_the_states_last_one_is_refused(before: int) -> None:
    """It would be a step cut in two, or time that runs backwards."""
    spikes = sparse([[(3, 0, True)], [(4, 1, False), (6, 2, True)]])
    assert find_ticks(spikes, torch.tensor([2, 5])).delta.tolist() == [1, 1]
    message = rf"first tick of sample 1 is in step 6, its last one was in step {before}"
    with pytest.raises(ValueError, match=message):
        find_ticks(spikes, torch.tensor([2, before]))


def test_finding_ticks_leaves_its_arguments() -> None:
    spikes, last = sparse([[(6, 0, True)]]), torch.tensor([2])
    assert find_ticks(spikes, last).last_step.tolist() == [6]
    assert last.tolist() == [2]


def leaky_by_loop(layer: LeakyMemory, u, delta, offsets, state) -> tuple[torch.Tensor, torch.Tensor]:
    ys, ends = [], []
    for b in range(len(offsets) - 1):
        v = state[b]
        for k in range(int(offsets[b]), int(offsets[b + 1])):
            y = torch.exp(-delta[k] / layer.log_tau.exp()) * v + u[k]
            v = torch.where(y > layer.threshold, torch.zeros_like(y), y)
            ys.append(y)
        ends.append(v)
    return torch.stack(ys), torch.stack(ends)


def ragged(counts: list[int], d_model: int, dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    offsets = torch.tensor([0, *torch.tensor(counts).cumsum(0).tolist()])
    ticks = int(offsets[-1])
    return torch.randn(ticks, d_model, dtype=dtype), torch.randint(1, 9, (ticks,)).to(dtype), offsets


@pytest.mark.parametrize("counts", [[5, 0, 3, 1], [0, 4], [7]])
def test_the_leaky_memory_is_its_loop(counts: list[int]) -> None:
    layer = LeakyMemory(3, tau_min=1.5, tau_max=20.0, threshold=0.7).double()
    u, delta, offsets = ragged(counts, 3)
    state = torch.randn(len(counts), 3, dtype=torch.float64)
    for ours, expected in zip(
        layer(u, delta, offsets, state), leaky_by_loop(layer, u, delta, offsets, state), strict=True
    ):
        torch.testing.assert_close(ours, expected, rtol=0, atol=FLAMES_GRADIENT)
    assert bool((layer(u, delta, offsets, state)[0] > 0.7).any())


def test_the_leaky_memory_in_pieces_and_in_silence() -> None:
    layer = LeakyMemory(4)
    u, delta, offsets = ragged([6], 4, torch.float32)
    y, end = layer(u, delta, offsets)
    first, state = layer(u[:2], delta[:2], torch.tensor([0, 2]))
    nothing, state = layer(u[:0], delta[:0], torch.tensor([0, 0]), state)
    rest, state = layer(u[2:], delta[2:], torch.tensor([0, 4]), state)
    assert torch.equal(torch.cat([first, nothing, rest]), y)
    assert torch.equal(state, end)
    taus = layer.log_tau.exp()
    assert bool(((taus >= 10 * (1 - 1e-5)) & (taus <= 1000 * (1 + 1e-5))).all())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"d_model": 0}, "`d_model` must be an integer of at least 1"),
        ({"d_model": 2, "tau_min": 0.0}, r"`tau_min` must lie in \(0, 1000\]"),
        ({"d_model": 2, "tau_min": 9.0, "tau_max": 8.0}, r"`tau_min` must lie in \(0, 8\]"),
        ({"d_model": 2, "tau_min": math.nan}, "`tau_min` must lie in"),
    ],
)
def test_leaky_memories_that_cannot_be(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LeakyMemory(**options)


def block(dropout: float = 0.0) -> MemoryBlock:
    made = MemoryBlock(SAHippo(6, d_state=4, rank=1, num_heads=2), 6, dropout=dropout)
    with torch.no_grad():
        made.memory.D.mul_(3)
    return made


def test_the_memory_block_is_its_formula() -> None:
    layer = block().double()
    u, delta, offsets = ragged([5, 0, 4], 6)
    state = torch.randn_like(layer.init_state(3))
    out = layer(u, delta, offsets, state)
    y, end = layer.memory(u, delta, offsets, state)
    spikes = (y > 1).double()
    mixed = u + spikes @ layer.mix.weight.T + layer.mix.bias
    expected = torch.nn.functional.layer_norm(mixed, (6,), layer.norm.weight, layer.norm.bias, 1e-5)
    assert 0 < out.spikes.sum() < out.spikes.numel()
    assert torch.equal(out.spikes, spikes)
    assert torch.equal(out.state, end)
    torch.testing.assert_close(out.u, expected, rtol=0, atol=FLAMES_GRADIENT)


def test_dropped_spikes_are_tied_in_time_and_leave_evaluation_alone() -> None:
    layer, (u, delta, offsets) = block(0.5), ragged([40, 30], 6, torch.float32)
    ones = torch.ones(70, 6)
    dropped = layer._dropped(ones, offsets)
    for part in (dropped[:40], dropped[40:]):
        assert bool((part == part[0]).all())
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}
    assert not torch.equal(dropped[0], dropped[40])
    assert torch.equal(layer.eval()(u, delta, offsets).spikes, layer(u, delta, offsets).spikes)
    assert layer._dropped(ones, offsets) is ones


def test_a_block_takes_any_memory_with_the_same_calls() -> None:
    layer = MemoryBlock(LeakyMemory(3, tau_min=2.0), 3)
    u, delta, offsets = ragged([4, 2], 3, torch.float32)
    out = layer(2 * u, delta, offsets, layer.init_state(2))
    assert out.spikes.sum() > 0
    assert out.state.shape == (2, 3)


@settings(max_examples=50)
@given(n=st.integers(1, 40), scale=st.sampled_from([1e-3, 1.0, 1e3]), seed=st.integers(0, 999))
def test_layer_norm_is_its_formula(n: int, scale: float, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    x, weight, bias = (torch.randn(k, generator=g, dtype=torch.float64) for k in (3 * n, n, n))
    x = scale * x.view(3, n)
    centred = x - x.mean(1, keepdim=True)
    expected = centred / torch.sqrt(centred.square().mean(1, keepdim=True) + 1e-5) * weight + bias
    torch.testing.assert_close(layer_norm(x, weight, bias), expected, rtol=0, atol=FLAMES_GRADIENT)


def test_a_constant_row_is_its_bias() -> None:
    norm = RowNorm(5)
    with torch.no_grad():
        norm.bias.copy_(torch.arange(5.0))
    assert torch.equal(norm(torch.full((2, 5), 7.0)), torch.arange(5.0).expand(2, 5))


@pytest.mark.parametrize("weighting", ["tick", "time"])
@pytest.mark.parametrize("window", [1, 2, 3, 100])
def test_the_pool_is_the_mean_of_windowed_means(weighting: str, window: int) -> None:
    layer = EventPool(3, window=window, weighting=weighting)
    y, delta, offsets = ragged([7, 0, 4], 3)
    mean, _ = layer(y, delta, offsets)
    for b, (low, high) in enumerate(((0, 7), (7, 7), (7, 11))):
        means = []
        for k in range(low, high, window):
            part = slice(k, min(k + window, high))
            weights = delta[part, None] if weighting == "time" else torch.ones_like(delta[part, None])
            means.append((weights * y[part]).sum(0) / weights.sum())
        expected = torch.stack(means).mean(0) if means else torch.zeros(3, dtype=torch.float64)
        torch.testing.assert_close(mean[b], expected, rtol=0, atol=FLAMES_GRADIENT)


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 20), max_size=4), window=st.integers(1, 6), seed=st.integers(0, 99))
def test_the_pool_in_pieces_is_the_pool_of_the_whole(cuts: list[int], window: int, seed: int) -> None:
    torch.manual_seed(seed)
    layer = EventPool(2, window=window, weighting="time")
    y, delta, offsets = ragged([20], 2, torch.float32)
    whole, end = layer(y, delta, offsets)
    state, bounds = None, [0, *sorted(cuts), 20]
    for low, high in pairwise(bounds):
        mean, state = layer(y[low:high], delta[low:high], torch.tensor([0, high - low]), state)
    assert torch.equal(mean, whole)
    assert all(torch.equal(a, b) for a, b in zip(state, end, strict=True))


def test_a_pool_of_a_million_ticks_keeps_its_precision() -> None:
    layer = EventPool(1)
    y, state = torch.full((100_000, 1), 0.1), None
    for _ in range(10):
        mean, state = layer(y, torch.ones(100_000), torch.tensor([0, 100_000]), state)
    assert float((mean - 0.1).abs()) <= LOGITS * 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "`channels` must be an integer of at least 1; got 0"),
        ({"channels": 2, "window": 0}, "`window` must be an integer of at least 1; got 0"),
        ({"channels": 2, "weighting": "mean"}, "`weighting` must be one of 'tick', 'time'; got 'mean'"),
    ],
)
def test_pools_that_cannot_be(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EventPool(**options)
