"""Argument checks whose messages say which argument, what was expected, what came and what to do."""

import math
from numbers import Real

import torch
from torch import Tensor

from longspike._core.mistakes import did_you_mean, shown
from longspike._core.transforms import is_readable

FLOAT_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)

REAL = (float, int, Real)
"""What a real number is, the usual ones first: asking the abstract class takes longer than all else in a check."""


def describe(x: object) -> str:
    """A short description of a value for an error message."""
    if isinstance(x, Tensor):
        return f"a tensor of shape {tuple(x.shape)} and dtype {x.dtype}"
    return f"{shown(x)} of type {type(x).__name__}"


def _no_tensor(where: str, name: str, x: object) -> TypeError:
    if isinstance(x, tuple) and x and isinstance(x[0], Tensor):  # torch.nn.Sequential hands on the whole pair
        names = ", ".join(type(part).__name__ for part in x)
        came = f"a tuple of {names}. A layer returns (y, state): pass y, as in `y, state = layer(x)`"
    else:
        came = describe(x)
    return TypeError(f"{where}: `{name}` must be a torch.Tensor; got {came}.")


def check_sequence(where: str, name: str, x: object, *, channels: int | None = None) -> None:
    """Raise unless `x` is a floating-point tensor (batch, seqlen, channels)."""
    if not isinstance(x, Tensor):
        raise _no_tensor(where, name, x)
    if x.dim() != 3:
        raise ValueError(
            f"{where}: `{name}` must have shape (batch, seqlen, channels); got {describe(x)}. "
            "Add the missing axis with x[None] or x[..., None]."
        )
    check_floats(where, name, x)
    if channels is not None and x.shape[-1] != channels:
        raise ValueError(f"{where}: `{name}` must have {channels} channels on its last axis; got {describe(x)}.")


def _into_floats(x: Tensor) -> str:
    return "Take x.real, or both parts as channels." if x.is_complex() else "Convert it with x.float()."


def check_floats(where: str, name: str, x: object) -> None:
    """Raise unless `x` is a tensor of real floating-point numbers of a dtype that computes."""
    if not isinstance(x, Tensor):
        raise _no_tensor(where, name, x)
    if x.dtype not in FLOAT_DTYPES:
        what = "floating point of 16 bits or more" if x.is_floating_point() else "floating point"
        raise TypeError(f"{where}: `{name}` must be {what}; got dtype {x.dtype}. {_into_floats(x)}")


def check_ticks(where: str, name: str, x: Tensor, delta: Tensor, offsets: Tensor, channels: int) -> None:
    """Raise unless `x` is (ticks, channels) of floats, `delta` (ticks) of gaps, and `offsets` delimit the samples."""
    if not isinstance(x, Tensor) or x.dim() != 2 or x.shape[-1] != channels:
        raise ValueError(f"{where}: `{name}` must have shape (ticks, {channels}); got {describe(x)}.")
    check_floats(where, name, x)
    if not isinstance(delta, Tensor) or tuple(delta.shape) != (x.shape[0],):
        raise ValueError(f"{where}: `delta` must have shape ({x.shape[0]},), one gap per tick; got {describe(delta)}.")
    remedy = "It is the time since the sample's last tick; are the ticks of a sample in order?"
    check_bounds(where, "delta", delta, low=0, closed_high=False, remedy=remedy)
    remedy = "Sample i owns offsets[i] .. offsets[i+1]-1."
    check_offsets(where, "offsets", offsets, x.shape[0], f"{x.shape[0]}, the ticks of `{name}`", remedy=remedy)


def time_first(x: Tensor, batch: int) -> str:
    """A remedy where the second axis of `x`, not the first, is as long as the batch."""
    fits = x.shape[0] == batch or x.shape[1] != batch  # in this order: asking the length binds exported programs
    return "" if fits else " Is time the first axis of x? Pass x.transpose(0, 1)."


def check_choice(where: str, name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise unless `value` is one of `choices`, with the nearest of them."""
    if not isinstance(value, str) or value not in choices:
        hint = did_you_mean(value, choices) if isinstance(value, str) else ""
        raise ValueError(f"{where}: `{name}` must be one of {', '.join(map(repr, choices))}; got {shown(value)}.{hint}")


def check_bounds(
    where: str,
    name: str,
    value: Tensor | float,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    closed_low: bool = True,
    closed_high: bool = True,
    remedy: str = "",
) -> None:
    """Raise unless every entry of `value` lies in the interval; NaN lies in none.

    Tensors whose entries cannot be read (while a graph is traced, inside vmap) are let through.
    """
    if isinstance(value, Tensor):
        if value.numel() == 0 or not is_readable(value):
            return
        if value.is_complex():
            raise TypeError(f"{where}: `{name}` must be real; got {describe(value)}.")
        low_value, high_value = (float(bound) for bound in torch.aminmax(value.detach()))
    elif isinstance(value, REAL):
        low_value = high_value = float(value)
    else:
        raise TypeError(f"{where}: `{name}` must be a number; got {describe(value)}. {remedy}".rstrip())
    is_above = low_value >= low if closed_low else low_value > low
    is_below = high_value <= high if closed_high else high_value < high
    if not (is_above and is_below):
        interval = f"{'[' if closed_low else '('}{low:g}, {high:g}{']' if closed_high else ')'}"
        came = f"{low_value:g}" if low_value == high_value else f"min={low_value:g}, max={high_value:g}"
        raise ValueError(f"{where}: `{name}` must lie in {interval}; got {came}. {remedy}".rstrip())


def check_positive_int(where: str, name: str, value: object, *, low: int = 1, high: int | None = None) -> None:
    """Raise unless `value` is an integer of at least `low`, and of at most `high` if there is one."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{where}: `{name}` must be an integer {bounds}; got {shown(value)}.")


def check_offsets(where: str, name: str, offsets: Tensor, count: int, to: str, *, remedy: str = "") -> None:
    """Raise unless `offsets` (n + 1) is int64, begins at 0, does not decrease and ends at `count`; `to` says what it is."""
    if not isinstance(offsets, Tensor) or offsets.dtype != torch.int64 or offsets.dim() != 1 or len(offsets) == 0:
        raise ValueError(
            f"{where}: `{name}` must be an int64 tensor (batch + 1,) that begins with 0; "
            f"got {describe(offsets)}. {remedy}".rstrip()
        )
    if int(offsets[0]) != 0 or int(offsets[-1]) != count or bool((offsets.diff() < 0).any()):
        shown = f"{offsets[:8].tolist()}{' ...' if len(offsets) > 8 else ''}"
        raise ValueError(f"{where}: `{name}` must rise from 0 to {to}; got {shown}. {remedy}".rstrip())
