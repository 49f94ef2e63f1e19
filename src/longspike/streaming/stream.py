"""What every stream can do, and the one name under which they are made."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from torch import Tensor

from longspike.models.classifier import AbstractClassifier
from longspike.models.flames import Flames
from longspike.models.spike_ssm_pair import SpikeSSMPair
from longspike.models.spiking_stack import AbstractSpikingStack

if TYPE_CHECKING:
    from longspike.streaming.event_stream import EventStream
    from longspike.streaming.pair_stream import PairStream
    from longspike.streaming.sequence_stream import SequenceStream


def answered(model: AbstractClassifier, logits: Tensor) -> Any:
    """What logits (outputs) of a moment say, as the model's task tells it; a list for those of several streams."""
    if logits.dim() == 1:
        return model.task.answer(logits, model.meaning)
    return [model.task.answer(row, model.meaning) for row in logits]


def read_saved(path: str | Path) -> bytes:
    """The content of a file; ValueError if there is none, or if it is a device that has no end."""
    if not Path(path).is_file():
        raise ValueError("there is no such file")
    return Path(path).read_bytes()


class Stream:
    """A model fed as its input arrives: push what has come, ask for logits at any moment, save, restore, reset.

    `Stream(model)` makes the one for the model: `SequenceStream` feeds a `SpikeSSM` with steps, `PairStream` a
    `SpikeSSMPair` with those of two sequences, `EventStream` feeds `Flames` with events. The answers do not depend on how
    the input is cut into pushes. The weights are those of the moment at which the stream was made: what happens to the
    model later does not reach it.

    A stream can run for months. Its memory does not grow. An exception that ends a push half-way (Ctrl-C, a signal handler
    that raises) is raised within a second; what was consumed by then is counted, and the stream stands exactly there.
    `copy.deepcopy(stream)` gives a second one that goes on from the same place.

    Args:
        model: a causal `SpikeSSM` or `SpikeSSMPair`, a `SpikeLM`, or `Flames` in float32.
        options: those of the stream, such as `batch` of a `SequenceStream` or `is_recording` of an `EventStream`.

    Raises: TypeError for another model, or for `batch` with `Flames`; ValueError for a model that cannot be streamed.

    Example:
        >>> import torch
        >>> from longspike import Stream
        >>> from longspike.models import SpikeSSM
        >>> stream = Stream(SpikeSSM.from_preset("digits"))
        >>> spikes = stream.push(torch.zeros(3, 1))
        >>> type(stream).__name__, stream.num_steps
        ('SequenceStream', 3)
        >>> Stream(Flames.from_preset("tiny", sensor_size=(34, 34), num_classes=10))
        EventStream(0 events, 0 steps, 0 ticks)
    """

    @overload
    def __new__(cls, model: AbstractSpikingStack, *, batch: int = 1) -> "SequenceStream": ...
    @overload
    def __new__(cls, model: SpikeSSMPair, *, batch: int = 1) -> "PairStream": ...
    @overload
    def __new__(
        cls,
        model: Flames,
        *,
        late: str = "drop",
        max_gap_us: int = 10_000_000,
        is_recording: bool = False,
        num_threads: int = 1,
    ) -> "EventStream": ...

    def __new__(cls, model: AbstractSpikingStack | SpikeSSMPair | Flames, **options: Any) -> "Stream":
        """An instance of the stream for `model`; of the class itself if it is a certain one."""
        if cls is not Stream:
            return super().__new__(cls)
        from longspike.streaming.event_stream import EventStream
        from longspike.streaming.pair_stream import PairStream
        from longspike.streaming.sequence_stream import SequenceStream

        if isinstance(model, SpikeSSMPair):
            return super().__new__(PairStream)
        if not isinstance(model, Flames):
            return super().__new__(SequenceStream)
        if "batch" in options:
            raise TypeError(
                f"Stream: `batch` is for a SpikeSSM; got {options['batch']} with Flames. "
                "Make one EventStream a recording."
            )
        return super().__new__(EventStream)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A stream does not travel; its state does."""
        raise TypeError(
            f"Stream: {type(self).__name__} is not pickled. Save its state with stream.save(path); where it is to go on, "
            "make longspike.Stream(model) and restore(path). In the same process, copy.deepcopy(stream) copies one."
        )

    def push(self, x: Any) -> Any:
        """Feed what has arrived, nothing included; a push that is refused leaves the stream where it stood."""
        raise NotImplementedError

    def logits(self) -> Tensor:
        """The answer for what was seen so far."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget everything."""
        raise NotImplementedError

    def restart_mean(self) -> None:
        """Let the read-out average from here on: a new decision about what comes; everything else keeps its state."""
        raise NotImplementedError

    def save(self, path: str | Path) -> None:
        """Write the state to a file, from which `restore` continues bit for bit; an old file stays whole until then."""
        raise NotImplementedError

    def restore(self, path: str | Path) -> None:
        """Continue from a file that `save` wrote.

        Raises: CheckpointError if it is missing, damaged, or of another model; the stream then stays as it is.
        """
        raise NotImplementedError
