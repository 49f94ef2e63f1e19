"""In which dtype a layer computes."""

import torch
from torch import Tensor


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of states and sums: half precision goes in and comes out, and float32 computes."""
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


def in_dtype(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x.to(dtype), without the call where there is nothing to do."""
    return x if x.dtype == dtype else x.to(dtype)
