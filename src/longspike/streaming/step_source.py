"""Steps from outside: an array in a file, lines of numbers, or a sample of a data set."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import check_choice, describe
from longspike.data.own import OwnData, read_like, split_index
from longspike.errors import ConfigError, DataFileError
from longspike.models.input_spec import InputSpec
from longspike.streaming.sample_source import dataset_sample, is_sample

ON_ERROR = ("raise", "skip")
FILES = (".npy", ".csv", ".wav")
"""The endings of files with steps of values."""
FLOAT32_MAX = float(np.finfo(np.float32).max)
LINE_CHARACTERS = 64
"""Of a line, for each number in it; what is longer is no line of numbers, and would have to be held in memory whole."""


class ParsedSteps(Iterator[Tensor]):
    """Steps out of lines, one at a time; `parse_steps` makes it.

    Attributes:
        skipped: faulty lines left out so far.
    """

    def __init__(self, lines: Iterable[str], d_input: int, name: str, on_error: str, input_spec: InputSpec) -> None:
        self._input_spec = input_spec
        self._lines, self._d_input, self._name, self._on_error = enumerate(lines, start=1), d_input, name, on_error
        self.skipped = 0

    def __next__(self) -> Tensor:
        for number, line in self._lines:
            try:
                values = self._parsed(line)
            except ValueError as error:
                if self._on_error == "raise":
                    raise ConfigError(f"{self._name}, line {number}: {error}.") from None
                self.skipped += 1
                continue
            if values:
                return self._input_spec.normalised(torch.tensor(values))
        raise StopIteration

    def _parsed(self, line: str) -> list[float]:
        words = line.replace(",", " ").split()
        shown = line.strip() if len(line) < LINE_CHARACTERS else f"{line[:LINE_CHARACTERS].strip()} ..."
        try:
            values = [float(word) for word in words]
        except ValueError:
            raise ValueError(f"expected {self._d_input} number(s); got {shown!r}") from None
        if words and len(values) != self._d_input:
            raise ValueError(f"expected {self._d_input} number(s) a line; got {len(values)}")
        if not all(-FLOAT32_MAX <= value <= FLOAT32_MAX for value in values):
            raise ValueError(f"expected numbers that are finite in float32; got {shown!r}")
        return values


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSource:
    """Steps of (d_input) values.

    Attributes:
        steps: read one at a time. num_steps: how many will come; None if nobody knows.
        label: the right class; None if nobody knows, or the task has none a sample.
        steps_per_second: of a recording that says it.
    """

    steps: Iterator[Tensor]
    num_steps: int | None = None
    label: int | None = None
    steps_per_second: float | None = None

    @property
    def skipped(self) -> int:
        """Faulty lines left out so far."""
        return self.steps.skipped if isinstance(self.steps, ParsedSteps) else 0


def open_steps(
    source: str,
    *,
    d_input: int,
    lines: Iterable[str] = (),
    on_error: str = "raise",
    data_root: str | Path | None = None,
    input_spec: InputSpec = InputSpec(),  # noqa: B008 - frozen
    own: OwnData | None = None,
) -> StepSource:
    """The steps that `source` names: a .npy, .csv or .wav file, DATASET:INDEX of a test split, or "-" for `lines`.

    With `own` it may be any file like the model's data, and FILE:INDEX for one of its samples.

    What comes from files is put in the order that `input_spec`, the model's, says. All are normalised by it. Where it says
    nothing, values of files and lines are taken as they are and those of a data set are normalised by its own figures.

    Args:
        on_error: "raise" at the first faulty line of `lines`, or "skip" and count them.
        own: the own data that the model was trained on, by which files are read.
    Raises: ConfigError if it names none; DataFileError if a file is missing or holds something else.
    """
    if source == "-":
        if input_spec.permutation is not None:
            raise ConfigError(
                f"the model reads its {len(input_spec.permutation)} steps in an order of its own, which stdin cannot give. "
                "Put them into a .npy file, or add --normalised if they are normalised and in that order."
            )
        return StepSource(steps=ParsedSteps(lines, d_input, "stdin", on_error, input_spec))
    path, place = split_index(source)
    if path.exists() and (own is not None or path.suffix.lower() == ".wav"):
        return _from_own(own, path, place, d_input, input_spec)
    if own is not None and path.suffix and source != "-":
        raise DataFileError(f"{path} does not exist.")
    if source.endswith(FILES):
        values = input_spec.normalised(input_spec.ordered(read_steps(source, d_input=d_input)))
        return StepSource(steps=iter(values), num_steps=len(values))
    if is_sample(source):
        values, label = dataset_sample(source, d_input=d_input, data_root=data_root, input_spec=input_spec)
        return StepSource(steps=iter(values), num_steps=len(values), label=label if isinstance(label, int) else None)
    raise ConfigError(
        f"INPUT must be a .npy, .csv or .wav file, DATASET:INDEX such as digits:7, or - for stdin; got {source!r}."
    )


def _from_own(own: OwnData | None, path: Path, place: int | None, d_input: int, input_spec: InputSpec) -> StepSource:
    """One sample of a file, read as the model's data was, or of a sound as its `input_spec` says."""
    samples = read_like(own, path, d_input=d_input, samples_per_step=input_spec.samples_per_step)
    input_spec.check_sound(path, samples.steps_per_second)
    if place is None and len(samples) > 1:
        raise ConfigError(f"{path} holds {len(samples):,} samples. Choose one of 0 to {len(samples) - 1} by {path}:0.")
    if (place or 0) >= len(samples):
        raise ConfigError(f"{path}:{place} does not exist; the file has samples 0 to {len(samples) - 1}.")
    values = input_spec.normalised(input_spec.ordered(torch.from_numpy(samples.raw(place or 0))))
    label = samples.labels[place or 0] if samples.labels is not None else None
    number = own.class_names.index(label) if own is not None and label in own.class_names else None
    rate = samples.steps_per_second
    return StepSource(steps=iter(values), num_steps=len(values), label=number, steps_per_second=rate)


