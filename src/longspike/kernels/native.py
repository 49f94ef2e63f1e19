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
