"""A leaky integrate-and-fire neuron per channel on ragged ticks: what SA-HiPPO is compared with."""

import torch
from torch import Tensor, nn

from longspike._core.checks import check_bounds, check_positive_int, check_ticks
from longspike._core.sequence import AbstractTickLayer
from longspike._core.states import check_part
from longspike.neurons.memoryless import spike
from longspike.neurons.surrogate import Surrogate, as_surrogate


class LeakyMemory(AbstractTickLayer):
    """One membrane a channel, decaying over the gap between two ticks, hard reset.

        v <- exp(-delta / tau_c) v + u;   y = v;   v <- 0 where y > threshold

    It has the calls of `longspike.nn.SAHippo`, so that a network can swap one for the other. A loop over ticks in
    PyTorch: for comparison, not for speed.

    Args:
        d_model: channels. tau_min, tau_max: log-uniform time constants at the start, in steps.
        threshold: of the reset; the block that makes spikes of y has the same.
    """

    def __init__(
        self,
        d_model: int,
        *,
        tau_min: float = 10.0,
        tau_max: float = 1000.0,
        threshold: float = 1.0,
        surrogate: str | Surrogate = "triangle",
    ) -> None:
        super().__init__()
        check_positive_int("LeakyMemory", "d_model", d_model)
        check_bounds("LeakyMemory", "tau_min", tau_min, low=0, high=tau_max, closed_low=False)
        low, high = torch.tensor([tau_min, tau_max]).log()
        self.d_model, self.threshold, self.surrogate = d_model, threshold, as_surrogate(surrogate)
        self.log_tau = nn.Parameter(low + (high - low) * torch.rand(d_model))

    def init_state(self, batch: int) -> Tensor:
        """Membranes at rest, (batch, d_model)."""
        return torch.zeros(batch, self.d_model, dtype=self.log_tau.dtype, device=self.log_tau.device)

    def forward(self, u: Tensor, delta: Tensor, offsets: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """u (ticks, d_model), gaps delta (ticks) in steps, offsets (batch + 1); the membranes before reset."""
        check_ticks("LeakyMemory", "u", u, delta, offsets, self.d_model)
        counts, batch = offsets.diff(), len(offsets) - 1
        v = (
            self.init_state(batch)
            if state is None
            else check_part("LeakyMemory", "state", state, (batch, self.d_model))
        )
        longest = int(counts.max()) if batch else 0
        place = offsets[:-1, None] + torch.arange(longest, device=u.device)
        is_tick = torch.arange(longest, device=u.device) < counts[:, None]
        place = place.clamp(max=max(len(u) - 1, 0))
        decay = torch.exp(-delta.to(u.dtype)[:, None] / self.log_tau.exp())
        ys = []
        for k in range(longest):
            y = decay[place[:, k]] * v + u[place[:, k]]
            after = y * (1 - spike(y - self.threshold, self.surrogate))
            v = torch.where(is_tick[:, k, None], after, v)
            ys.append(y)
        if not ys:
            return torch.zeros_like(u), v
        return torch.stack(ys, dim=1)[is_tick], v
