"""What the tensors of a call must be before a kernel sees their addresses, which say nothing."""

import torch
from torch import Tensor


def expect(
    where: str, like: Tensor, dtype: torch.dtype | None = None, /, **tensors: tuple[Tensor, tuple[int, ...]]
) -> None:
    """Raise unless every named tensor has its shape, the device of `like`, and its dtype or the one given."""
    dtype, on_cpu = dtype or like.dtype, like.is_cpu
    for name, (x, shape) in tensors.items():
        if x.shape != shape or x.dtype != dtype or not (x.is_cpu if on_cpu else x.device == like.device):
            raise ValueError(
                f"{where}: `{name}` must have shape {shape} and dtype {dtype} on {like.device}; "
                f"got shape {tuple(x.shape)} and dtype {x.dtype} on {x.device}."
            )


def expect_indices(
    where: str, name: str, x: Tensor, below: int, dtype: torch.dtype = torch.int64, *, remedy: str = ""
) -> None:
    """Raise unless the entries of `x` are of `dtype` and lie in [0, below)."""
    if x.dtype != dtype:
        raise ValueError(f"{where}: `{name}` must have dtype {dtype}; got {x.dtype}. {remedy}".rstrip())
    if x.numel() and not (int(x.min()) >= 0 and int(x.max()) < below):
        came = f"min={int(x.min())}, max={int(x.max())}"
        raise ValueError(f"{where}: `{name}` must lie in [0, {below}); got {came}. {remedy}".rstrip())
