"""The spike-aware memory over equal gaps as an FFT convolution, with state in and state out.

One gap means one transition T, a real d_state x d_state matrix per head. K[l] = C T^l b,
y = K * u + D u + C T^(t+1) x[-1],   x[L-1] = T^L x[-1] + sum_t T^(L-1-t) b u[t]; powers by doubling, in float64.
"""

import torch
from torch import Tensor

from longspike.kernels.sa_hippo.reference import advance, by_head
from longspike.kernels.sa_hippo.tables import rows_of


def _padded(u: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """u as (batch, longest, d_model), the same with time reversed, both zero past a sample, and which places exist."""
    lengths = offsets.diff()
    place = torch.arange(int(lengths.max()), device=u.device)
    exists = place < lengths[:, None]
    rows = (offsets[:-1, None] + place, offsets[1:, None] - 1 - place)
    dense, backward = (torch.where(exists[..., None], u[torch.where(exists, row, 0)], 0).double() for row in rows)
    return dense, backward, exists


def _orbit(step: Tensor, start: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """start, T start, .. T^(count-1) start side by side (heads, d_state, count, columns), and T^(2^k) for k = 0, 1, .."""
    found, squares = start[:, :, None], [step]
    while found.shape[2] < count:
        moved = (squares[-1] @ found.flatten(2)).view(found.shape)
        found = torch.cat([found, moved], dim=2)
        squares.append(squares[-1] @ squares[-1])
    return found[:, :, :count], torch.stack(squares)


def _carried(squares: Tensor, state: Tensor, lengths: Tensor) -> Tensor:
    """T^length x per sample, by the binary digits of its length."""
    for k, square in enumerate(squares):
        taken = (lengths.div(2**k, rounding_mode="floor") % 2 == 1)[:, None, None, None]
        state = torch.where(taken, square @ state, state)
    return state


def forward(
    u: Tensor, offsets: Tensor, tables: Tensor, r: Tensor, c: Tensor, d: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """y (ticks, d_model) and every sample's state after its last tick; differentiable by autograd."""
    if u.shape[0] == 0:
        return torch.zeros_like(u), state
    num_heads, n_pairs, _, rank = r.shape
    d_state, lengths = 2 * n_pairs, offsets.diff()
    rows = rows_of(tables[0].double(), n_pairs, rank)
    basis = torch.eye(d_state, dtype=torch.float64, device=u.device).view(n_pairs, 2, d_state)
    step = advance(basis.expand(num_heads, -1, -1, -1), rows, r.double()).flatten(1, 2)
    dense, backward, exists = _padded(u, offsets)
    longest = dense.shape[1]
    responses, squares = _orbit(step, rows.b.mT.flatten(1)[..., None], longest + 1)
    responses = responses[:, :, :-1, 0]  # (heads, d_state, longest)

    sign = torch.tensor([2.0, -2.0], dtype=torch.float64, device=u.device)
    read = (by_head(c.double(), num_heads) * sign[:, None]).flatten(1, 2)  # (heads, d_state, d_head)
    kernel = torch.einsum("hnd,hnl->lhd", read, responses).flatten(1)
    size = 2 * longest
    spectrum = torch.fft.rfft(dense, n=size, dim=1) * torch.fft.rfft(kernel, n=size, dim=0)
    y = torch.fft.irfft(spectrum, n=size, dim=1)[:, :longest] + d * dense
    end = torch.einsum("hnl,blhd->bhnd", responses, backward.unflatten(2, (num_heads, -1)))

    if state.requires_grad or bool(state.any()):  # what the start adds costs d_state times the kernel's memory
        start = state.double().flatten(2, 3)
        seen, _ = _orbit(step.mT, step.mT @ read, longest)  # (T^T)^(t+1) C
        y = y + torch.einsum("hnld,bhnd->blhd", seen, start).flatten(2)
        end = end + _carried(squares, start, lengths)
    return y.to(u.dtype)[exists], end.unflatten(2, (n_pairs, 2)).to(state.dtype)
