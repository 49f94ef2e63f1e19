"""What the report pages share: templates, names of classes, the confusion matrix, the machine."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from longspike._core.extras import require
from longspike.evaluation.text import share_text

ENERGY_NOTE = "Not counted yet: longspike has no count of operations for FLAMES, so no figure is given."


class Traced(Protocol):
    """A sample that was kept for the page."""

    @property
    def index(self) -> int: ...
    @property
    def label(self) -> int: ...
    @property
    def prediction(self) -> int: ...


def _template(name: str) -> str:
    return files("longspike.evaluation").joinpath(name).read_text(encoding="utf-8")


def require_templates() -> Any:
    """The package that fills templates.

    Raises: MissingExtraError without Jinja2.
    """
    return require("jinja2", extra="viz", purpose="The report")


def render(template: str, **values: Any) -> str:
    """The page of a template with these values."""
    jinja2 = require_templates()
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, loader=jinja2.FunctionLoader(_template)
    )
    return environment.get_template(template).render(**values)


def write(path: str | Path, text: str) -> Path:
    """Write a page, making its folder; the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def machine_rows(machine: dict[str, Any], versions: dict[str, str]) -> list[tuple[str, str]]:
    """What the figures were measured with: see `longspike.evaluation.machine`."""
    return [
        ("Processor", f"{machine['cpu']}, {machine['cores']} cores, {machine['torch_threads']} threads"),
        ("Device", f"{machine['device']}, {machine['system']}"),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
    ]


def checked_names(where: str, confusion: Sequence[Sequence[int]], class_names: Sequence[str] | None) -> tuple[str, ...]:
    """One name per class; their numbers by default.

    Raises: ValueError if there is not one name per class.
    """
    num_classes = len(confusion)
    names = tuple(str(k) for k in range(num_classes)) if class_names is None else tuple(class_names)
    if len(names) != num_classes:
        raise ValueError(f"{where}: `class_names` must have {num_classes} entries, one a class; got {len(names)}.")
    return names


def confusion_rows(
    confusion: Sequence[Sequence[int]], accuracy: Sequence[float | None], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows with counts and a shade in [0, 1]: a count's share of its class."""
    return [
        {
            "name": class_names[k],
            "accuracy": share_text(accuracy[k]),
            "cells": [
                {"count": n, "is_hit": k == j, "shade": round(0.9 * (n / sum(row)) ** 0.6, 3) if n else 0}
                for j, n in enumerate(row)
            ],
        }
        for k, row in enumerate(confusion)
    ]


def sample_row(sample: Traced, class_names: Sequence[str], image: str) -> dict[str, Any]:
    """A sample with its figure."""
    return {
        "index": sample.index,
        "label": class_names[sample.label],
        "prediction": class_names[sample.prediction],
        "is_right": sample.label == sample.prediction,
        "image": image,
    }
