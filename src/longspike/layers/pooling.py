"""Pooling over time that honours lengths and can be continued."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from longspike._core.checks import check_bounds, check_positive_int, check_sequence, describe, time_first
from longspike._core.lengths import without_padding
from longspike._core.states import as_state, check_part


class PoolState(NamedTuple):
    """What a running mean remembers: the sum (batch, channels) and the number of steps (batch).

    The sum is float64 whatever the network is: in float32 it would stand still after some 10^7 steps of a stream.
    """

    total: Tensor
    steps: Tensor


def check_lengths(where: str, lengths: Tensor, x: Tensor) -> None:
    """Raise unless `lengths` (batch) holds whole numbers between 0 and the number of steps of `x`."""
    if not isinstance(lengths, Tensor):
        raise TypeError(f"{where}: `lengths` must be a tensor of integers; got {describe(lengths)}.")
    if (
        lengths.dtype.is_floating_point
        or lengths.dtype.is_complex
        or lengths.dtype == torch.bool
        or tuple(lengths.shape) != (x.shape[0],)
    ):
        hint = time_first(x, len(lengths)) if lengths.dim() == 1 else ""
        raise ValueError(
            f"{where}: `lengths` must hold {x.shape[0]} integers, one a sample; got {describe(lengths)}.{hint}"
        )
    check_bounds(where, "lengths", lengths, low=0, high=x.shape[1], remedy="No sample is longer than the batch.")


class MeanPool(nn.Module):
    """Mean over the valid steps seen so far; in a stream, over all chunks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        check_positive_int("MeanPool", "channels", channels)
        self.channels = channels

    def init_state(self, batch: int, *, like: Tensor) -> PoolState:
        """Nothing seen yet."""
        total = torch.zeros(batch, self.channels, dtype=torch.float64, device=like.device)
        return PoolState(total, torch.zeros(batch, dtype=torch.long, device=like.device))

    def forward(
        self, x: Tensor, state: PoolState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, PoolState]:
        """(batch, seqlen, channels) -> (batch, channels); zero where no step was seen."""
        check_sequence("MeanPool", "x", x, channels=self.channels)
        state = self.init_state(x.shape[0], like=x) if state is None else self._checked(state, x)
        if lengths is None:
            total, seen = x.sum(dim=1), torch.full_like(state.steps, x.shape[1])
        else:
            check_lengths("MeanPool", lengths, x)
            total, seen = without_padding(x, lengths).sum(dim=1), lengths
        end = PoolState(state.total + total, state.steps + seen)
        return (end.total / end.steps.clamp(min=1)[:, None]).to(x.dtype), end

    def _checked(self, state: PoolState, x: Tensor) -> PoolState:
        parts = as_state("MeanPool", PoolState, state)
        check_part("MeanPool", "state.total", parts.total, (x.shape[0], self.channels), time_first(x, len(parts.steps)))
        check_part("MeanPool", "state.steps", parts.steps, (x.shape[0],))
        return parts
