"""The tasks by name: a literal table."""

from longspike._core.checks import check_choice
from longspike.tasks.classification import Classification
from longspike.tasks.definition import AbstractTask
from longspike.tasks.forecasting import Forecasting
from longspike.tasks.language import Language
from longspike.tasks.regression import Regression
from longspike.tasks.step_labels import StepLabels

_TASKS: dict[str, AbstractTask] = {
    each.name: each for each in (Classification(), StepLabels(), Regression(), Forecasting(), Language())
}
DEFAULT_TASK = Classification.name
"""The task of a network whose configuration names none."""


def tasks() -> tuple[str, ...]:
    """The names that `task` knows.

    Example:
        >>> tasks()
        ('classification', 'step_labels', 'regression', 'forecasting', 'language')
    """
    return tuple(_TASKS)


def task(name: str) -> AbstractTask:
    """The task of a name.

    Raises: ValueError for an unknown one.

    Example:
        >>> [metric.name for metric in task("regression").metrics]
        ['rmse', 'mae', 'r2']
    """
    check_choice("task", "name", name, tasks())
    return _TASKS[name]


def metric_names() -> tuple[str, ...]:
    """Every metric of every task, each once."""
    return tuple(dict.fromkeys(metric.name for each in _TASKS.values() for metric in each.metrics))
