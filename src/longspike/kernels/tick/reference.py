"""The operators of a tick in plain PyTorch: the definition of correct."""

import torch
from torch import Tensor


def embed_cells(values: Tensor, cell: Tensor, tick_offsets: Tensor, weight: Tensor) -> Tensor:
    """See `longspike.kernels.tick.embed_cells`."""
    ticks = len(tick_offsets) - 1
    tick = torch.repeat_interleave(torch.arange(ticks, device=values.device), tick_offsets.diff())
    items = torch.einsum("qc,qcd->qd", values, weight[cell])
    return torch.zeros(ticks, weight.shape[2], dtype=values.dtype, device=values.device).index_add(0, tick, items)


def event_pool(
    y: Tensor, weights: Tensor, offsets: Tensor, window: Tensor, windows: Tensor, counts: Tensor, size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See `longspike.kernels.tick.event_pool`."""
    means, ends = [], []
    for b in range(len(offsets) - 1):
        held, done = window[b], windows[b]
        weight, ticks, complete = counts[b].tolist()
        for k in range(int(offsets[b]), int(offsets[b + 1])):
            held = held + weights[k] * y[k].to(torch.float64)
            weight, ticks = weight + float(weights[k]), ticks + 1
            if ticks >= size:
                done, held = done + held / weight, torch.zeros_like(held)
                weight, ticks, complete = 0.0, 0, complete + 1
        total = done + held / weight if ticks else done
        means.append((total / max(complete + (ticks > 0), 1)).to(y.dtype))
        ends.append((held, done, torch.tensor([weight, ticks, complete], dtype=torch.float64, device=y.device)))
    if not means:
        return y.new_zeros(0, y.shape[1]), window, windows, counts
    return torch.stack(means), *(torch.stack(parts) for parts in zip(*ends, strict=True))  # type: ignore[return-value]
