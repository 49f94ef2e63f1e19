"""What a study leaves: a JSON file with its numbers and what made them, and a plot beside it."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from longspike._core.files import replace_text
from longspike.evaluation.machine import machine, versions


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyRecord:
    """A finished study.

    Attributes:
        name: "transitions", "rank" or "retention". command: that repeats it.
        result: the study's frozen result, with its settings and seed. cpu_seconds: of this process.
    """

    name: str
    command: str
    result: Any
    cpu_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; not a number becomes null."""
        result = asdict(self.result)
        settings, seed = result.pop("settings"), result.pop("seed")
        return {
            "study": self.name,
            "command": self.command,
            "seed": seed,
            "settings": settings,
            "versions": versions(),
            "machine": machine(torch.device("cpu")),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "results": _plain(result),
        }

    def write(self, folder: Path) -> Path:
        """Write `folder`/`name`.json; its path."""
        path = folder / f"{self.name}.json"
        replace_text(path, json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n")
        return path


def _plain(value: Any) -> Any:
    """Floats to six significant digits, so that a file stays small and reads well."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if abs(value) < float("inf") else None
    return value


class CpuClock:
    """CPU seconds of this process since it was made."""

    def __init__(self) -> None:
        self._started = time.process_time()

    def seconds(self) -> float:
        """So far."""
        return time.process_time() - self._started
