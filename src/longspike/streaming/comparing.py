"""A stream compared with the whole input at once, bit for bit."""

import numpy as np
import torch
from torch import Tensor

from longspike.errors import ConfigError
from longspike.events.ragged import collate_events
from longspike.events.record import EVENT_DTYPE
from longspike.models.flames import Flames
from longspike.models.spike_ssm_pair import SpikeSSMPair
from longspike.models.spiking_stack import AbstractSpikingStack
from longspike.streaming.event_stream import EventStream
from longspike.streaming.pair_stream import SIDES

LARGEST_SEQUENCE_BYTES = 1 << 30
"""Of steps and spikes that `WholeSequence` keeps."""
LARGEST_RECORDING = 4_000_000
"""Events that `WholeRecording` takes: they are run at once, and so is everything that the network does with them."""


class WholeSequence:
    """Keeps the steps that a stream was fed with and its spikes, to compare them with those of the whole sequence."""

    def __init__(self, model: AbstractSpikingStack) -> None:
        self._model = model
        self._inputs: list[Tensor] = []
        self._spikes: list[tuple[Tensor, ...]] = []
        self._bytes = 0

    def add(self, x: Tensor, spikes: tuple[Tensor, ...]) -> None:
        """Keep a step: x (d_input) or a token, spikes (1, d_model) of every layer.

        Raises: ConfigError if there is more than 1 GiB of them by now.
        """
        self._inputs.append(x)
        self._spikes.append(spikes)
        self._bytes += x.nbytes + sum(layer.nbytes for layer in spikes)
        if self._bytes > LARGEST_SEQUENCE_BYTES:
            raise ConfigError(
                f"--check keeps every step with its spikes, at most {LARGEST_SEQUENCE_BYTES:,} bytes; with step "
                f"{len(self._inputs):,} there are more. Leave --check out, or feed fewer steps."
            )

    def is_equal(self) -> bool:
        """Whether the whole sequence at once gives the same spikes."""
        x = torch.stack(self._inputs)[None]
        with torch.inference_mode():
            whole = self._model.outputs(x.to(self._model.dtype) if x.is_floating_point() else x).spikes
        streamed = (torch.cat(layer) for layer in zip(*self._spikes, strict=True))
        return all(torch.equal(a[0], b) for a, b in zip(whole, streamed, strict=True))


class WholePair:
    """Keeps what both sides of a stream were fed with and their spikes, to compare them with those of whole sequences."""

    def __init__(self, model: SpikeSSMPair) -> None:
        self._sides = {side: WholeSequence(model.tower) for side in SIDES}

    def add(self, side: str, x: Tensor, spikes: tuple[Tensor, ...]) -> None:
        """Keep a step of a side; see `WholeSequence.add`."""
        self._sides[side].add(x, spikes)

    def is_equal(self) -> bool:
        """Whether each whole sequence at once gives the same spikes."""
        return all(side.is_equal() for side in self._sides.values())


class WholeRecording:
    """Keeps the packets that a stream was fed with, to compare its logits with those of the whole recording."""

    def __init__(self, model: Flames) -> None:
        self._model = model
        self._packets: list[np.ndarray] = []
        self._num_events = 0

    def add(self, packet: np.ndarray) -> None:
        """Keep a packet.

        Raises: ConfigError if there are more than 4,000,000 events by now.
        """
        self._packets.append(packet)
        self._num_events += len(packet)
        if self._num_events > LARGEST_RECORDING:
            raise ConfigError(
                f"--check runs the whole recording at once, in memory, and takes at most {LARGEST_RECORDING:,} events; "
                "this one has more. Leave --check out, or cut the recording."
            )

    def is_equal(self, stream: EventStream) -> bool:
        """Whether the whole recording at once gives the same logits."""
        events = np.concatenate([np.empty(0, EVENT_DTYPE), *self._packets])
        with torch.inference_mode():
            whole = self._model.outputs(collate_events([events]), keeps_state=False).logits[0]
        return torch.equal(whole, stream.logits())
