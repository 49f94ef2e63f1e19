"""A whole block at a realistic firing rate, against its GELU twins: the price or gain of spikes, layer for layer."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from longspike.bench.neuron import forward_call, training_step
from longspike.bench.saved_memory import saved_bytes
from longspike.bench.tables import Table, rows_of
from longspike.bench.timing import Rounds, time_rounds, time_steps
from longspike.bench.torch_s4d import complex_fft_s4d, two_level_fft_s4d
from longspike.layers.block import SpikingBlock
from longspike.ssm.s4d import S4D

OURS = "longspike block"
RATE, RATE_ERROR = 0.08, 0.001
LOW, HIGH = -5.0, 5.0  # logarithms of the threshold between which it is searched


class GeluBlock(nn.Module):
    """x + GLU(W GELU(ssm(LayerNorm(x))) + b): the same block without spikes, in torch operators but for `convolve`."""

    def __init__(self, ssm: S4D, convolve: Callable[[S4D, Tensor], Tensor]) -> None:
        super().__init__()
        self.norm, self.ssm, self.convolve = nn.LayerNorm(ssm.d_model), ssm, convolve
        self.mix = nn.Linear(ssm.d_model, 2 * ssm.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, seqlen, d_model) -> the same."""
        hidden = torch.nn.functional.gelu(self.convolve(self.ssm, self.norm(x)))
        return x + torch.nn.functional.glu(self.mix(hidden), dim=-1)


def firing_block(x: Tensor, *, d_state: int, is_bidirectional: bool = False) -> tuple[SpikingBlock, float]:
    """A block whose threshold is chosen so that about 8 % of its neurons fire on `x`, and the rate it has."""
    block = SpikingBlock(x.shape[2], d_state=d_state, is_bidirectional=is_bidirectional)
    low, high = LOW, HIGH
    with torch.no_grad():
        for _ in range(30):
            middle = (low + high) / 2
            block.neuron.log_threshold.fill_(middle)  # type: ignore[operator, union-attr]
            rate = float(block.outputs(x)[1].mean())
            if abs(rate - RATE) < RATE_ERROR:
                break
            low, high = (middle, high) if rate > RATE else (low, middle)
    return block, rate


def bench_block(shape: tuple[int, int, int], rounds: Rounds, *, d_state: int = 64) -> list[Table]:
    """Time a SpikingBlock and GELU blocks of the same sizes at (batch, seqlen, channels), float32.

    The twins share the state-space layer's parameters with the block.
    """
    x, grad = torch.randn(shape), torch.randn(shape)
    block, _ = firing_block(x[:1], d_state=d_state)
    twins = {
        "GELU twin, torch (two-level FFT)": two_level_fft_s4d,
        "GELU twin, torch (complex FFT)": complex_fft_s4d,
        "GELU twin on our scan": lambda ssm, z: ssm(z)[0],
    }
    candidates: dict[str, Callable[[Tensor], Tensor]] = {OURS: lambda x: block(x)[0]}
    candidates |= {name: GeluBlock(block.ssm, convolve) for name, convolve in twins.items()}
    elements, kept = x.numel(), {}
    for name, run in candidates.items():
        rounds.tell(f"memory of {name}")
        leaf = x.detach().requires_grad_()
        kept[name] = saved_bytes(partial(run, leaf), beside=(leaf,)) / elements
    forward = {name: forward_call(run, x) for name, run in candidates.items()}
    steps = {name: training_step(run, x, grad) for name, run in candidates.items()}
    timings = {
        "inference": time_rounds(forward, rounds.within("inference")),
        "training step": time_steps(steps, rounds.within("training step"))[1],
    }
    with torch.no_grad():
        fired = float(block.outputs(x)[1].mean())
    return [
        Table(
            what="block",
            title=f"block, {part}",
            setting=f"(batch, seqlen, channels) = {shape}, N = {d_state}, float32; {100 * fired:.1f} % of the neurons fire",
            counted="the twins have the same sizes: LayerNorm, S4D, GELU in place of the neuron, Linear, GLU, residual",
            rows=rows_of(
                part_timings,
                elements=elements,
                ours=OURS,
                kept=kept if part == "training step" else {},
            ),
        )
        for part, part_timings in timings.items()
    ]
