"""What layers of sequences have in common: state goes in and comes out, and a step is a forward of one step."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from longspike._core.checks import FLOAT_DTYPES

State = TypeVar("State")


class AbstractLayer(nn.Module, ABC):
    """A module whose parameters compute: real floating-point numbers of 64, 32 or 16 bits."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What .to(), .half() and the like call."""
        changed = super()._apply(fn, recurse)
        for parameter in self.parameters(recurse=False):
            if parameter.dtype not in FLOAT_DTYPES:
                raise TypeError(
                    f"{type(self).__name__}: parameters must be floating point, of 64, 32 or 16 bits; "
                    f"got {parameter.dtype}. Use bfloat16."
                )
        return changed


class AbstractSequenceLayer(AbstractLayer, Generic[State]):
    """A layer over dense sequences (batch, seqlen, channels)."""

    @abstractmethod
    def init_state(self, batch: int) -> State:
        """The silent state of `batch` samples."""

    @abstractmethod
    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The output (batch, seqlen, channels) and the state after the last step."""

    def step(self, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        """The output (batch, channels) of one step x_t (batch, channels), and the state after it."""
        y, end = self(x_t[:, None], state)
        return y[:, 0], end


class AbstractTickLayer(AbstractLayer):
    """A layer over ragged ticks u (ticks, channels): sample i owns the ticks offsets[i] .. offsets[i+1]-1."""

    @abstractmethod
    def init_state(self, batch: int) -> Tensor:
        """The silent state of `batch` samples."""

    @abstractmethod
    def forward(self, u: Tensor, delta: Tensor, offsets: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The output of every tick, and the state after every sample's last; delta (ticks), steps since the one before."""

    def step(self, u_t: Tensor, delta_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The output (batch, channels) of one tick a sample, u_t (batch, channels) and delta_t (batch,)."""
        return self(u_t, delta_t, torch.arange(u_t.shape[0] + 1, device=u_t.device), state)
