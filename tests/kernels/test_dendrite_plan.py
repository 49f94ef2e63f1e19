"""Rows, chains and pooled groups against brute force."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dendrites import Geometry, plan_of, random_items, rows_by_brute_force
from longspike.kernels import native
from longspike.kernels.dendrite import DendritePlan, dendrite_plan, pool_plan
from longspike.layers.sparse import SparseSpikes

geometries = st.builds(
    Geometry,
    st.tuples(st.integers(1, 7), st.integers(1, 5)),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
).filter(lambda g: min(g.output) >= 1)
counts = st.lists(st.integers(0, 25), min_size=1, max_size=3)
seeds = st.integers(0, 2**31 - 1)


@pytest.fixture(params=["compiled", "reference"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "reference":
        monkeypatch.setattr(native, "_extension", None)
    else:
        pytest.importorskip("longspike._native", reason="the compiled extension is not built")
    return request.param


def assert_plan_is(plan: DendritePlan, items: SparseSpikes, geometry: Geometry) -> None:
    rows = rows_by_brute_force(items, geometry)
    cells = (plan.row_y * plan.grid_size[0] + plan.row_x).tolist()
    assert list(zip(plan.row_sample.tolist(), cells, plan.row_step.tolist(), strict=True)) == list(rows)
    assert plan.grid_size == geometry.output
    ends, pairs = plan.pair_offsets.tolist(), list(zip(plan.pair_input.tolist(), plan.pair_tap.tolist(), strict=True))
    assert [pairs[a:b] for a, b in itertools.pairwise(ends)] == list(rows.values())
    positions = [row[:2] for row in rows]
    starts = [k for k, position in enumerate(positions) if k == 0 or position != positions[k - 1]]
    assert plan.chain_offsets.tolist() == [*starts, len(rows)]
    of_sample = [sum(row[0] < b for row in rows) for b in range(items.offsets.numel())]
    assert plan.row_offsets.tolist() == of_sample


def assert_pool_is(plan: DendritePlan, size: int) -> None:
    pooled = pool_plan(plan, size)
    width = -(-plan.grid_size[0] // size)
    assert pooled.grid_size == (width, -(-plan.grid_size[1] // size))
    groups: dict[tuple[int, int, int], list[int]] = {}
    for row, (b, x, y, step) in enumerate(zip(*(t.tolist() for t in plan[:4]), strict=True)):
        groups.setdefault((b, step, y // size * width + x // size), []).append(row)
    items = sorted(groups)
    cells = (pooled.item_y * width + pooled.item_x).tolist()
    assert list(zip(pooled.item_step.tolist(), cells, strict=True)) == [item[1:] for item in items]
    assert pooled.item_offsets.tolist() == [sum(k[0] < b for k in items) for b in range(plan.row_offsets.numel())]
    ends, rows = pooled.group_offsets.tolist(), pooled.group_rows.tolist()
    assert [rows[a:b] for a, b in itertools.pairwise(ends)] == [groups[item] for item in items]


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 1, 1), (2, 1, 0), (3, 2, 2), (1, 1, 0), (5, 3, 2), (2, 3, 0)]
)
def test_rows_and_pairs(kernel: int, stride: int, padding: int, backend: str) -> None:
    geometry = Geometry((7, 5), kernel, stride, padding)
    items = random_items([31, 0, 17], geometry, 2)
    assert_plan_is(plan_of(items, geometry), items, geometry)
    assert_pool_is(plan_of(items, geometry), 2)


@given(geometry=geometries, counts=counts, density=st.sampled_from([0.0, 0.2, 1.0]), seed=seeds, size=st.integers(1, 4))
def test_any_inputs(geometry: Geometry, counts: list[int], density: float, seed: int, size: int) -> None:
    items = random_items(counts, geometry, 1, density=density, seed=seed)
    plan = plan_of(items, geometry)
    assert_plan_is(plan, items, geometry)
    assert_pool_is(plan, size)


def test_large_grid_and_late_steps() -> None:
    """Few inputs on many cells, steps beyond 32 bits: the compiled plan is the one in PyTorch."""
    geometry = Geometry((1280, 800), 3, 1, 1)
    items = random_items([40, 60], geometry, 1, steps=4, density=0.7)
    items = items._replace(step=items.step + 2**40, x=items.x.clamp(max=30), y=items.y.clamp(min=790))
    found = plan_of(items, geometry)
    pooled = pool_plan(found, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "_extension", None)
        for a, b in zip((*found[:-1], *pooled[:-1]), (*plan_of(items, geometry)[:-1], *pool_plan(found, 4)[:-1])):
            assert a.dtype == b.dtype
            assert torch.equal(a, b)


def test_all_threads_make_the_same_plan() -> None:
    geometry = Geometry((9, 7), 3, 1, 1)
    items = random_items([50, 0, 80, 3, 70, 20], geometry, 2)
    before = torch.get_num_threads()
    plans = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        plan = plan_of(items, geometry)
        plans.append((*plan[:-1], *pool_plan(plan, 2)[:-1]))
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*plans, strict=True))


def call(items: SparseSpikes, **changes: object) -> DendritePlan:
    arguments = {"grid_size": items.grid_size, "kernel": 3, "stride": 1, "padding": 1, **changes}
    is_active = torch.ones(items.step.numel(), dtype=torch.bool)
    return dendrite_plan(items.step, items.x, items.y, is_active, items.offsets, **arguments)


def test_messages(backend: str) -> None:
    items = random_items([4, 6], Geometry((7, 5), 3, 1, 1), 1)
    unsorted = items._replace(step=torch.tensor([0, 1, 2, 3, 0, 1, 5, 4, 4, 9]))
    with pytest.raises(ValueError, match=r"`step` must not decrease within a sample; input 7 has step 4 after 5. Sort"):
        call(unsorted)
    with pytest.raises(ValueError, match=r"`x` must lie in \[0, 2\) for grid_size \(2, 5\); got min=\d, max=\d"):
        call(items, grid_size=(2, 5))
    with pytest.raises(ValueError, match=r"`y` must lie in \[0, 2\)"):
        call(items, grid_size=(7, 2))
    with pytest.raises(ValueError, match=r"`offsets` must rise from 0 to the number of items \(10\); got \[0, 4, 9\]"):
        call(items._replace(offsets=torch.tensor([0, 4, 9])))
    with pytest.raises(ValueError, match=r"`offsets` must be an int64 tensor \(batch \+ 1,\)"):
        call(items._replace(offsets=items.offsets.int()))
    with pytest.raises(ValueError, match=r"`x` must have shape \(10,\) and dtype torch.int32; got a tensor of shape"):
        call(items._replace(x=items.x.long()))
    with pytest.raises(ValueError, match=r"with kernel 9, stride 1 and padding 0 must leave .* it leaves \(-1, -3\)"):
        call(items, kernel=9, padding=0)
    with pytest.raises(ValueError, match="`kernel` must be at most 255; got 256"):
        call(items, kernel=256)
    with pytest.raises(ValueError, match="`stride` must be an integer of at least 1; got 0"):
        call(items, stride=0)
    with pytest.raises(ValueError, match="pool_plan: `pool` must be an integer of at least 1; got 0"):
        pool_plan(call(items), 0)