def bounded_lines(stream: TextIO, *, d_input: int) -> Iterator[str]:
    """The lines of a stream as they come; one that is too long for `d_input` numbers is cut, and so is no step."""
    most = LINE_CHARACTERS * (d_input + 1)
    while line := stream.readline(most):
        yield line if len(line) < most else f"{line} ..."
        while len(line) == most and not line.endswith("\n"):
            line = stream.readline(most)


def as_steps(where: str, x: object) -> Tensor:
    """What a caller hands over as steps, as a tensor of real numbers: a tensor, an array, or a list of either or of numbers.

    Raises: TypeError for what holds no real numbers; ValueError for steps of different lengths.
    """
    if isinstance(x, Tensor) and not x.is_complex():
        return x
    if isinstance(x, list | tuple) and x and all(isinstance(step, Tensor) for step in x):
        if len({step.shape for step in x}) > 1:
            raise ValueError(
                f"{where}: `x` must hold steps of one shape; got {sorted({tuple(s.shape) for s in x})[:4]}."
            )
        x = torch.stack(list(x))
    if not isinstance(x, Tensor):
        try:
            values = np.array(x, order="C")
        except ValueError:
            raise ValueError(
                f"{where}: `x` must hold steps of one length; got a {type(x).__name__} of several."
            ) from None
        if values.dtype.kind not in "biuf" or values.dtype.itemsize > 8:
            raise TypeError(f"{where}: `x` must hold real numbers; got a {type(x).__name__} of dtype {values.dtype}.")
        x = torch.from_numpy(values.astype(values.dtype.newbyteorder("="), copy=False))
    if x.is_complex():
        raise TypeError(f"{where}: `x` must hold real numbers; got {describe(x)}. Pass x.real or x.abs().")
    return x


def parse_steps(lines: Iterable[str], *, d_input: int, name: str = "line", on_error: str = "raise") -> ParsedSteps:
    """One step a line, its numbers apart by commas or blanks; empty lines are passed over.

    Args: on_error: what happens to a line that holds something else: "raise" ConfigError, with `name` and the line's
        number, or "skip" and count it in `skipped` of what is returned.

    Example:
        >>> steps = parse_steps(["1, 2", "", "3 4", "5 nan"], d_input=2, on_error="skip")
        >>> [step.tolist() for step in steps], steps.skipped
        ([[1.0, 2.0], [3.0, 4.0]], 1)
    """
    check_choice("parse_steps", "on_error", on_error, ON_ERROR)
    return ParsedSteps(lines, d_input, name, on_error, InputSpec())


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
