"""Pooling over time that honours lengths and can be continued: one mean, or the means of the last windows side by side."""

from collections.abc import Sequence
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


def early_steps(lengths: Tensor, fractions: Sequence[float]) -> Tensor:
    """The first ceil(fraction * length) steps, at least one, of every sample: (batch, fractions)."""
    steps = torch.stack([torch.ceil(lengths * fraction).long() for fraction in fractions], dim=1).clamp(min=1)
    return torch.minimum(steps, lengths.clamp(min=1)[:, None])


class MeanPool(nn.Module):
    """Mean over the valid steps seen so far; in a stream, over all chunks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        check_positive_int("MeanPool", "channels", channels)
        self.channels = channels

    @property
    def num_outputs(self) -> int:
        """Values that it gives."""
        return self.channels

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

    def after(self, x: Tensor, steps: Tensor, lengths: Tensor) -> Tensor:
        """What it would give after `steps` (batch, points) of each sample: (batch, points, channels)."""
        is_seen = torch.arange(x.shape[1], device=x.device) < torch.minimum(steps, lengths[:, None])[..., None]
        return torch.bmm(is_seen.to(x.dtype) / steps[..., None].to(x.dtype), x)

    def running(self, x: Tensor) -> Tensor:
        """What it would give after every step of one sample: (seqlen, channels) -> the same."""
        seen = torch.arange(1, len(x) + 1, device=x.device, dtype=x.dtype)[:, None]
        return x.cumsum(dim=0) / seen

    def _checked(self, state: PoolState, x: Tensor) -> PoolState:
        return _checked_state("MeanPool", state, x, (self.channels,))


class WindowPool(nn.Module):
    """Means of the last `num_windows` windows of `size` steps, side by side, the oldest first.

    Windows begin at the steps 0, size, 2*size, ..; the last one is the mean of those of its steps that were seen, and
    windows before the first step are zero. So a sequence of num_windows*size steps is read out place by place, and a
    stream by what happened last.

    Args: channels: of the steps. num_windows: side by side. size: steps of one.
    """

    def __init__(self, channels: int, *, num_windows: int, size: int) -> None:
        super().__init__()
        for name, value in (("channels", channels), ("num_windows", num_windows), ("size", size)):
            check_positive_int("WindowPool", name, value)
        self.channels, self.num_windows, self.size = channels, num_windows, size

    @property
    def num_outputs(self) -> int:
        """Values that it gives."""
        return self.num_windows * self.channels

    def init_state(self, batch: int, *, like: Tensor) -> PoolState:
        """Nothing seen yet; the sums are (batch, num_windows, channels)."""
        total = torch.zeros(batch, self.num_windows, self.channels, dtype=torch.float64, device=like.device)
        return PoolState(total, torch.zeros(batch, dtype=torch.long, device=like.device))

    def forward(
        self, x: Tensor, state: PoolState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, PoolState]:
        """(batch, seqlen, channels) -> (batch, num_windows*channels), and what it remembers."""
        check_sequence("WindowPool", "x", x, channels=self.channels)
        before = self.init_state(x.shape[0], like=x) if state is None else self._checked(state, x)
        if lengths is None:
            seen = torch.full_like(before.steps, x.shape[1])
        else:
            check_lengths("WindowPool", lengths, x)
            x, seen = without_padding(x, lengths), lengths
        steps = before.steps + seen
        sums = torch.bmm(self._places(before.steps, seen, x), x)
        end = PoolState(self._moved(before, steps) + sums, steps)
        return (end.total / self._sizes(steps)).flatten(1).to(x.dtype), end

    def after(self, x: Tensor, steps: Tensor, lengths: Tensor) -> Tensor:
        """What it would give after `steps` (batch, points) of each sample: (batch, points, num_windows*channels)."""
        steps = torch.minimum(steps, lengths[:, None])
        found = [self(x, None, each)[0] for each in steps.unbind(1)]
        return torch.stack(found, dim=1)

    def running(self, x: Tensor) -> Tensor:
        """What it would give after every step of one sample: (seqlen, channels) -> (seqlen, num_windows*channels)."""
        state, found = self.init_state(1, like=x), []
        for x_t in x.unbind(0):
            y, state = self(x_t[None, None], state)
            found.append(y)
        return torch.cat(found) if found else x.new_zeros(0, self.num_outputs)

    def _last(self, steps: Tensor) -> Tensor:
        """The number of the window in which the last step lies; -1 before the first one."""
        return torch.div(steps - 1, self.size, rounding_mode="floor")

    def _places(self, before: Tensor, seen: Tensor, x: Tensor) -> Tensor:
        """(batch, num_windows, seqlen): 1 where a step is in a window that is still held."""
        window = torch.div(
            before[:, None] + torch.arange(x.shape[1], device=x.device), self.size, rounding_mode="floor"
        )
        place = self.num_windows - 1 - (self._last(before + seen)[:, None] - window)
        return (place[:, None] == torch.arange(self.num_windows, device=x.device)[:, None]).to(x.dtype)

    def _moved(self, before: PoolState, steps: Tensor) -> Tensor:
        """The sums from before, where they stand now."""
        moved = self._last(steps) - self._last(before.steps)
        places = torch.arange(self.num_windows, device=steps.device)
        is_here = (places - moved[:, None])[:, None] == places[:, None]
        return torch.bmm(is_here.to(before.total.dtype), before.total)

    def _sizes(self, steps: Tensor) -> Tensor:
        """Steps of every window so far (batch, num_windows, 1), at least 1."""
        sizes = torch.full((len(steps), self.num_windows, 1), self.size, device=steps.device)
        sizes[:, -1, 0] = (steps - self._last(steps) * self.size).clamp(min=1)
        return sizes

    def _checked(self, state: PoolState, x: Tensor) -> PoolState:
        return _checked_state("WindowPool", state, x, (self.num_windows, self.channels))

    def extra_repr(self) -> str:
        return f"channels={self.channels}, num_windows={self.num_windows}, size={self.size}"


def _checked_state(where: str, state: PoolState, x: Tensor, sizes: tuple[int, ...]) -> PoolState:
    parts = as_state(where, PoolState, state)
    check_part(where, "state.total", parts.total, (x.shape[0], *sizes), time_first(x, len(parts.steps)))
    check_part(where, "state.steps", parts.steps, (x.shape[0],))
    return parts
