"""Tokens from outside: a text in a file or as it comes, an array of tokens, or a sample of a data set."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from longspike._core.vocabulary import END, Vocabulary
from longspike.errors import ConfigError, DataFileError
from longspike.models.predicting import tokens_of_text
from longspike.streaming.sample_source import dataset_sample, is_sample
from longspike.streaming.step_source import StepSource

LINE_CHARACTERS = 1 << 16
"""Of a text from stdin at a time: a longer line goes on as if it were the next, without a break."""


def open_tokens(
    source: str,
    *,
    d_input: int,
    lines: Iterable[str] = (),
    data_root: str | Path | None = None,
    vocabulary: Vocabulary | None = None,
) -> StepSource:
    """The tokens that `source` names: a file of text, a .npy file, DATASET:INDEX of a test split, or "-" for `lines`.

    Of a file of text come the tokens that a network is trained on, cut and with an end; of `lines` all, then the end.

    Args: d_input: the number of tokens of the model. vocabulary: of the model; texts need one.
    Raises: ConfigError if it names none or there is no vocabulary; DataFileError if a file is missing or holds something
        else.
    """
    if source == "-":
        return StepSource(steps=tokens_of_lines(lines, vocabulary=_required(vocabulary)))
    if is_sample(source):
        x, label = dataset_sample(source, d_input=d_input, is_tokens=True, data_root=data_root)
        return StepSource(steps=iter(x), num_steps=len(x), label=label)
    path = Path(source)
    if not path.is_file():
        raise DataFileError(f"{path} does not exist.")
    x = _read_array(path, d_input) if path.suffix == ".npy" else _read_text(path, _required(vocabulary))
    return StepSource(steps=iter(x), num_steps=len(x))


def tokens_of_lines(lines: Iterable[str], *, vocabulary: Vocabulary) -> Iterator[Tensor]:
    """The tokens of a text line by line, int64 scalars, then the end if the vocabulary ends texts; none of it is kept.

    Example:
        >>> words = Vocabulary(unit="words", specials=("<unk>", "<eos>"), symbols=("a", "b"))
        >>> [int(token) for token in tokens_of_lines(["a c\\n", "b"], vocabulary=words)]
        [2, 0, 3, 1]
    """
    for line in lines:
        yield from torch.from_numpy(vocabulary.tokens(line).astype(np.int64))
    if vocabulary.ends_text:
        yield torch.tensor(vocabulary.specials.index(END))


def _required(vocabulary: Vocabulary | None) -> Vocabulary:
    if vocabulary is None:
        raise ConfigError(
            "the model has no vocabulary, so it reads no text: give a .npy file of tokens, or DATASET:INDEX."
        )
    return vocabulary


def _read_text(path: Path, vocabulary: Vocabulary) -> Tensor:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DataFileError(f"{path} cannot be read ({error.strerror}).") from None
    if not text:
        raise DataFileError(f"{path} is empty. Give a text to read.")
    try:
        return tokens_of_text("open_tokens", text, vocabulary)
    except ValueError as error:
        raise DataFileError(f"{path} is no text for this model ({error})") from None


def _read_array(path: Path, d_input: int) -> Tensor:
    try:
        x = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataFileError(f"{path} does not hold tokens ({error}). Save (steps) whole numbers.") from None
    is_tokens = x.ndim == 1 and x.dtype.kind in "iu"
    if not is_tokens or (x.size and not 0 <= int(x.min()) <= int(x.max()) < d_input):
        raise DataFileError(
            f"{path} must hold (steps) whole numbers from 0 to {d_input - 1}; it holds {x.dtype} of shape {x.shape}."
        )
    return torch.from_numpy(x.astype(np.int64))
