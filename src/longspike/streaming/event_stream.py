"""FLAMES fed with events as a camera delivers them: compiled, exact, in bounded memory."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import check_choice, check_positive_int, describe
from longspike._core.files import replace_file
from longspike.errors import BackendUnavailableError, CheckpointError
from longspike.events.conversion import convert_events
from longspike.events.record import EVENT_DTYPE, LATEST_TIME_US
from longspike.kernels import native
from longspike.models.flames import Flames
from longspike.streaming.durations import bin_quantiles_us
from longspike.streaming.fingerprint import fingerprint
from longspike.streaming.flames_parameters import flames_parameters
from longspike.streaming.stream import Stream, read_saved

LATE = ("drop", "raise")
MAX_GAP_US = 10_000_000
CONFIRMING = 32
"""Far events in a row that must agree about the time before they are believed: kConfirming of csrc/streams."""
MAGIC = b"longspike event stream 3\n"  # then SHA-256 of the model and of the state, then the state
DIGEST_BYTES = 32


def _is_event_dtype(dtype: np.dtype) -> bool:
    return dtype is EVENT_DTYPE or dtype == EVENT_DTYPE  # comparing fields costs more than a packet of one event


class StreamCounts(NamedTuple):
    """What a stream has done since its start.

    events: seen, whatever became of them. late: dropped because their step was closed. steps: closed. ticks: of the memory.
    spikes, updates: of every front, then of every memory block; spikes / updates is the firing rate.
    far: dropped because their time was not believed. jumps: of the clock, that were believed.
    """

    events: int
    late: int
    steps: int
    ticks: int
    spikes: tuple[int, ...]
    updates: tuple[int, ...]
    far: int
    jumps: int

    @property
    def rate(self) -> float:
        """Spikes per neuron update over all layers."""
        return sum(self.spikes) / max(sum(self.updates), 1)


class StreamTick(NamedTuple):
    """One tick of the memory, as a recording stream keeps it.

    step: its number. cells: touched cells of the last front, row by row. front: (cells, channels) their spikes.
    spikes: (blocks, d_model). logits: (num_outputs) after the tick.
    """

    step: int
    cells: np.ndarray
    front: np.ndarray
    spikes: np.ndarray
    logits: np.ndarray


class EventStream(Stream):
    """Feeds a `Flames` network with packets of events and answers at any moment; `longspike.Stream(flames)` makes one.

    However events are cut into packets, spikes and logits are those of `Flames.outputs` on all of them, bit for bit. A
    step is complete, and enters the logits, when an event of a later step arrives or `flush` is called. Memory does not
    grow with time: it is bounded by the sensor's positions. Threads take turns on a stream; two
    streams share nothing.

    **Times that are not believed.** An event is far if it lies more than `max_gap_us` after the end of the latest step, or
    before its beginning. A far event is not taken. If 32 far events in a row agree (each within `max_gap_us` of the one
    before), the clock has jumped: all 32 are taken in order and the stream goes on from there. A jump forwards is a silence
    of that length. After a jump backwards time goes on where it was: the next step follows the latest one. Far events that
    nothing confirms, because a near one comes next or `flush` is called, are dropped and counted. Nearer events of steps
    that are complete are late.

    Args:
        model: `Flames` in float32 with the memory "sa_hippo" or "hippo", transition "bilinear" or structure "diag"; its
            parameters are copied, so later training does not change the stream.
        late: what happens to events whose step is complete: "drop" and count them, or "raise" and take none of the packet.
        max_gap_us: the largest step of the clock that one event is believed, in microseconds of the recording.
        is_recording: keep every tick for `take_ticks`; memory then grows until they are taken.
        num_threads: that share the touched positions of a step, the same bits whatever it is; more than one pays where a
            step touches more than half a MiB of state: the Small and Normal networks.

    Raises: ValueError for another model; BackendUnavailableError without the compiled extension.

    Example:
        >>> stream = EventStream(Flames.from_preset("tiny", sensor_size=(34, 34), num_classes=10))
        >>> stream.push(np.array([(3, 4, 10, 1), (3, 5, 2500, 0)], EVENT_DTYPE))
        >>> stream.flush()
        >>> stream.counts.events, stream.counts.steps
        (2, 2)
    """

    def __init__(
        self,
        model: Flames,
        *,
        late: str = "drop",
        max_gap_us: int = MAX_GAP_US,
        is_recording: bool = False,
        num_threads: int = 1,
    ) -> None:
        if not isinstance(model, Flames):
            raise TypeError(f"EventStream: `model` must be Flames; got {describe(model)}. Use longspike.load(path).")
        check_choice("EventStream", "late", late, LATE)
        check_positive_int("EventStream", "num_threads", num_threads, high=native.MOST_THREADS)
        check_positive_int("EventStream", "max_gap_us", max_gap_us, high=LATEST_TIME_US)
        if not native.is_available():
            raise BackendUnavailableError(f"EventStream runs compiled, and {native.unavailable_reason}.")
        self.config = model.config
        self._fingerprint = fingerprint(model)
        self._hold(native.extension().make_flames_stream(flames_parameters(model)))
        self._stream.is_recording, self._stream.refuses_late = is_recording, late == "raise"
        self._stream.threads, self._stream.max_gap_us = num_threads, max_gap_us

    def _hold(self, stream: Any) -> None:
        self._stream, self._push = stream, stream.push  # found once, not once a packet

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A second stream that goes on from the same place; they share nothing."""
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.config, twin._fingerprint = self.config, self._fingerprint
        twin._hold(self._stream.copy())
        return twin

    @property
    def counts(self) -> StreamCounts:
        """Events, steps, ticks and spikes since the start or the last reset."""
        found, clock = self._stream.counters(), self._stream.clock()
        found |= {name: tuple(found[name]) for name in ("spikes", "updates")}
        return StreamCounts(**found, far=clock["far"], jumps=clock["jumps"])

    @property
    def time_us(self) -> int:
        """When the latest step began: the camera's time until its clock jumps backwards, and never less than before."""
        time_us: int = self._stream.clock()["time_us"]
        return time_us

    @property
    def memory_bytes(self) -> int:
        """An upper bound of parameters and state; a step under way takes a few MiB more at most."""
        return self._stream.memory_bytes()

    def push(self, events: object) -> None:
        """Feed a packet of any size, none included.

        Args: events: (num_events,) of `longspike.events.EVENT_DTYPE`, as `longspike.events.open` yields them; what other
            libraries have is converted by `longspike.events.as_events`.
        Raises:
            TypeError: no events. ValueError: an event off the sensor, a time outside [0, 2^62], or a late one with
                late="raise"; the stream then stands where it stood.
        """
        if not (isinstance(events, np.ndarray) and _is_event_dtype(events.dtype) and events.ndim == 1):
            events = convert_events("EventStream.push", events)
        self._push(events if events.flags.c_contiguous else np.ascontiguousarray(events))

    def flush(self) -> None:
        """Complete the open step; its later events are late from now on."""
        self._stream.flush()

    def reset(self) -> None:
        """Forget everything, counters included."""
        self._stream.reset()

    def restart_mean(self) -> None:
        """Let the read-out average from here on: a new decision about what comes; neurons and memory keep their state."""
        self._stream.restart_mean()

    def logits(self) -> Tensor:
        """(num_outputs) for the complete steps since the start, or since `restart_mean`; the bias before the first tick."""
        return torch.from_numpy(self._stream.logits(self.config.num_outputs))

    def take_ticks(self) -> list[StreamTick]:
        """The ticks since the last call, of a recording stream."""
        blocks, width = self.config.memory.num_layers, self.config.memory.d_model
        return [
            StreamTick(
                step, cells, front.reshape(len(cells), self.config.channels), spikes.reshape(blocks, width), logits
            )
            for step, cells, front, spikes, logits in self._stream.take_records()
        ]

    def latency_us(self, *quantiles: float) -> tuple[float, ...]:
        """Quantiles of the time from the arrival of a packet to each decision it completes, in microseconds.

        A decision is complete when the tick that it rests on is done. Kept in bins of 1/16 octave (4.4 %), whose upper
        edge is returned; NaN before the first decision.
        """
        return bin_quantiles_us(self._stream.latency_histogram(), quantiles)

    def save(self, path: str | Path) -> None:
        """Write the state to a file, from which `restore` continues bit for bit on the same kind of processor.

        Raises: FileWriteError if it cannot be written; an old file is then as it was, as it is if the process is killed.
        """
        state = self._stream.state().tobytes()
        content = MAGIC + self._fingerprint + hashlib.sha256(state).digest() + state
        replace_file(path, lambda file: file.write(content))

    def restore(self, path: str | Path) -> None:
        """Continue from a file that `save` wrote.

        Raises: CheckpointError if it is missing, damaged, of another model or of a state that no stream can be in; the
            stream then stays as it is.
        """
        try:
            content = read_saved(path)
            if not content.startswith(MAGIC):
                raise ValueError("it does not begin like one")
            model, digest, state = np.split(
                np.frombuffer(content, np.uint8, offset=len(MAGIC)), [DIGEST_BYTES, 2 * DIGEST_BYTES]
            )
            if digest.tobytes() != hashlib.sha256(state.tobytes()).digest():
                raise ValueError("it is damaged")
            if model.tobytes() != self._fingerprint:
                raise ValueError("it is of another model")
            self._stream.set_state(state)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} is not a saved event stream of this model ({error}).") from None

    def __repr__(self) -> str:
        counts: Any = self.counts
        return f"EventStream({counts.events} events, {counts.steps} steps, {counts.ticks} ticks)"
