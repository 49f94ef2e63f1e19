"""The compiled extension: whether it is here, why not, and memory and addresses for its calls."""

import math
from types import ModuleType

import torch
from torch import Tensor

_extension: ModuleType | None
try:
    import longspike._native as _extension_module

    _extension = _extension_module
    unavailable_reason = ""
except ImportError as error:  # a pure-Python install; `longspike info` shows the reason
    _extension = None
    unavailable_reason = f"the compiled extension longspike._native did not load ({error})"

POOLED_BYTES = 1 << 20
DTYPES = {torch.float32: "f32", torch.float64: "f64"}


def is_available() -> bool:
    """Whether the compiled kernels can be called."""
    return _extension is not None


def extension() -> ModuleType:
    """The compiled module; call `is_available` first."""
    if _extension is None:
        raise RuntimeError(unavailable_reason)
    return _extension


def supports(x: Tensor) -> bool:
    """Whether the compiled kernels can compute on `x`."""
    return is_available() and x.device.type == "cpu" and x.dtype in DTYPES


def kernel(stem: str, dtype: torch.dtype):  # type: ignore[no-untyped-def]
    """The compiled function `stem` for a dtype."""
    return getattr(extension(), f"{stem}_{DTYPES[dtype]}")


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """An uninitialised CPU tensor; a large one lives in a pooled buffer of huge pages.

    A fresh large allocation costs several times the kernel that fills it, in page faults. The buffer goes back to the
    pool when its last tensor dies.
    """
    num_bytes = math.prod(shape) * dtype.itemsize
    if num_bytes < POOLED_BYTES or _extension is None:
        return torch.empty(shape, dtype=dtype)
    return torch.from_numpy(_extension.pooled_array(num_bytes)).view(dtype).view(shape)


def is_channels_first(x: Tensor) -> bool:
    """Whether x, (batch, seqlen, channels), lies in memory as (batch, channels, seqlen), as x.transpose(1, 2) of that."""
    _, seqlen, channels = x.shape
    return x.stride() == (seqlen * channels, 1, seqlen) and seqlen > 1 and channels > 1


def empty_like(x: Tensor) -> Tensor:
    """An uninitialised tensor of x's shape and dtype: channels first where x is, else contiguous; pooled on the CPU."""
    batch, seqlen, channels = x.shape
    shape = (batch, channels, seqlen) if is_channels_first(x) else (batch, seqlen, channels)
    y = empty(shape, x.dtype) if supports(x) else torch.empty(shape, dtype=x.dtype, device=x.device)
    return y.transpose(1, 2) if is_channels_first(x) else y


def contiguous(x: Tensor) -> Tensor:
    """x itself if it is contiguous, else a copy in a pooled buffer."""
    return x if x.is_contiguous() else empty(tuple(x.shape), x.dtype).copy_(x)


def view(x: Tensor) -> tuple[int, int, int, int]:
    """Address and strides of a (batch, seqlen, channels) tensor."""
    batch, time, channel = x.stride()
    return x.data_ptr(), batch, time, channel


def expect(where: str, dtype: torch.dtype, **tensors: tuple[Tensor, tuple[int, ...]]) -> None:
    """Raise unless every named tensor is on the CPU with this dtype and its shape: addresses follow, which check nothing."""
    for name, (x, shape) in tensors.items():
        if x.shape != shape or x.dtype != dtype or not x.is_cpu:
            raise ValueError(
                f"{where}: `{name}` must have shape {shape} and dtype {dtype} on the CPU; "
                f"got shape {tuple(x.shape)} and dtype {x.dtype} on {x.device}."
            )


def copy(x: Tensor) -> Tensor:
    """A contiguous copy, for a kernel that advances a state in place."""
    return x.clone() if x.is_contiguous() else x.contiguous()


def threads() -> int:
    """Threads for a compiled call: PyTorch's own setting."""
    return torch.get_num_threads()
