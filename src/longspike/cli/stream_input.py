"""What `longspike stream` can read: a file, a sample of a data set, or lines from stdin."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from longspike.errors import ConfigError, DataFileError


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamInput:
    """Steps of (d_input) values.

    Attributes:
        steps: read one at a time. num_steps: how many will come; None if nobody knows.
        label: the right answer; None if nobody knows.
    """

    steps: Iterator[Tensor]
    num_steps: int | None = None
    label: int | None = None


def open_input(source: str, *, d_input: int, data_root: Path | None) -> StreamInput:
    """The input that `source` names: "-", a .npy or .csv file, or DATASET:INDEX.

    Raises: ConfigError if it names none; DataFileError if a file is missing or holds something else.
    """
    if source == "-":
        return StreamInput(steps=_from_stdin(d_input))
    if source.endswith((".npy", ".csv")):
        values = _from_file(Path(source), d_input)
        return StreamInput(steps=iter(values), num_steps=len(values))
    name, colon, index = source.partition(":")
    if colon and index.isdigit():
        return _from_dataset(name, int(index), d_input, data_root)
    raise ConfigError(
        f"INPUT must be a .npy or .csv file, DATASET:INDEX such as digits:7, or - for stdin; got {source!r}."
    )


def _parse_line(line: str, number: int, d_input: int) -> Tensor:
    try:
        values = torch.tensor([float(word) for word in line.replace(",", " ").split()])
    except ValueError:
        raise ConfigError(f"stdin, line {number}: expected {d_input} number(s); got {line.strip()!r}.") from None
    if len(values) != d_input:
        raise ConfigError(f"stdin, line {number}: expected {d_input} number(s) a line; got {len(values)}.")
    return values


def _from_stdin(d_input: int) -> Iterator[Tensor]:
    for number, line in enumerate(sys.stdin, start=1):
        if line.strip():
            yield _parse_line(line, number, d_input)


def _from_file(path: Path, d_input: int) -> Tensor:
    if not path.is_file():
        raise DataFileError(f"{path} does not exist.")
    try:
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = np.loadtxt(path, delimiter=",", ndmin=2)
        values = np.asarray(values, dtype=np.float32)
    except (ValueError, EOFError) as error:
        raise DataFileError(f"{path} does not hold numbers ({error}). Save (steps, {d_input}) values.") from None
    values = values[:, None] if values.ndim == 1 and d_input == 1 else values
    if values.ndim != 2 or values.shape[1] != d_input:
        raise DataFileError(f"{path} must hold (steps, {d_input}) values; it holds an array of shape {values.shape}.")
    return torch.from_numpy(values)


def _from_dataset(name: str, index: int, d_input: int, data_root: Path | None) -> StreamInput:
    from longspike.data import available, load_sequences, make_batch

    if name not in available():
        raise ConfigError(f"there is no data set {name!r}. The data sets are: {', '.join(available())}.")
    bundle = load_sequences(name, root=data_root)
    if index >= len(bundle.test):
        raise ConfigError(f"{name}:{index} does not exist; the test split has samples 0 to {len(bundle.test) - 1}.")
    if bundle.d_input != d_input:
        raise ConfigError(f"the model takes {d_input} values a step; {name} has {bundle.d_input}.")
    batch = make_batch(bundle.test, torch.tensor([index]))
    values = batch.x[0, : int(batch.lengths[0])]
    return StreamInput(steps=iter(values), num_steps=len(values), label=int(batch.labels[0]))
