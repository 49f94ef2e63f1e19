"""Triton, for the kernels on a GPU: whether it is here, why not, and how every kernel is launched.

Triton is imported by the first call that needs it, never by `import longspike`.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
from torch import Tensor

DTYPES = (torch.float32, torch.float64)

LANES = 32
"""Sequences, (sample, channel) each, of one program: a warp, one lane a thread, so that a row is one coalesced access."""

LAUNCH = {"num_warps": 1, "enable_fp_fusion": False}
"""One warp a program. Without contraction every operation is rounded on its own, where a kernel does not write `fma`."""


@cache
def unavailable_reason() -> str:
    """Why Triton's kernels cannot be called on any device; empty if they can."""
    try:
        import triton  # noqa: F401
    except ImportError as error:
        return f'triton did not load ({error}); run: pip install "longspike[gpu]"'
    return ""


def why_not(device: torch.device, dtype: torch.dtype) -> str:
    """Why the kernels cannot compute on tensors of this kind; empty if they can."""
    if device.type != "cuda":
        return f"the Triton kernels run on a GPU and the tensors are on {device.type}"
    if dtype not in DTYPES:
        return f"the Triton kernels take float32 and float64, not {dtype}"
    return unavailable_reason()


def num_programs(lanes: int) -> int:
    """Programs of `LANES` lanes each."""
    return (lanes + LANES - 1) // LANES


def device_of(x: Tensor) -> AbstractContextManager:
    """Makes the GPU of `x` the one that launches go to; nothing for a tensor of Triton's interpreter."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()
