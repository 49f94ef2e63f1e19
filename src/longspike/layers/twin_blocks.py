"""Blocks to compare spiking ones with: the same skeleton around an LSTM, or around causal attention.

x -> norm -> LSTM or attention -> dropout -> linear(d_model -> 2 d_model) -> GLU -> dropout -> + x
"""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from longspike._core.checks import check_choice, check_sequence
from longspike._core.lengths import with_quiet_padding
from longspike._core.sequence import AbstractSequenceLayer, State
from longspike._core.states import as_state
from longspike.kernels.mixing import glu
from longspike.layers.block import NORM_POSITIONS
from longspike.layers.dropout import TiedDropout
from longspike.layers.linear import SpikeLinear
from longspike.layers.norm import NORM_KINDS, build_norm, normalised

HEAD_SIZE = 32
"""Of attention, where d_model is a multiple of it; otherwise there is one head."""
ROTARY_BASE = 10_000.0


class LSTMState(NamedTuple):
    """What an LSTM remembers between two steps, (batch, d_model) each."""

    hidden: Tensor
    cell: Tensor


class AttentionState(NamedTuple):
    """Keys and values of all steps so far, (batch, heads, steps, head size): what attention remembers grows."""

    keys: Tensor
    values: Tensor


class AbstractTwinBlock(AbstractSequenceLayer[State]):
    """The skeleton of `SpikingBlock` around something dense; subclasses say what.

    Args: d_model: channels. dropout, norm, norm_kind: as of `SpikingBlock`.
    """

    def __init__(self, d_model: int, *, dropout: float = 0.0, norm: str = "pre", norm_kind: str = "layer") -> None:
        super().__init__()
        where = type(self).__name__
        check_choice(where, "norm", norm, NORM_POSITIONS)
        check_choice(where, "norm_kind", norm_kind, NORM_KINDS)
        self.d_model, self.norm_position = d_model, norm
        self.norm = nn.Identity() if norm == "none" else build_norm(d_model, norm_kind)
        self.dropout = TiedDropout(dropout)
        self.mix = SpikeLinear(d_model, 2 * d_model)

    @abstractmethod
    def core(self, z: Tensor, state: State | None) -> tuple[Tensor, State]:
        """What stands in place of state space and neuron: z (batch, seqlen, d_model) -> the same, and the state."""

    def outputs(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        """y and what the core gives, both (batch, seqlen, d_model), and the state after the last step."""
        check_sequence(type(self).__name__, "x", x, channels=self.d_model)
        x = with_quiet_padding(x, lengths)
        z = normalised(self.norm, x, lengths) if self.norm_position == "pre" else x
        features, end = self.core(z, state)
        y = x + self.dropout(glu(self.mix(self.dropout(features))))
        return normalised(self.norm, y, lengths) if self.norm_position == "post" else y, features, end

    def activity(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        """y, no spikes (batch, d_model), and the state after the last step."""
        y, _, end = self.outputs(x, state, lengths)
        return y, x.new_zeros(x.shape[0], self.d_model), end

    def forward(self, x: Tensor, state: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """y (batch, seqlen, d_model) and the state after the last step; lengths are valid steps of a padded batch."""
        y, _, end = self.outputs(x, state, lengths)
        return y, end


class LSTMBlock(AbstractTwinBlock[LSTMState]):
    """A block around torch.nn.LSTM: 8 d_model^2 weights in place of a state space and a neuron.

    Reference: Hochreiter and Schmidhuber 1997, with the forget gate of Gers, Schmidhuber and Cummins 2000.
    """

    def __init__(self, d_model: int, *, dropout: float = 0.0, norm: str = "pre", norm_kind: str = "layer") -> None:
        super().__init__(d_model, dropout=dropout, norm=norm, norm_kind=norm_kind)
        self.lstm = nn.LSTM(d_model, d_model, batch_first=True)

    def init_state(self, batch: int) -> LSTMState:
        """Zeros."""
        zeros = self.mix.weight.new_zeros(batch, self.d_model)
        return LSTMState(zeros, zeros.clone())

    def core(self, z: Tensor, state: LSTMState | None) -> tuple[Tensor, LSTMState]:
        """The hidden state at every step."""
        before = self.init_state(z.shape[0]) if state is None else as_state("LSTMBlock", LSTMState, state)
        if not z.shape[1]:
            return z, before
        features, (hidden, cell) = self.lstm(z, (before.hidden[None], before.cell[None]))
        return features, LSTMState(hidden[0], cell[0])


def rotated(x: Tensor, first: int) -> Tensor:
    """Rotary positions: pairs of channels turned by an angle that grows with the step.

        (x[n, i], x[n, i + h])  turned by  (first + n) 10000^(-i / h),   h = half the head size

    Args: x: (batch, heads, seqlen, head size). first: the number of the first step.
    Reference: Su et al. 2021, RoFormer.
    """
    half = x.shape[-1] // 2
    frequencies = ROTARY_BASE ** (-torch.arange(half, device=x.device, dtype=torch.float64) / half)
    steps = torch.arange(first, first + x.shape[2], device=x.device, dtype=torch.float64)
    angles = steps[:, None] * frequencies
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], dim=-1)


class AttentionBlock(AbstractTwinBlock[AttentionState]):
    """A block around causal softmax attention with rotary positions, by PyTorch's scaled_dot_product_attention.

        y[n] = sum over m <= n of softmax_m(q[n] . k[m] / sqrt(head size)) v[m],   q, k, v = W z + b

    3 d_model^2 weights in place of a state space and a neuron; heads of 32 channels. Work grows with the square of the
    length, and the state with the length, which is why streams refuse it.

    Reference: Vaswani et al. 2017.
    """

    def __init__(self, d_model: int, *, dropout: float = 0.0, norm: str = "pre", norm_kind: str = "layer") -> None:
        super().__init__(d_model, dropout=dropout, norm=norm, norm_kind=norm_kind)
        if d_model % 2:
            raise ValueError(
                f"AttentionBlock: `d_model` must be even, for positions turn pairs of channels; got {d_model}."
            )
        self.num_heads = d_model // HEAD_SIZE if d_model % HEAD_SIZE == 0 else 1
        self.project = SpikeLinear(d_model, 3 * d_model)

    def init_state(self, batch: int) -> AttentionState:
        """No steps."""
        nothing = self.mix.weight.new_zeros(batch, self.num_heads, 0, self.d_model // self.num_heads)
        return AttentionState(nothing, nothing.clone())

    def core(self, z: Tensor, state: AttentionState | None) -> tuple[Tensor, AttentionState]:
        """What every step gathers from itself and those before."""
        before = self.init_state(z.shape[0]) if state is None else as_state("AttentionBlock", AttentionState, state)
        batch, seqlen, _ = z.shape
        if not seqlen:
            return z, before
        num_before = before.keys.shape[2]
        q, k, v = self.project(z).reshape(batch, seqlen, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k = rotated(q, num_before), rotated(k, num_before)
        mask = None
        if num_before:
            k, v = torch.cat([before.keys, k], dim=2), torch.cat([before.values, v], dim=2)
            mask = torch.ones(seqlen, num_before + seqlen, dtype=torch.bool, device=z.device).tril(num_before)
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return found.transpose(1, 2).reshape(batch, seqlen, -1), AttentionState(k, v)


TWINS: dict[str, type[LSTMBlock | AttentionBlock]] = {"lstm": LSTMBlock, "attention": AttentionBlock}
