"""Steps from outside: an array in a file, lines of numbers, or a sample of a data set."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from longspike.errors import ConfigError, DataFileError


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSource:
    """Steps of (d_input) values.

    Attributes:
        steps: read one at a time. num_steps: how many will come; None if nobody knows.
        label: the right class; None if nobody knows.
    """

    steps: Iterator[Tensor]
    num_steps: int | None = None
    label: int | None = None


def open_steps(
    source: str, *, d_input: int, lines: Iterable[str] = (), data_root: str | Path | None = None
) -> StepSource:
    """The steps that `source` names: a .npy or .csv file, DATASET:INDEX of a test split, or "-" for `lines`.

    Values of files and lines are taken as they are, those of a data set normalised as in training.

    Raises: ConfigError if it names none; DataFileError if a file is missing or holds something else.
    """
    if source == "-":
        return StepSource(steps=parse_steps(lines, d_input=d_input, name="stdin"))
    if source.endswith((".npy", ".csv")):
        values = read_steps(source, d_input=d_input)
        return StepSource(steps=iter(values), num_steps=len(values))
    name, colon, index = source.partition(":")
    if colon and index.isdigit():
        return _from_dataset(name, int(index), d_input, data_root)
    raise ConfigError(
        f"INPUT must be a .npy or .csv file, DATASET:INDEX such as digits:7, or - for stdin; got {source!r}."
    )


def parse_steps(lines: Iterable[str], *, d_input: int, name: str = "line") -> Iterator[Tensor]:
    """One step a line, its numbers apart by commas or blanks; empty lines are passed over.

    Raises: ConfigError for a line that holds something else, with `name` and the line's number.

    Example:
        >>> [step.tolist() for step in parse_steps(["1, 2", "", "3 4"], d_input=2)]
        [[1.0, 2.0], [3.0, 4.0]]
    """
    for number, line in enumerate(lines, start=1):
        words = line.replace(",", " ").split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            raise ConfigError(f"{name}, line {number}: expected {d_input} number(s); got {line.strip()!r}.") from None
        if len(values) != d_input:
            raise ConfigError(f"{name}, line {number}: expected {d_input} number(s) a line; got {len(values)}.")
        yield torch.tensor(values)


def read_steps(path: str | Path, *, d_input: int) -> Tensor:
    """The array (steps, d_input) in a .npy or .csv file, float32; a flat one has one value a step. Never unpickles.

    Raises: DataFileError if it is missing or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise DataFileError(f"{path} does not exist.")
    try:
        is_array = path.suffix == ".npy"
        values = np.load(path, allow_pickle=False) if is_array else np.loadtxt(path, delimiter=",", ndmin=2)
        values = np.asarray(values, dtype=np.float32)
    except (ValueError, EOFError) as error:
        raise DataFileError(f"{path} does not hold numbers ({error}). Save (steps, {d_input}) values.") from None
    values = values[:, None] if values.ndim == 1 and d_input == 1 else values
    if values.ndim != 2 or values.shape[1] != d_input:
        raise DataFileError(f"{path} must hold (steps, {d_input}) values; it holds an array of shape {values.shape}.")
    return torch.from_numpy(values)


def _from_dataset(name: str, index: int, d_input: int, data_root: str | Path | None) -> StepSource:
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
    return StepSource(steps=iter(values), num_steps=len(values), label=int(batch.labels[0]))
