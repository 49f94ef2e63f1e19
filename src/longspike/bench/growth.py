"""How the time of a call grows: with the length, with the channels, with the threads.

Every point of a line is a candidate of the same rounds. Time in proportion to the work is a slope of 1 in log-log.
"""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import torch

from longspike.bench.baselines import longspike_neuron
from longspike.bench.neuron import forward_call, training_step
from longspike.bench.timing import Rounds, time_rounds
from longspike.ssm.s4d import S4D

LENGTHS = tuple(1 << k for k in range(10, 21, 2))
CHANNELS = (1, 4, 16, 64, 256, 1024)
AT_LENGTHS, AT_CHANNELS, AT_THREADS = (1, 32), (4, 4096), (8, 4096, 256)  # what stays: batch and channels, .., shape
NUM_LARGE = 3


@dataclass(frozen=True, kw_only=True)
class Line:
    """Times against one size.

    Attributes:
        operation: what ran. by: the size on the x axis. setting: what stayed. x: the sizes.
        ms: median milliseconds at each. ns_per_element: the same over the elements of the input.
        slope: of log(time) over log(x), fitted to all points. slope_large: to the largest three.
    """

    operation: str
    by: str
    setting: str
    x: list[int]
    ms: list[float]
    ns_per_element: list[float]
    slope: float
    slope_large: float


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Least squares of log y over log x; 0 for a single point."""
    return statistics.linear_regression([log(v) for v in x], [log(v) for v in y]).slope if len(x) > 1 else 0.0


def _operations(shape: tuple[int, int, int]) -> dict[str, Callable[[], Any]]:
    """The neuron's two passes and the scan on one input."""
    x, neuron, scan = torch.randn(shape) * 0.25 + 0.12, longspike_neuron(), S4D(shape[2], d_state=64)
    step = training_step(neuron, x, torch.ones(shape))
    return {
        "neuron, forward": forward_call(neuron, x),
        "neuron, training step": lambda: step.backward(step.forward()),
        "S4D scan (N = 64), forward": forward_call(lambda u: scan(u)[0], x),
    }


def _on_threads(run: Callable[[], Any], threads: int) -> Callable[[], Any]:
    def call() -> Any:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return run()
        finally:
            torch.set_num_threads(before)

    return call


def _lines(
    by: str, setting: str, points: dict[int, tuple[int, dict[str, Callable[[], Any]]]], rounds: Rounds
) -> list[Line]:
    """points: size -> (elements of the input, operations)."""
    candidates = {f"{op}, {by} {size}": run for size, (_, ops) in points.items() for op, run in ops.items()}
    medians = {timing.name: timing.median for timing in time_rounds(candidates, rounds.within(f"with the {by}"))}
    lines = []
    for operation in next(iter(points.values()))[1]:
        x = list(points)
        seconds = [medians[f"{operation}, {by} {size}"] for size in x]
        lines.append(
            Line(
                operation=operation,
                by=by,
                setting=setting,
                x=x,
                ms=[round(1e3 * s, 4) for s in seconds],
                ns_per_element=[round(1e9 * s / points[size][0], 4) for size, s in zip(x, seconds, strict=True)],
                slope=round(slope(x, seconds), 3),
                slope_large=round(slope(x[-NUM_LARGE:], seconds[-NUM_LARGE:]), 3),
            )
        )
    return lines


def bench_growth(rounds: Rounds) -> list[Line]:
    """Lines over the length at fixed channels, over the channels at fixed length, over the threads at a fixed shape."""
    batch, width = AT_LENGTHS
    by_length = {n: (batch * n * width, _operations((batch, n, width))) for n in LENGTHS}
    lines = _lines("length", f"batch {batch}, {width} channels", by_length, rounds)
    del by_length
    batch, length = AT_CHANNELS
    by_channels = {n: (batch * length * n, _operations((batch, length, n))) for n in CHANNELS}
    lines += _lines("channels", f"batch {batch}, length {length}", by_channels, rounds)
    del by_channels
    threads = sorted({*(1 << k for k in range((os.cpu_count() or 1).bit_length())), os.cpu_count() or 1})
    shape, elements = AT_THREADS, AT_THREADS[0] * AT_THREADS[1] * AT_THREADS[2]
    operations = _operations(shape)
    by_threads = {n: (elements, {op: _on_threads(run, n) for op, run in operations.items()}) for n in threads}
    return [*lines, *_lines("threads", f"(batch, seqlen, channels) = {shape}", by_threads, rounds)]


def growth_cells(lines: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Header and rows of stored lines of one size, as text."""
    header = ("ns/element", *(f"{size:,}" for size in lines[0]["x"]), "slope", f"largest {NUM_LARGE}")
    return [
        header,
        *(
            (
                line["operation"],
                *(f"{ns:.3g}" for ns in line["ns_per_element"]),
                f"{line['slope']:.2f}",
                f"{line['slope_large']:.2f}",
            )
            for line in lines
        ),
    ]
