"""The mixing behind the neuron, which skips silent inputs, against a dense product, by firing rate."""

from collections.abc import Callable

import torch
from torch import Tensor

from longspike.bench.limits import FMA, fma_limit
from longspike.bench.neuron import forward_call, training_step
from longspike.bench.tables import Table, rows_of
from longspike.bench.timing import Rounds, time_rounds, time_steps
from longspike.layers.linear import SpikeLinear

RATES = (0.01, 0.02, 0.05, 0.08, 0.10, 0.20, 0.40)
PARTS = {"forward": 1, "training step": 3}  # part -> dense products: outputs; gradients of inputs and weights


def bench_mixing(shape: tuple[int, int, int], rounds: Rounds) -> list[Table]:
    """Time `SpikeLinear(channels, 2 channels)` and torch.nn.functional.linear on the same spikes, float32."""
    inputs, outputs = shape[2], 2 * shape[2]
    layer = SpikeLinear(inputs, outputs)
    candidates: dict[str, Callable[[Tensor], Tensor]] = {
        "longspike": layer,
        "torch linear": lambda x: torch.nn.functional.linear(x, layer.weight, layer.bias),
    }
    limits = fma_limit()
    forward = {name: limit.run for name, limit in limits.items()}
    steps = {name: limit.as_step() for name, limit in limits.items()}
    ours, grad = {}, torch.randn(*shape[:2], outputs)
    for rate in RATES:
        spikes = (torch.rand(shape) < rate).float()
        for name, run in candidates.items():
            at_rate = f"{name}, {100 * rate:g} %"
            ours[at_rate] = f"longspike, {100 * rate:g} %"
            forward[at_rate] = forward_call(run, spikes)
            steps[at_rate] = training_step(run, spikes, grad)
    rows = shape[0] * shape[1]
    timings = (time_rounds(forward, rounds.within("forward")), time_steps(steps, rounds.within("training step"))[1])
    return [
        Table(
            what="mixing",
            title=f"mixing by set bits, {part}",
            setting=f"{rows} rows of {inputs} spikes to {outputs} features, float32, at seven firing rates",
            counted=f"operations of the dense product, 2 times inputs times outputs, {products} of them; "
            "silent inputs count as if they were computed",
            unit="GFLOP/s, as if dense",
            rows=rows_of(
                part_timings,
                elements=rows * inputs,
                ours=ours,
                work={
                    **dict.fromkeys(ours, 2.0 * products * rows * inputs * outputs),
                    **{name: limit.work for name, limit in limits.items()},
                },
                limit=FMA,
            ),
        )
        for part_timings, (part, products) in zip(timings, PARTS.items(), strict=True)
    ]
