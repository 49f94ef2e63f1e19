"""Arguments on which the fused block is held against its operators in turn."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from longspike.kernels.spiking_block import Inputs
from longspike.kernels.spiking_block.operator import NUM_LEARNT
from operators import in_layout, lif_case, s4d_case

OPTIONS: dict[str, Any] = {"reset": "subtract", "surrogate": "atan", "scale": 1.3, "gradient": "full"}


class BlockCase(NamedTuple):
    """Arguments of a `spiking_block` call."""

    x: Tensor
    inputs: Inputs
    state: tuple[Tensor, Tensor, Tensor, Tensor]

    def leaves(self, dtype: torch.dtype | None = None) -> "BlockCase":
        """Copies that require gradients, the masks excepted; in `dtype` if one is given."""

        def leaf(x: Tensor) -> Tensor:
            return x.detach().to(dtype or x.dtype, copy=True).requires_grad_()

        masks = {"spike_scale": self.inputs.spike_scale, "output_scale": self.inputs.output_scale}
        held = {name: None if m is None else m.to(dtype or m.dtype) for name, m in masks.items()}
        inputs = Inputs(
            *(None if t is None else leaf(t) for t in self.inputs[:NUM_LEARNT]), **held, lengths=self.inputs.lengths
        )
        return BlockCase(leaf(self.x), inputs, tuple(leaf(s) for s in self.state))  # type: ignore[arg-type]

    def differentiable(self) -> dict[str, Tensor]:
        """What has a gradient, by name."""
        named = {"x": self.x} | dict(zip(Inputs._fields[:NUM_LEARNT], self.inputs[:NUM_LEARNT], strict=True))
        named |= dict(zip(("ssm_state", "v", "r", "spike"), self.state, strict=True))
        return {name: t for name, t in named.items() if t is not None}


def block_case(
    batch: int,
    seqlen: int,
    channels: int,
    n_pairs: int,
    *,
    dtype: torch.dtype = torch.float32,
    layout: str = "contiguous",
    has_norm: bool = True,
    has_dropout: bool = False,
    has_lengths: bool = False,
    is_bidirectional: bool = False,
) -> BlockCase:
    """Every channel another neuron and other poles; firing between a tenth and a half."""
    g = torch.Generator().manual_seed(11)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64).to(dtype)

    def mask() -> Tensor | None:
        kept = (torch.rand(batch, channels, generator=g) < 0.7).to(dtype) / 0.7
        return kept if has_dropout else None

    scan, neuron = (
        s4d_case(batch, seqlen, channels, n_pairs, dtype=dtype),
        lif_case(batch, seqlen, channels, dtype=dtype),
    )
    back = s4d_case(batch, seqlen, channels, n_pairs, dtype=dtype, seed=23)
    inputs = Inputs(
        1 + 0.3 * draw(channels) if has_norm else None,
        0.1 * draw(channels) if has_norm else None,
        scan.lam,
        0.2 * scan.c,
        scan.d,
        *neuron.parameters,
        0.3 * draw(2 * channels, channels),
        0.3 * draw(2 * channels),
        *((back.lam, 0.2 * back.c, back.d) if is_bidirectional else (None, None, None)),
        mask(),
        mask(),
        torch.randint(0, seqlen + 1, (batch,), generator=g) if has_lengths else None,
    )
    return BlockCase(in_layout(draw(batch, seqlen, channels), layout), inputs, (scan.state, *neuron.state))
