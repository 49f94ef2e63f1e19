"""The surrogate dynamic network (SDN) of SpikingSSMs: a learned approximation of the hard-reset neuron, to compare with.

It predicts the decayed membrane m[t] = beta*u[t-1] from the eight inputs before t with a 153-parameter network:

    h = relu(conv8(y)[t-8 .. t-1]);   h = relu(W h + b + h);   m = w h + b;   s[t] = 1 if m[t] + y[t] > 1 else 0

It is approximate by design: fitted on white noise, it errs on constant and slow drives (docs/maths/neurons.md has the
figures). `HardResetLIF` is the exact neuron. The weights are our own fit (tools/fit_sdn.py), beta = 0.125 only.
Reference: Shen et al. 2024, SpikingSSMs, arXiv 2408.14909.
"""

import json
from importlib.resources import files

import torch
from torch import Tensor, nn

from longspike._core.checks import check_positive_int, check_sequence
from longspike._core.sequence import AbstractSequenceLayer
from longspike._core.states import check_part
from longspike.neurons.memoryless import spike
from longspike.neurons.surrogate import Surrogate, as_surrogate

WINDOW = 8


class SDNPredictor(nn.Module):
    """The 153-parameter network: (rows, seqlen) inputs with WINDOW earlier ones in front -> decayed membrane."""

    def __init__(self) -> None:
        super().__init__()
        self.look_back = nn.Conv1d(1, 8, WINDOW)
        self.mix = nn.Conv1d(8, 8, 1)
        self.read = nn.Conv1d(8, 1, 1)

    def forward(self, padded: Tensor) -> Tensor:
        """(rows, WINDOW + seqlen) -> (rows, seqlen): position t sees inputs t-8 .. t-1."""
        hidden = torch.relu(self.look_back(padded[:, None, :-1]))
        hidden = torch.relu(self.mix(hidden) + hidden)
        return self.read(hidden)[:, 0]


def load_predictor() -> SDNPredictor:
    """The shipped weights."""
    predictor = SDNPredictor()
    text = (files("longspike.neurons") / "sdn_weights.json").read_text()
    predictor.load_state_dict({name: torch.tensor(value) for name, value in json.loads(text)["weights"].items()})
    return predictor


class SDN(AbstractSequenceLayer[Tensor]):
    """SpikingSSMs' neuron: parallel over time, approximate, gradient of the present input only.

    Args: channels; surrogate. State: the last eight scaled inputs, (batch, WINDOW, channels).
    """

    def __init__(self, channels: int, *, surrogate: str | Surrogate = "triangle") -> None:
        super().__init__()
        check_positive_int("SDN", "channels", channels)
        self.channels, self.surrogate = channels, as_surrogate(surrogate)
        self.ln_vth = nn.Parameter(torch.zeros(channels))
        self.predictor = load_predictor().requires_grad_(False)

    def init_state(self, batch: int) -> Tensor:
        """No input seen yet."""
        return torch.zeros(batch, WINDOW, self.channels, dtype=self.ln_vth.dtype, device=self.ln_vth.device)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Spikes of currents (batch, seqlen, channels), and the last eight inputs."""
        check_sequence("SDN", "x", x, channels=self.channels)
        state = self.init_state(x.shape[0]) if state is None else state
        state = check_part("SDN", "state", state, (x.shape[0], WINDOW, self.channels))
        scaled = x / self.ln_vth.exp().to(x.dtype)
        padded = torch.cat([state.to(x.dtype), scaled], dim=1)
        if x.shape[1] == 0:
            return x, padded
        rows = (
            padded.detach().transpose(1, 2).reshape(-1, padded.shape[1])
        )  # a constant in every mode of differentiation
        with torch.no_grad():
            membrane = self.predictor(rows.to(self.ln_vth.dtype)).view(x.shape[0], self.channels, x.shape[1])
        membrane = membrane.transpose(1, 2)
        return spike(scaled + membrane.to(x.dtype) - 1, self.surrogate), padded[:, -WINDOW:]
