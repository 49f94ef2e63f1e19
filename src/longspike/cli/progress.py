"""The progress of something long on stderr: bars on a terminal, nothing or a line now and then elsewhere."""

from itertools import accumulate
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from longspike.cli.drawing import AbstractDrawing
from longspike.cli.output import note
from longspike.cli.waiting import Waiting

if TYPE_CHECKING:
    from rich.console import Console

    from longspike.training import Progress as TrainingState
    from longspike.training import Score

BAR_WIDTH = 12


class Bars(AbstractDrawing[Progress]):
    """A context in which named bars grow; they are drawn on a terminal only, and vanish at the end if `is_passing`.

    Args:
        columns: what stands beside each other and how many cells it takes, the most important first; those at the end are
            left out where the terminal is narrower.
    """

    def __init__(self, *columns: tuple[ProgressColumn, int], is_passing: bool = True) -> None:
        ends = list(accumulate(cells + 1 for _, cells in columns))

        def bars(console: "Console", **where: Any) -> Progress:
            fitting = [column for (column, _), end in zip(columns, ends, strict=True) if end <= console.width + 1]
            return Progress(*fitting, console=console, transient=is_passing, **where)

        super().__init__(bars)
        self._tasks: dict[str, TaskID] = {}

    def update(self, name: str, completed: int, total: int | None, **fields: str) -> None:
        """Show how far `name` has come; `fields` are for columns that ask for them."""
        if name not in self._tasks:
            self._tasks[name] = self._drawn.add_task(name, total=total, **fields)  # type: ignore[arg-type]
        self._drawn.update(self._tasks[name], completed=completed, total=total, **fields)  # type: ignore[arg-type]


def download_bars() -> Bars:
    """One bar a file, in bytes."""
    name = TextColumn("{task.description}", table_column=Column(overflow="ellipsis", no_wrap=True))
    speed, left = TransferSpeedColumn(), TimeRemainingColumn()
    return Bars((name, 27), (DownloadColumn(), 12), (_bar(), BAR_WIDTH), (speed, 11), (left, 7), is_passing=False)


def count_bars() -> Bars:
    """A bar for things that are counted."""
    name, count, left = TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn()
    return Bars((name, 10), (count, 11), (_bar(), BAR_WIDTH), (left, 7))


class TrainingProgress:
    """Shows what `fit` reports: a bar on a terminal, and a line an epoch everywhere; before that, what is waited for."""

    def __init__(self, title: str, *, waiting: str) -> None:
        self._title, self._waiting = title, Waiting(waiting)
        self._bars = Bars(
            (_text("epoch"), 13),
            (_text("left"), 13),
            (_bar(), BAR_WIDTH),
            (_text("rate"), 13),
            (MofNCompleteColumn(table_column=Column(no_wrap=True)), 13),
            (_text("train"), 38),
        )

    def __enter__(self) -> Self:
        self._waiting.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.stop()
        self._bars.__exit__(kind, error, trace)

    def update(self, state: "TrainingState") -> None:
        """Show a state; the end of an epoch leaves a line. The title comes with the first one, when all is well."""
        if self._title:
            self._waiting.stop()
            note(self._title)
            self._title = ""
            self._bars.__enter__()
        left = _duration((state.num_steps - state.step) / max(state.steps_per_second, 1e-9))
        self._bars.update(
            "training",
            state.step,
            state.num_steps,
            epoch=f"epoch {state.epoch}/{state.num_epochs}",
            rate=f"{state.steps_per_second:.1f} steps/s",
            left=f"{left} left",
            train=_figures(state.train),
        )
        if state.val is not None:
            train = "" if state.train is None else f"loss {state.train.loss:.3f}, "
            rest = "" if self._bars.is_on else f"  ({left} left)"  # the bar says it
            note(
                f"epoch {state.epoch:>3}/{state.num_epochs}  {_duration(state.seconds):>5}  {train}"
                f"val {_figures(state.val)}{rest}"
            )


def _text(field: str) -> TextColumn:
    return TextColumn(f"{{task.fields[{field}]}}", table_column=Column(no_wrap=True))


def _bar() -> BarColumn:
    return BarColumn(BAR_WIDTH, table_column=Column(min_width=BAR_WIDTH, no_wrap=True))


def _figures(score: "Score | None") -> str:
    from longspike.tasks import task

    if score is None:
        return ""
    rate = "" if score.rate is None else f", firing {score.rate:.1%}"
    first = task(score.task).metrics[0]
    return f"loss {score.loss:.3f}, {first.label} {first.short_text(score.metrics[first.name])}{rate}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
