"""The roofline of a FLAMES stream counts what the kernels do."""

import numpy as np
import pytest
import torch

from event_samples import random_events
from longspike.bench.events.roofline import (
    Limits,
    Work,
    inputs_per_event,
    record_bytes,
    roofline,
    touched_positions,
    work_per_event,
)
from longspike.kernels import native
from longspike.models import Flames
from longspike.streaming import StreamCounts


def model_for(**changes: object) -> Flames:
    return Flames.from_preset("tiny", sensor_size=(34, 26), num_classes=3, **changes)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 3)])
def test_inputs_are_the_pairs_of_the_plan(kernel: int, stride: int) -> None:
    model, events = model_for(kernel=kernel, stride=stride, downsample=2), random_events(70, (34, 26))
    width, height, reached = 17, 13, 0
    for x, y in zip(events["x"] // 2, events["y"] // 2, strict=True):
        field = torch.zeros(1, 1, height, width)
        field[0, 0, int(y), int(x)] = 1
        kernel_of_ones = torch.ones(1, 1, kernel, kernel)
        reached += int(torch.conv2d(field, kernel_of_ones, stride=stride, padding=kernel // 2).sum())
    assert inputs_per_event(model, events) == pytest.approx(reached / len(events))


def test_work_of_a_tick_and_of_a_position() -> None:
    model = model_for()
    counts = StreamCounts(10, 0, 5, 4, (64, 0, 0), (32 * 20, 0, 0), 0, 0)
    work = work_per_event(model, counts, 2.0)
    assert record_bytes(model) == 17 * 32 * 4
    assert work["inputs"] == Work(2.0 * 32 * 16, 0.0)
    assert work["decay and membranes"] == Work(2 * (2 * 512 + 32), 2 * 2 * 17 * 32 * 4)
    assert work["memory"].operations == pytest.approx(0.4 * 2 * 32 * (32 * 48 + 64 + 16) + 6.4 * 32)


def test_touched_positions_are_counted_once() -> None:
    events = random_events(4, (34, 26))
    events["x"], events["y"] = [0, 1, 4, 33], [0, 1, 1, 25]
    assert touched_positions(model_for(stride=2, downsample=2), events) == 3


def test_shares_are_limits_over_the_measured_time() -> None:
    figures = roofline({"a": Work(3e3, 0.0), "b": Work(1e3, 2e3)}, Limits(1e9, 1e9), 10.0)
    assert figures["a"] == pytest.approx(3.0)
    assert figures["b"] == pytest.approx(3.0)
    assert figures["share_overlapped"] == pytest.approx(0.4)
    assert figures["share_in_turn"] == pytest.approx(0.6)


@pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
def test_several_fronts_are_refused() -> None:
    with pytest.raises(ValueError, match="must have one front; got 2"):
        work_per_event(model_for(num_fronts=2), StreamCounts(0, 0, 0, 0, (), (), 0, 0), 1.0)
    assert np.isfinite(inputs_per_event(model_for(), random_events(3, (34, 26))))
