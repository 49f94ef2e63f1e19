"""What every benchmark writes beside its figures: the command that repeats them, versions, machine; where and how."""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from longspike._core.characters import prepare_output
from longspike._core.files import replace_text
from longspike._core.guarded import Guarded
from longspike.evaluation.machine import machine, versions


def command_line(module: str) -> str:
    """The command of this process: `python -m module` with its own arguments.

    Args: module: as Python names it, for example "longspike.bench.exactness".
    """
    return shlex.join(["python", "-m", module, *sys.argv[1:]])


def header(command: str) -> dict[str, Any]:
    """The head of a report: command, versions, machine (the CPU's side)."""
    return {"command": command, "versions": versions(), "machine": machine(torch.device("cpu"))}


@contextmanager
def printing() -> Iterator[None]:
    """What is printed within has characters that stdout can show, and is dropped where nobody takes it: a measurement of
    minutes goes on, and its report is written.
    """
    prepare_output()
    before = sys.stdout
    if before is not None:
        sys.stdout = Guarded(before, drops=True)  # type: ignore[assignment]
    try:
        yield
        if before is not None:
            sys.stdout.flush()
    finally:
        sys.stdout = before


def write_report(report: dict[str, Any], path: Path | None) -> None:
    """Write the report as JSON, making its folder; nothing without a path."""
    if path is not None:
        replace_text(path, json.dumps(report, indent=2) + "\n")
