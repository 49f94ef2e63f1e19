"""The tensors of a call of the dendritic neuron, and what they must be."""

from typing import NamedTuple

import torch
from torch import Tensor

from longspike._core.checks import check_offsets
from longspike.kernels._arguments import expect, expect_indices

REMEDY = "Take it from dendrite_plan."


class Chains(NamedTuple):
    """A call's tensors: `pairs` is (pair_offsets, pair_input, pair_tap), or None for a dense drive in `weight`."""

    values: Tensor | None  # (inputs, c_in)
    weight: Tensor  # (taps, c_in, branches, channels), or the drive (rows, branches, channels)
    rate: Tensor  # (branches + 1), the last is the soma's
    g: Tensor  # (branches)
    i0: Tensor | None  # (chains, branches, channels)
    v0: Tensor | None  # (chains, channels)
    gap: Tensor | None  # (rows) int64, None: 1
    chain_offsets: Tensor  # (chains + 1) int64
    pairs: tuple[Tensor, Tensor, Tensor] | None
    threshold: float

    @property
    def stem(self) -> str:
        """The operator's name."""
        return "dendritic_lif" if self.is_dense else "dendritic_conv"

    @property
    def is_dense(self) -> bool:
        """Whether there are no pairs."""
        return self.pairs is None

    def sizes(self) -> tuple[int, ...]:
        """inputs, c_in, taps, branches, channels, rows, chains."""
        branches, channels = self.weight.shape[-2:]
        chains = self.chain_offsets.numel() - 1
        if self.values is None or self.gap is None:
            return 0, 0, 0, branches, channels, self.weight.shape[0], chains
        return *self.values.shape, self.weight.shape[0], branches, channels, self.gap.numel(), chains


def fitting(where: str, call: Chains) -> Chains:
    """The call with contiguous tensors; raise unless their shapes fit. What offsets and indices hold is not read."""
    _, c_in, taps, branches, channels, rows, chains = call.sizes()
    shapes: dict[str, tuple[Tensor, tuple[int, ...]]]
    shapes = {"rate": (call.rate, (branches + 1,)), "g": (call.g, (branches,))}
    if call.i0 is not None and call.v0 is not None:
        shapes |= {"i": (call.i0, (chains, branches, channels)), "v": (call.v0, (chains, channels))}
    if call.values is not None:
        shapes["values"] = (call.values, (call.values.shape[0], c_in))
        shapes["weight"] = (call.weight, (taps, c_in, branches, channels))
    expect(where, call.weight, **shapes)
    if call.pairs is not None:
        offsets, pair_input, pair_tap = call.pairs
        expect(where, offsets, pair_offsets=(offsets, (rows + 1,)), pair_input=(pair_input, tuple(pair_tap.shape)))
    held = [x.contiguous() if isinstance(x, Tensor) else x for x in call[:8]]
    pairs = None if call.pairs is None else tuple(x.contiguous() for x in call.pairs)
    return Chains(*held, pairs, call.threshold)  # type: ignore[arg-type, call-arg]


def checked(where: str, call: Chains) -> Chains:
    """The call with contiguous tensors; raise unless their shapes fit and what offsets and indices hold, which is read."""
    call = fitting(where, call)
    inputs, _, taps, _, _, rows, _ = call.sizes()
    if call.pairs is not None:
        offsets, pair_input, pair_tap = call.pairs
        pairs = pair_input.numel()
        expect_indices(where, "pair_input", pair_input, inputs, remedy=REMEDY)
        expect_indices(where, "pair_tap", pair_tap, taps, torch.int32, remedy=REMEDY)
        check_offsets(where, "chain_offsets", call.chain_offsets, rows, f"{rows}, the number of rows", remedy=REMEDY)
        check_offsets(where, "pair_offsets", offsets, pairs, f"{pairs}, the number of pairs", remedy=REMEDY)
    return call


def dense(drive: Tensor, rate: Tensor, g: Tensor, i: Tensor, v: Tensor, threshold: float) -> Chains:
    """The chains of a dense drive (batch, seqlen, branches, channels): one a sample, a row a step."""
    batch, seqlen, branches, channels = drive.shape
    chain_offsets = torch.arange(batch + 1, device=drive.device) * seqlen
    rows = drive.reshape(batch * seqlen, branches, channels)
    return Chains(None, rows, rate, g, i, v, None, chain_offsets, None, threshold)


def expect_groups(x: Tensor, group_rows: Tensor) -> None:
    """Raise unless the rows to pool exist."""
    expect_indices("segment_max", "group_rows", group_rows, x.shape[0], remedy="Take it from pool_plan.")


def fitting_gradients(
    where: str, call: Chains, membrane: Tensor, grad_membrane: Tensor, grad_end: tuple[Tensor | None, Tensor | None]
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """What a backward pass takes besides the call, contiguous; raise unless the shapes fit."""
    branches, channels, rows, chains = call.sizes()[3:]
    shapes: dict[str, tuple[Tensor, tuple[int, ...]]]
    shapes = {"membrane": (membrane, (rows, channels)), "grad_membrane": (grad_membrane, (rows, channels))}
    wanted = {"grad_i": (grad_end[0], (chains, branches, channels)), "grad_v": (grad_end[1], (chains, channels))}
    shapes |= {name: (x, shape) for name, (x, shape) in wanted.items() if x is not None}
    expect(where, call.weight, **shapes)
    kept = (x if x is None else x.contiguous() for x in (membrane, grad_membrane, *grad_end))
    return tuple(kept)  # type: ignore[return-value]
