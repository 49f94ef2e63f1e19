"""The compiled extension: whether it is here, why not, memory for its results, and the one way to call its kernels."""

import functools
import hashlib
import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

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

SOURCES = Path(__file__).parents[3] / "csrc"  # there in a checkout alone
INTERFACE = ("bindings/*.?pp", "core/kernels.hpp", "dendrite/calls.hpp", "dendrite/plan.hpp", "streams/*_call.hpp")
POOLED_BYTES = 1 << 20
DTYPES = {torch.float32: "f32", torch.float64: "f64"}
MOST_THREADS = 1024  # csrc/core/parallel.hpp; a process that asks for many more is ended by the system
THREADED_WORK = 1 << 15  # numbers; less is done before other threads wake


def interface_of(sources: Path) -> str:
    """What stands for all that Python calls in C++: its text, hashed without comments and blanks. CMake does the same."""
    paths = [path for pattern in INTERFACE for path in sorted(sources.glob(pattern))]
    text = "".join(path.read_text(encoding="utf-8") for path in paths)
    return hashlib.sha256(re.sub(r"[ \t\r\n]+", "", re.sub(r"//[^\n]*", "", text)).encode()).hexdigest()


def warn_if_stale(module: ModuleType, sources: Path = SOURCES) -> None:
    """Warn where the extension was built from other sources than lie beside the package: its calls may fail, or mislead."""
    built = getattr(module, "interface", None)
    if built is not None and sources.is_dir() and built != interface_of(sources):
        warnings.warn(
            f"the compiled extension {module.__file__} was built from other sources than {sources}; its calls may fail. "
            "Rebuild it with `pip install -e .`, in a checkout with `make test`.",
            RuntimeWarning,
            stacklevel=2,
        )


if _extension is not None:
    warn_if_stale(_extension)


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


@functools.cache
def kernel(stem: str, dtype: torch.dtype) -> Any:
    """The compiled function `stem` for a dtype."""
    return getattr(extension(), f"{stem}_{DTYPES[dtype]}")


def addresses(tensors: Sequence[Tensor | None]) -> list[int]:
    """Where tensors lie; 0 for None and for one without entries."""
    return [0 if x is None else x.data_ptr() for x in tensors]


def call(stem: str, dtype: torch.dtype, tensors: Sequence[Tensor | None], numbers: tuple[float, ...]) -> Any:
    """Run the compiled kernel `stem`.

    `tensors` and `numbers` are the pointers and the numbers of the kernel's call, each in the order of the fields of its
    struct (csrc/core/kernels.hpp); their count is checked there. Whether the tensors are what the kernel takes, the
    operator has checked before: addresses say nothing.
    """
    return kernel(stem, dtype)(addresses(tensors), numbers)


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


def in_layout_of(x: Tensor, y: Tensor) -> Tensor:
    """The contiguous `y`, of x's shape, as `empty_like(x)` lies in memory."""
    return empty_like(x).copy_(y) if is_channels_first(x) else y


def contiguous(x: Tensor) -> Tensor:
    """x itself if it is contiguous, else a copy in a pooled buffer."""
    return x if x.is_contiguous() else empty(tuple(x.shape), x.dtype).copy_(x)


def copy(x: Tensor) -> Tensor:
    """A contiguous copy, for a kernel that advances a state in place."""
    return x.clone() if x.is_contiguous() else x.contiguous()


def threads(work: int = THREADED_WORK) -> int:
    """Threads for a compiled call on so many numbers: PyTorch's own setting, or one where others would come too late."""
    return torch.get_num_threads() if work >= THREADED_WORK else 1
