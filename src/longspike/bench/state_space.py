"""The diagonal state-space layer: compiled scan against FFT convolutions in PyTorch, kernel computation included."""

from collections.abc import Callable

import torch
from torch import Tensor

from longspike.bench.limits import FMA, fma_limit
from longspike.bench.neuron import forward_call, training_step
from longspike.bench.saved_memory import saved_bytes
from longspike.bench.tables import Table, rows_of
from longspike.bench.timing import Rounds, time_rounds, time_steps
from longspike.bench.torch_s4d import complex_fft_s4d, two_level_fft_s4d
from longspike.ssm.s4d import S4D

OURS, OUR_FFT, LONGEST_OUR_FFT = "longspike scan", "longspike FFT (state in and out)", 4096
PARTS = {  # part -> multiply-adds a complex pair and element, how they are counted
    "forward": (6, "6 a pair: lambda x + u is 4, Re(c x) is 2"),
    "backward alone": (17, "17 a pair: the states again 4, their adjoints 6, gradients of u 1, c 2, lambda 4"),
    "training step": (23, "23 a pair: 6 forward, 17 backward"),
}


def layers(channels: int, d_state: int) -> dict[str, Callable[[Tensor], Tensor]]:
    """One layer in four forms that share their parameters."""
    scan, fft = S4D(channels, d_state=d_state, method="auto"), S4D(channels, d_state=d_state, method="fft")
    fft.load_state_dict(scan.state_dict())
    return {
        OURS: lambda u: scan(u)[0],
        OUR_FFT: lambda u: fft(u)[0],
        "torch: two-level kernel + FFT": lambda u: two_level_fft_s4d(scan, u),
        "torch: complex kernel + FFT": lambda u: complex_fft_s4d(scan, u),
    }


def bench_state_space(shape: tuple[int, int, int], rounds: Rounds, *, d_state: int = 64) -> list[Table]:
    """Time S4D at (batch, seqlen, channels), float32: forward, backward alone (all gradients), training step."""
    candidates, elements = layers(shape[2], d_state), shape[0] * shape[1] * shape[2]
    remarks = []
    if shape[1] > LONGEST_OUR_FFT:
        del candidates[OUR_FFT]
        remarks.append(f"{OUR_FFT}, the way without a compiler, is left out above {LONGEST_OUR_FFT} steps: too slow.")
    x, grad = torch.randn(shape), torch.randn(shape)
    kept = {}
    for name, layer in candidates.items():
        rounds.tell(f"memory of {name}")
        leaf = x.detach().requires_grad_()
        kept[name] = saved_bytes(lambda run=layer, leaf=leaf: run(leaf), beside=(leaf,)) / elements  # type: ignore[misc]
    limits = fma_limit()
    forward = {name: limit.run for name, limit in limits.items()}
    steps = {name: limit.as_step() for name, limit in limits.items()}
    forward |= {name: forward_call(layer, x) for name, layer in candidates.items()}
    steps |= {name: training_step(layer, x, grad) for name, layer in candidates.items()}
    timings = (time_rounds(forward, rounds.within("forward")), *time_steps(steps, rounds.within("training step")))
    return [
        Table(
            what="ssm",
            title=f"S4D, {part}",
            setting=f"(batch, seqlen, channels) = {shape}, N = {d_state}, float32, kernel computation included",
            counted=f"multiply-adds (2 operations each) of the recurrence per element and complex pair: {counted}",
            unit="GFLOP/s",
            rows=rows_of(
                part_timings,
                elements=elements,
                ours=OURS,
                work={
                    OURS: float(2 * fmas * d_state // 2 * elements),
                    **{name: limit.work for name, limit in limits.items()},
                },
                limit=FMA,
                kept=kept if part == "training step" else {},
            ),
            remarks=remarks,
        )
        for part_timings, (part, (fmas, counted)) in zip(timings, PARTS.items(), strict=True)
    ]
