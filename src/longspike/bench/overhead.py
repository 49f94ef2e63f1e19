"""What a call costs before it computes anything: operators and modules on one step of a few channels."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from longspike.bench.tables import Table, rows_of
from longspike.bench.timing import Rounds, Timing, time_rounds
from longspike.events.record import EVENT_DTYPE
from longspike.functional import refractory_lif
from longspike.kernels.layer_norm import layer_norm
from longspike.kernels.mixing import glu, linear
from longspike.kernels.refractory_lif import refractory_lif_op
from longspike.layers.block import SpikingBlock
from longspike.models import Flames, SpikeSSM
from longspike.ssm.s4d import S4D
from longspike.streaming.stream import Stream

TORCH_LINEAR = "linear (torch)"
CHANNELS, CALLS = 16, 100


def _candidates(x: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Calls on x (1, 1, CHANNELS); each returns its output."""
    weight, row = torch.randn(CHANNELS, CHANNELS), torch.randn(CHANNELS)
    pair = torch.randn(1, 1, 2 * CHANNELS, requires_grad=x.requires_grad)
    dynamics = [torch.full((CHANNELS,), value) for value in (0.9, 1.0, 0.5, 0.5)]
    silence = [torch.zeros(1, CHANNELS) for _ in range(3)]
    options = ("subtract", "triangle", 1.0, "full", "auto")
    ssm, block = S4D(CHANNELS, d_state=16), SpikingBlock(CHANNELS, d_state=16)
    ssm_state, block_state = ssm.init_state(1), block.init_state(1)
    step = torch.randn(1, CHANNELS, requires_grad=x.requires_grad)
    return {
        TORCH_LINEAR: lambda: torch.nn.functional.linear(x, weight, row),
        "linear": lambda: linear(x, weight, row),
        "glu": lambda: glu(pair),
        "layer_norm": lambda: layer_norm(x, row, row),
        "refractory_lif operator": lambda: refractory_lif_op(x, *dynamics, *silence, *options)[0],
        "refractory_lif": lambda: refractory_lif(x, beta=0.9)[0],
        "S4D.step": lambda: ssm.step(step, ssm_state)[0],
        "SpikingBlock.step": lambda: block.step(step, block_state)[0],
    }


class _Events:
    """Packets of one event into a stream of FLAMES-Tiny at 1280x800, a microsecond apart."""

    def __init__(self, count: int = 20_000) -> None:
        self._stream = Stream(Flames.from_preset("tiny", sensor_size=(1280, 800), num_classes=10))
        events = np.zeros(count, EVENT_DTYPE)
        events["x"], events["y"], events["t"] = np.arange(count) % 1280, np.arange(count) % 800, np.arange(count)
        self._packets, self._next = [events[i : i + 1] for i in range(count)], 0

    def __call__(self) -> None:
        if self._next == len(self._packets):
            self._stream.reset()
            self._next = 0
        self._stream.push(self._packets[self._next])
        self._next += 1


def _streams() -> dict[str, Callable[[], object]]:
    """Pushes of the least that a stream takes."""
    model = SpikeSSM.from_preset("digits")
    steps, step = Stream(model), torch.rand(1, model.config.d_input)
    return {"Stream.push of one step (digits)": lambda: steps.push(step), "Stream.push of one event (Tiny)": _Events()}


def _repeated(call: Callable[[], object], calls: int, *, trains: bool) -> Callable[[], None]:
    def forward() -> None:
        with torch.no_grad():
            for _ in range(calls):
                call()

    def forward_and_backward() -> None:
        grad = torch.ones_like(call())  # type: ignore[arg-type]
        for _ in range(calls):
            call().backward(grad)  # type: ignore[attr-defined]

    return forward_and_backward if trains else forward


def _per_call(part: str, rounds: Rounds) -> list[Timing]:
    trains = part == "forward and backward"
    x = torch.randn(1, 1, CHANNELS, requires_grad=trains)
    calls: dict[str, Callable[[], object]] = {**_candidates(x), **({} if trains else _streams())}
    candidates: dict[str, Callable[[], object]] = {
        name: _repeated(call, CALLS, trains=trains) for name, call in calls.items()
    }
    return [Timing(t.name, tuple(s / CALLS for s in t.seconds)) for t in time_rounds(candidates, rounds)]


def bench_overhead(rounds: Rounds) -> list[Table]:
    """Time one call on a tensor (1, 1, 16), float32, on one thread, of many in a row; forward, and with backward."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        timings = {part: _per_call(part, rounds.within(part)) for part in ("forward", "forward and backward")}
    finally:
        torch.set_num_threads(threads)
    return [
        Table(
            what="overhead",
            title=f"small calls, {part}",
            setting=f"one step of {CHANNELS} channels, one thread, float32, {CALLS} calls in a row",
            counted="whole calls, as a program makes them",
            per="call",
            rows=rows_of(part_timings, elements=1, ours={TORCH_LINEAR: "linear"}),
        )
        for part, part_timings in timings.items()
    ]
