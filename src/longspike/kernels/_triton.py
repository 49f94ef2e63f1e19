"""Whether Triton kernels can run, why not, and what every launch of one needs."""

import importlib.util
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

DTYPES = (torch.float32, torch.float64)
ROUNDED = {"enable_fp_fusion": False}  # every operation rounds on its own, whatever the compiler would fuse
LANES = 32  # sequences, (sample, channel) each, of one warp: one lane a thread, so that a row is one coalesced access
A_WARP = {"num_warps": 1, **ROUNDED}


def why_not(device: torch.device, dtype: torch.dtype) -> str:
    """Why a Triton kernel cannot compute on tensors like these; empty if it can."""
    if device.type != "cuda":
        return f"the Triton kernels run on CUDA devices and the tensors are on {device.type}"
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed (pip install longspike[gpu])"
    if dtype not in DTYPES:
        return f"the Triton kernels take float32 and float64, not {dtype}"
    return ""


def power_of_two(n: int) -> int:
    """The smallest power of two that is at least n and 1: sizes of blocks."""
    return 1 << max(n - 1, 0).bit_length()


def num_programs(lanes: int) -> int:
    """Programs of `LANES` lanes each."""
    return (lanes + LANES - 1) // LANES


def device_of(x: Tensor) -> AbstractContextManager:
    """Launches go to the GPU of `x`; no change for a tensor of Triton's interpreter."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()
