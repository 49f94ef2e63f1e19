"""x = raw * scale + shift, with one pair of numbers for all channels or one pair a channel."""

import math
from numbers import Real

import torch
from torch import Tensor

Factor = float | tuple[float, ...]
"""A number for all channels, or a number a channel, as plain values."""


def is_factor(value: object, *, may_be_zero: bool, channels: int | None = None) -> bool:
    """Whether `value` is a finite number, or a tuple of them, `channels` if that is said; none of them 0 if it must not be.

    Example:
        >>> is_factor(0.5, may_be_zero=False), is_factor((0.5, 0.0), may_be_zero=False), is_factor((1,), may_be_zero=True)
        (True, False, True)
    """
    numbers = value if isinstance(value, tuple) else (value,)
    is_long_enough = not isinstance(value, tuple) or (len(value) > 0 and channels in (None, len(value)))
    return is_long_enough and all(
        isinstance(number, Real) and not isinstance(number, bool) and math.isfinite(number) and (may_be_zero or number)
        for number in numbers
    )


def factor(value: Factor, like: Tensor) -> float | Tensor:
    """What `like` (..., channels) is multiplied with, or what is added to it: the number, or a tensor (channels).

    Of like (..., several * channels), the channels several times one after the other, so are the numbers.

    Example:
        >>> torch.ones(2, 2).mul(factor((2.0, 3.0), torch.ones(2, 2))).tolist()
        [[2.0, 3.0], [2.0, 3.0]]
    """
    if not isinstance(value, tuple):
        return value
    return torch.tensor(value, dtype=like.dtype, device=like.device).repeat(max(like.shape[-1] // len(value), 1))


def plain(value: Factor) -> Factor:
    """The same numbers as Python's own floats."""
    return tuple(map(float, value)) if isinstance(value, tuple) else float(value)
