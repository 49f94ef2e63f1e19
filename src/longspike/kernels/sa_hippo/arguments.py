"""What the tensors of a call of the spike-aware memory must be, and how far apart the states lie that its kernels save."""

import torch
from torch import Tensor

from longspike._core.checks import check_offsets
from longspike.kernels._arguments import expect, expect_indices
from longspike.kernels.sa_hippo.tables import row_size

SPAN = 64  # ticks


def num_saved(ticks: int, batch: int) -> int:
    """Room for ceil(length/64) saved states of every sample, whatever the lengths."""
    return ticks // SPAN + batch


def expect_shapes(
    u: Tensor, index: Tensor, offsets: Tensor, tables: Tensor, r: Tensor, c: Tensor, d: Tensor, state: Tensor
) -> None:
    """Raise unless they fit together. What `index` and `offsets` hold is not read."""
    (heads, n_pairs, _, rank), (ticks, d_model), batch = r.shape, u.shape, offsets.shape[0] - 1
    expect(
        "sa_hippo",
        u,
        tables=(tables, (tables.shape[0], heads, row_size(n_pairs, rank))),
        r=(r, (heads, n_pairs, 2, rank)),
        c=(c, (n_pairs, 2, d_model)),
        d=(d, (d_model,)),
        state=(state, (batch, heads, n_pairs, 2, d_model // heads)),
    )
    expect("sa_hippo", u, torch.int64, index=(index, (ticks,)), offsets=(offsets, (batch + 1,)))


def expect_structure(u: Tensor, index: Tensor, offsets: Tensor, tables: Tensor) -> None:
    """Raise unless `index` and `offsets` hold rows and ticks that exist."""
    expect_indices("sa_hippo", "index", index, tables.shape[0])
    check_offsets("sa_hippo", "offsets", offsets, u.shape[0], f"{u.shape[0]}, the ticks of `u`")


def expect_saved(u: Tensor, offsets: Tensor, grad_y: Tensor, grad_end: Tensor, checkpoints: Tensor) -> None:
    """Raise unless what a backward pass takes besides fits too."""
    saved = (num_saved(u.shape[0], offsets.shape[0] - 1), *grad_end.shape[1:])
    expect("sa_hippo_backward", u, grad_y=(grad_y, tuple(u.shape)), checkpoints=(checkpoints, saved))
