"""The block of a spiking state-space model.

x -> norm -> S4D -> neuron -> dropout -> linear(d_model -> 2 d_model) on spikes -> GLU -> dropout -> + x
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from longspike._core.checks import check_bounds, check_choice, check_sequence
from longspike._core.dtypes import in_dtype
from longspike._core.lengths import with_quiet_padding, without_padding
from longspike._core.sequence import AbstractSequenceLayer
from longspike._core.states import as_state
from longspike.kernels.mixing import glu
from longspike.kernels.spiking_block import Inputs, spiking_block
from longspike.layers.batch_norm import BatchNorm
from longspike.layers.dropout import TiedDropout
from longspike.layers.linear import SpikeLinear
from longspike.layers.neuron import NeuronConfig, build_neuron
from longspike.layers.norm import NORM_KINDS, RowNorm, build_norm, normalised
from longspike.layers.watched import are_watched
from longspike.neurons.lif import LIFState
from longspike.neurons.refractory import RefractoryLIF
from longspike.ssm.s4d import S4D

NORM_POSITIONS = ("pre", "post", "none")
FUSED_DTYPES = (torch.float32, torch.float64)
PLAIN_NORMS = {"pre": (RowNorm, BatchNorm), "post": (RowNorm, BatchNorm), "none": (nn.Identity,)}
"""The norms of a plain block, by their position."""
PLAIN_PARTS = (S4D, RefractoryLIF, TiedDropout, SpikeLinear)
"""What a plain block is made of, in the order of its making: its norm, then these."""
BIDIRECTIONAL_PARTS = (S4D, *PLAIN_PARTS)
"""What a bidirectional one is made of."""


class BlockState(NamedTuple):
    """What a block remembers between two steps."""

    ssm: Tensor
    neuron: Any


class SpikingBlock(AbstractSequenceLayer[BlockState]):
    """One layer of SPikE-SSM with a switchable neuron.

    Args:
        d_model: channels. d_state: size of the S4D state.
        neuron: which neuron, `NeuronConfig()` is the refractory LIF.
        dropout: probability, tied in time, behind the neuron and behind the gate.
        norm: "pre" normalises what enters S4D; "post" normalises the sum (unlike the reference code of SpikingSSMs,
            where a "post" norm has no effect); "none".
        norm_kind: "layer", or "batch" with statistics of the valid steps in training (`BatchNorm`). There a "pre" norm's
            numbers by `forward` and by `outputs` agree up to rounding; at inference they are the same.
        init, dt_min, dt_max, discretisation, n_ssm, trains_b: of S4D.
        mix_gain: factor of the mixing layer's weight at the start. That layer starts as for dense inputs of unit variance;
            spikes of a rate r have the variance r*(1 - r), and about 2.3 gives the branch the strength it has with GELU.
        is_bidirectional: add a second S4D that reads the sequence backwards, from the last valid step on; such a block
            cannot be streamed.
    """

    def __init__(
        self,
        d_model: int,
        *,
        d_state: int = 64,
        neuron: NeuronConfig | None = None,
        dropout: float = 0.0,
        norm: str = "pre",
        norm_kind: str = "layer",
        init: str = "lin",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        discretisation: str = "zoh",
        n_ssm: int | None = None,
        trains_b: bool = False,
        mix_gain: float = 1.0,
        is_bidirectional: bool = False,
    ) -> None:
        super().__init__()
        check_choice("SpikingBlock", "norm", norm, NORM_POSITIONS)
        check_choice("SpikingBlock", "norm_kind", norm_kind, NORM_KINDS)
        check_bounds("SpikingBlock", "mix_gain", mix_gain, low=0, closed_low=False, closed_high=False)
        ssm = {"d_state": d_state, "init": init, "dt_min": dt_min, "dt_max": dt_max, "discretisation": discretisation}
        ssm |= {"n_ssm": n_ssm, "trains_b": trains_b}
        self.d_model, self.norm_position = d_model, norm
        self.norm = nn.Identity() if norm == "none" else build_norm(d_model, norm_kind)
        self.ssm = S4D(d_model, **ssm)  # type: ignore[arg-type]
        self.backward_ssm = S4D(d_model, **ssm) if is_bidirectional else None  # type: ignore[arg-type]
        neuron = NeuronConfig() if neuron is None else neuron
        self.neuron = build_neuron(d_model, neuron)
        self.dropout = TiedDropout(dropout)
        self.mix = SpikeLinear(d_model * neuron.per_channel, 2 * d_model)
        if mix_gain != 1:
            with torch.no_grad():
                self.mix.weight.mul_(mix_gain)

    def init_state(self, batch: int) -> BlockState:
        """The silent state of `batch` samples."""
        return BlockState(self.ssm.init_state(batch), self.neuron.init_state(batch))  # type: ignore[operator]

    def _check_state(self, state: BlockState | None) -> None:
        if state is not None and self.backward_ssm is not None:
            raise ValueError("SpikingBlock: a bidirectional block takes no state; it needs the whole sequence.")

    def _current(self, x: Tensor, state: Tensor | None, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        current, end = self.ssm(x, state)
        if self.backward_ssm is not None:
            valid = without_padding(x, lengths)
            current = current + self.backward_ssm(valid.flip(1))[0].flip(1)
        return current, end

    def outputs(
        self, x: Tensor, state: BlockState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor, BlockState]:
        """y (batch, seqlen, d_model), the neurons' spikes (batch, seqlen, neurons), and the state after the last step."""
        spikes: list[Tensor] = []
        y, end = self(x, state, lengths, spikes)
        return y, spikes[0], end

    def _by_parts(
        self, x: Tensor, state: BlockState | None, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor, BlockState]:
        x = with_quiet_padding(x, lengths)
        self._check_state(state)
        ssm_state, neuron_state = (None, None) if state is None else as_state("SpikingBlock", BlockState, state)
        z = normalised(self.norm, x, lengths) if self.norm_position == "pre" else x
        current, ssm_end = self._current(z, ssm_state, lengths)
        spikes, neuron_end = self.neuron(current, neuron_state)
        y = x + self.dropout(glu(self.mix(self.dropout(spikes))))
        y = normalised(self.norm, y, lengths) if self.norm_position == "post" else y
        return y, spikes, BlockState(ssm_end, neuron_end)

    def is_plain(self) -> bool:
        """Whether the block is as this class makes it with refractory neurons in one direction, and no hook listens.

        Only then do fused operators and compiled streams compute what calling the parts one after another does.
        """
        return self._is_made_with(*PLAIN_PARTS)

    def _is_made_with(self, *types: type[nn.Module]) -> bool:
        """Whether these are its parts behind a norm of its kinds, and no hook listens to any."""
        parts = self._modules.values()
        norm, *others = map(type, parts)
        is_made_so = norm in PLAIN_NORMS[self.norm_position] and tuple(others) == types
        return is_made_so and not are_watched((self, *parts))  # type: ignore[arg-type]

    def _fusible_neuron(self, x: Tensor) -> RefractoryLIF | None:
        """The neuron, if this block is the one that `spiking_block` computes."""
        parts = PLAIN_PARTS if self.backward_ssm is None else BIDIRECTIONAL_PARTS
        is_made_so = self._is_made_with(*parts)
        is_made_so = is_made_so and not (self._is_folded() and self.norm.training and torch.compiler.is_compiling())
        if x.dtype not in FUSED_DTYPES or not is_made_so:
            return None
        neuron: RefractoryLIF = self.neuron  # type: ignore[assignment]
        methods = {neuron.method, self.ssm.method, "auto" if self.backward_ssm is None else self.backward_ssm.method}
        return neuron if methods == {"auto"} else None

    def _is_folded(self) -> bool:
        """Whether the norm before S4D is a factor and a summand of every channel."""
        return self.norm_position == "pre" and isinstance(self.norm, BatchNorm)

    def _norm_inputs(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        if self.norm_position != "pre":
            return None, None
        if isinstance(self.norm, BatchNorm):
            return self.norm.folded(x, lengths)
        return in_dtype(self.norm.weight, x.dtype), in_dtype(self.norm.bias, x.dtype)  # type: ignore[arg-type]

    def _inputs(self, x: Tensor, neuron: tuple[Tensor, ...], lengths: Tensor | None) -> Inputs:
        """What `spiking_block` takes besides x and the state: everything in the dtype of x."""
        dtype, norm = x.dtype, self._norm_inputs(x, lengths)
        mixing = (in_dtype(self.mix.weight, dtype), in_dtype(self.mix.bias, dtype))
        back = (None,) * 3 if self.backward_ssm is None else self.backward_ssm.discrete(dtype)
        masks = (self.dropout.draw(x), self.dropout.draw(x))
        lengths = None if lengths is None else lengths.to(torch.int64)
        return Inputs(*norm, *self.ssm.discrete(dtype), *neuron, *mixing, *back, *masks, lengths)  # type: ignore[call-arg,arg-type]

    def activity(
        self, x: Tensor, state: BlockState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor, BlockState]:
        """y (batch, seqlen, d_model), spikes of valid steps (batch, neurons), and the state after the last step.

        The same bits as `outputs`, in one pass over memory where the block is a plain one or its like in both directions,
        on a compiled backend. With batch norm before S4D they are the same in inference, and up to rounding in training.
        """
        check_sequence("SpikingBlock", "x", x, channels=self.d_model)
        neuron = self._fusible_neuron(x)
        if neuron is None:
            y, spikes, end = self.outputs(x, state, lengths)
            return y, without_padding(spikes, lengths).abs().sum(dim=1), end
        return self._fused(neuron, x, state, lengths)

    def _fused(
        self, neuron: RefractoryLIF, x: Tensor, state: BlockState | None, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor, BlockState]:
        x = with_quiet_padding(x, lengths)
        self._check_state(state)
        before = self.init_state(x.shape[0]) if state is None else as_state("SpikingBlock", BlockState, state)
        parameters, neuron_state = neuron.operands(x, before.neuron)
        y, counts, (ssm_end, *neuron_end) = spiking_block(
            x,
            self._inputs(x, parameters, lengths),
            (self.ssm.checked(before.ssm, x), *neuron_state),
            reset=neuron.reset,
            surrogate=neuron.surrogate.name,
            scale=neuron.surrogate.value,
            gradient=neuron.gradient,
            norm="affine" if self._is_folded() else "layer",
        )
        y = normalised(self.norm, y, lengths) if self.norm_position == "post" else y
        return y, counts, BlockState(ssm_end, LIFState(*neuron_end))

    def forward(
        self,
        x: Tensor,
        state: BlockState | None = None,
        lengths: Tensor | None = None,
        spikes: list[Tensor] | None = None,
    ) -> tuple[Tensor, BlockState]:
        """y (batch, seqlen, d_model) and the state after the last step.

        Args: lengths: valid steps of a padded batch. spikes: a list to which the neuron's are added.
        """
        check_sequence("SpikingBlock", "x", x, channels=self.d_model)
        neuron = self._fusible_neuron(x) if spikes is None else None
        if neuron is not None:
            y, _, end = self._fused(neuron, x, state, lengths)
            return y, end
        y, fired, end = self._by_parts(x, state, lengths)
        if spikes is not None:
            spikes.append(fired)
        return y, end
