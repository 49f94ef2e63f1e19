"""The spike-aware memory in chunks of ticks, all chunks at once, for devices with many lanes.

Every chunk runs from the zero state, beside the columns of an identity that become its transition; the start states
follow one another chunk by chunk; then every chunk runs again from its own. Three loops of `chunk`, chunks per sample
and `chunk` rounds instead of one over all ticks.
"""

import torch
from torch import Tensor

from longspike.kernels.sa_hippo.reference import advance, by_head, tick
from longspike.kernels.sa_hippo.tables import row_size, rows_of

CHUNK = 64


def _layout(offsets: Tensor, chunk: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tick of every (chunk, place), whether it exists, and the number of chunks per sample."""
    lengths = offsets.diff()
    counts = (lengths + chunk - 1).div(chunk, rounding_mode="floor")
    sample = torch.repeat_interleave(torch.arange(len(lengths), device=offsets.device), counts)
    within = torch.arange(len(sample), device=offsets.device) - (counts.cumsum(0) - counts)[sample]
    place = torch.arange(chunk, device=offsets.device)
    at = within[:, None] * chunk + place
    return offsets[sample, None] + at, at < lengths[sample, None], counts


def _identity_row(like: Tensor, n_pairs: int, rank: int) -> Tensor:
    row = like.new_zeros(row_size(n_pairs, rank))
    row[:n_pairs] = 1
    return row.expand(1, like.shape[1], -1)


def _starts(local: Tensor, carried: Tensor, state: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The state before every chunk, and after the last one of every sample; (…, heads, d_state, d_head)."""
    first, pieces, order = counts.cumsum(0) - counts, [], []
    for k in range(int(counts.max()) if counts.numel() else 0):
        active = torch.nonzero(counts > k)[:, 0]
        chunks = first[active] + k
        now = state[active]
        pieces.append(now)
        order.append(chunks)
        state = state.index_copy(0, active, carried[chunks] @ now + local[chunks])
    return torch.cat(pieces)[torch.argsort(torch.cat(order))], state


def forward(
    u: Tensor,
    index: Tensor,
    offsets: Tensor,
    tables: Tensor,
    r: Tensor,
    c: Tensor,
    d: Tensor,
    state: Tensor,
    chunk: int = CHUNK,
) -> tuple[Tensor, Tensor]:
    """y (ticks, d_model) and every sample's state after its last tick; differentiable by autograd."""
    if u.shape[0] == 0:
        return torch.zeros_like(u), state
    num_heads, n_pairs, _, rank = r.shape
    chunk = min(chunk, int(offsets.diff().max()))
    ticks, exists, counts = _layout(offsets, chunk)
    ticks = torch.where(exists, ticks, 0)
    split = torch.where(exists[..., None], u[ticks], 0).unflatten(2, (num_heads, -1))
    tables = torch.cat([tables, _identity_row(tables, n_pairs, rank)])
    row = torch.where(exists, index[ticks], tables.shape[0] - 1)
    d_state, d_head = 2 * n_pairs, split.shape[-1]

    basis = torch.eye(d_state, dtype=u.dtype, device=u.device).view(n_pairs, 2, d_state)
    x = torch.cat([u.new_zeros(n_pairs, 2, d_head), basis], dim=-1).expand(len(row), num_heads, -1, -1, -1)
    for k in range(chunk):
        rows = rows_of(tables[row[:, k]], n_pairs, rank)
        x = advance(x, rows, r)
        x = torch.cat([x[..., :d_head] + rows.b.mT[..., None] * split[:, k, :, None, None], x[..., d_head:]], dim=-1)
    flat = x.flatten(2, 3)
    starts, end = _starts(flat[..., :d_head], flat[..., d_head:], state.flatten(2, 3), counts)

    x, heads, outputs = starts.unflatten(2, (n_pairs, 2)), by_head(c, num_heads), []
    for k in range(chunk):
        y, x = tick(x, rows_of(tables[row[:, k]], n_pairs, rank), split[:, k], r, heads, d.view(num_heads, -1))
        outputs.append(y.flatten(1))
    return torch.stack(outputs, dim=1)[exists], end.unflatten(2, (n_pairs, 2))
