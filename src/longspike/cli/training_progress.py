"""The progress of a training run on stderr: a bar on a terminal, a line an epoch elsewhere."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from longspike.training import Progress as TrainingState
from longspike.training import Score


def _percent(score: Score | None) -> str:
    if score is None:
        return ""
    rate = "" if score.rate is None else f", firing {score.rate:.1%}"
    return f"loss {score.loss:.3f}, accuracy {score.accuracy:.1%}{rate}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class TrainingProgress:
    """Shows what `fit` reports."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.fields[epoch]}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[train]}", style="dim"),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, state: TrainingState) -> None:
        """Show a state; the end of an epoch leaves a line. The title comes with the first one, when all is well."""
        if self._title:
            self._console.print(self._title, markup=False)
            self._title = ""
        left = _duration((state.num_steps - state.step) / max(state.steps_per_second, 1e-9))
        if self._console.is_terminal:
            fields: dict[str, Any] = {
                "epoch": f"epoch {state.epoch}/{state.num_epochs}",
                "rate": f"{state.steps_per_second:.1f} steps/s",
                "left": f"{left} left",
                "train": _percent(state.train),
            }
            if self._task is None:
                self._task = self._bar.add_task("", total=state.num_steps, **fields)
            self._bar.update(self._task, completed=state.step, **fields)
        if state.val is not None:
            train = "" if state.train is None else f"train loss {state.train.loss:.3f}; "
            self._console.print(
                f"epoch {state.epoch:>3}/{state.num_epochs}  {_duration(state.seconds):>7}  {train}"
                f"val {_percent(state.val)}  ({left} left)",
                soft_wrap=True,
            )
