"""Samples as they come from a file or a sensor: normalised and padded."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import describe
from longspike._core.lengths import Batch
from longspike._core.vocabulary import Vocabulary
from longspike.models.input_spec import InputSpec


def _values(sample: Any, d_input: int) -> Tensor:
    """One sample as finite numbers (steps, d_input)."""
    x = sample if isinstance(sample, Tensor) else torch.as_tensor(np.asarray(sample))
    x = x[:, None] if x.dim() == 1 and d_input == 1 else x
    if x.dim() != 2 or x.shape[1] != d_input or not len(x) or x.is_complex():
        raise ValueError(
            f"predict: a sample must hold real numbers of shape (steps, {d_input}), at least one step; got {describe(x)}. "
            "Pass several samples as a list."
        )
    if not bool(x.isfinite().all()):
        raise ValueError("predict: a sample must hold finite numbers; got NaN or infinity. Drop or repair it.")
    return x


def tokens_of_text(where: str, text: str | bytes, vocabulary: Vocabulary | None) -> Tensor:
    """What a network reads of a text, (steps), int64.

    Raises: ValueError without a vocabulary.
    """
    if vocabulary is None:
        raise ValueError(
            f"{where}: a text needs the vocabulary that the network was trained with, and the model has none. Pass tokens, "
            "or set model.input_spec = InputSpec(vocabulary=...) and save it."
        )
    return torch.from_numpy(vocabulary.encode(text).astype(np.int64))


def _tokens(sample: Any, size: int, vocabulary: Vocabulary | None) -> Tensor:
    """One sample as tokens (steps)."""
    if isinstance(sample, str | bytes):
        sample = tokens_of_text("predict", sample, vocabulary)
    x = sample if isinstance(sample, Tensor) else torch.as_tensor(np.asarray(sample))
    is_whole = x.dim() == 1 and len(x) and not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool)
    if not is_whole or int(x.min()) < 0 or int(x.max()) >= size:
        raise ValueError(
            f"predict: a sample must hold tokens (steps), whole numbers from 0 to {size - 1}; got {describe(x)}."
        )
    return x.long()


def padded(samples: Sequence[Any], spec: InputSpec, *, d_input: int, is_tokens: bool, like: Tensor) -> Batch:
    """Raw samples of any lengths as a batch, on the device of `like`: values normalised and in its dtype, or tokens.

    Raises: ValueError for a sample that is not (steps, d_input) finite numbers, or tokens (steps), or a text.
    """
    if not samples:
        raise ValueError("predict: `raw` must hold at least one sample; got none.")
    if is_tokens:
        rows = [spec.ordered(_tokens(sample, d_input, spec.vocabulary)) for sample in samples]
    else:
        if spec.scale is None:
            warnings.warn(
                "predict: the model does not say how its training data was normalised, so values are taken as they are. "
                "Set model.input_spec = InputSpec(scale=..., shift=...) and save it.",
                stacklevel=4,
            )
        rows = [spec.normalised(spec.ordered(_values(sample, d_input))).to(like.dtype) for sample in samples]
    lengths = torch.tensor([len(row) for row in rows], device=like.device)
    x = torch.nn.utils.rnn.pad_sequence([row.to(like.device) for row in rows], batch_first=True)
    return Batch(x, lengths, torch.zeros_like(lengths))
