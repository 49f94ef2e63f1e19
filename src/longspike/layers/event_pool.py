"""Pooling of ticks into one vector a sample, continued over calls."""

import torch
from torch import Tensor, nn

from longspike._core.checks import check_choice, check_positive_int, check_ticks
from longspike._core.states import as_state, check_part
from longspike.kernels.tick import EventPoolState, event_pool

WEIGHTINGS = ("tick", "time")


class EventPool(nn.Module):
    """Averages windows of consecutive ticks, then the windows; in a stream, a running mean since its start.

    Args:
        channels: of the ticks. window: ticks averaged at a time; 1 is the plain mean over ticks.
        weighting: within a window a tick counts "tick" once, or by the "time" since the tick before it.
    """

    def __init__(self, channels: int, *, window: int = 1, weighting: str = "tick") -> None:
        super().__init__()
        check_positive_int("EventPool", "channels", channels)
        check_positive_int("EventPool", "window", window)
        check_choice("EventPool", "weighting", weighting, WEIGHTINGS)
        self.channels, self.window, self.weighting = channels, window, weighting

    def init_state(self, batch: int, *, device: torch.device | None = None) -> EventPoolState:
        """Nothing seen yet."""
        sizes = (self.channels, self.channels, 3)
        return EventPoolState(*(torch.zeros(batch, n, dtype=torch.float64, device=device) for n in sizes))

    def forward(
        self, y: Tensor, delta: Tensor, offsets: Tensor, state: EventPoolState | None = None
    ) -> tuple[Tensor, EventPoolState]:
        """y (ticks, channels), gaps delta (ticks), offsets (batch + 1) -> (batch, channels); zero without ticks."""
        check_ticks("EventPool", "y", y, delta, offsets, self.channels)
        state = self.init_state(len(offsets) - 1, device=y.device) if state is None else self._checked(state, offsets)
        weights = delta if self.weighting == "time" else torch.ones_like(delta)
        return event_pool(y, weights, offsets, state, size=self.window)

    def _checked(self, state: EventPoolState, offsets: Tensor) -> EventPoolState:
        parts = as_state("EventPool", EventPoolState, state)
        for name, part, width in zip(parts._fields, parts, (self.channels, self.channels, 3), strict=True):
            check_part("EventPool", f"state.{name}", part, (len(offsets) - 1, width))
        return parts

    def extra_repr(self) -> str:
        return f"channels={self.channels}, window={self.window}, weighting={self.weighting}"
