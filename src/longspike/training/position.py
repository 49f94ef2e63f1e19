"""The place in the data as a function of the step."""

from collections.abc import Callable, Iterator

from longspike.training.protocols import LabelledBatch, ResumableLoader


class PositionedLoader:
    """Batches from where `num_steps_done()` says: epoch, batch = divmod(steps, batches per epoch).

    The trainer's own step count is thus the only record of the position, in memory and in a checkpoint, and the two
    cannot disagree. The position is read when the first batch is asked for.
    """

    def __init__(self, loader: ResumableLoader, num_steps_done: Callable[[], int]) -> None:
        self._loader, self._num_steps_done = loader, num_steps_done

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[LabelledBatch]:
        epoch, next_batch = divmod(self._num_steps_done(), len(self._loader))
        self._loader.load_state_dict({**self._loader.state_dict(), "epoch": epoch, "next_batch": next_batch})
        yield from self._loader

    def state_dict(self) -> dict[str, int]:
        """The loader's state, saved to check on resuming that the loader is the same."""
        return self._loader.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Raise ValueError unless the state comes from an equal loader."""
        self._loader.load_state_dict(state)
