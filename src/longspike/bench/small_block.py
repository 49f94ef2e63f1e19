"""A block as networks for a CPU have it, few channels and few poles, in one direction and in both, against the multiply-adds
that it cannot do without."""

import itertools
from collections.abc import Callable
from typing import Any

import torch

from longspike.bench.block import RATE, firing_block
from longspike.bench.limits import FMA, fma_limit
from longspike.bench.neuron import forward_call, training_step
from longspike.bench.tables import Table, rows_of
from longspike.bench.timing import Rounds, Step, time_rounds, time_steps

D_STATES = (4, 16, 64)
WAYS = {"": 1, ", both directions": 2}
COUNTED = {
    "inference": "6 a complex pair and direction, 2 a channel that fires",
    "training step": "23 a complex pair and direction, 4 a channel that fires, 2 a channel for the gradient of the spikes",
}


def multiply_adds(part: str, channels: int, pairs: int, rate: float) -> float:
    """Multiply-adds an element: the scans', the mixing's at the firing rate, backward a dense product."""
    fired = 2 * channels * rate
    return 6 * pairs + fired if part == "inference" else 23 * pairs + 2 * fired + 2 * channels


def bench_small_block(shape: tuple[int, int, int], rounds: Rounds) -> list[Table]:
    """Time a SpikingBlock of three state sizes at (batch, seqlen, channels), float32, firing about 8 %, without twins.

    One that reads in both directions is held against the one of its state size that reads in one.
    """
    x, grad = torch.randn(shape), torch.randn(shape)
    limits, elements = fma_limit(), x.numel()
    forward: dict[str, Callable[[], Any]] = {name: limit.run for name, limit in limits.items()}
    steps: dict[str, Step] = {name: limit.as_step() for name, limit in limits.items()}
    rates: dict[str, tuple[int, float]] = {}
    for d_state, (suffix, ways) in itertools.product(D_STATES, WAYS.items()):
        name = f"N = {d_state}{suffix}"
        rounds.tell(f"threshold of {name}")
        block, rate = firing_block(x[:1], d_state=d_state, is_bidirectional=ways == 2)
        rates[name] = (ways * d_state // 2, rate)
        forward[name] = forward_call(lambda x, block=block: block(x)[0], x)  # type: ignore[misc]
        steps[name] = training_step(lambda x, block=block: block(x)[0], x, grad)  # type: ignore[misc]
    timings = {
        "inference": time_rounds(forward, rounds.within("inference")),
        "training step": time_steps(steps, rounds.within("training step"))[1],
    }
    return [
        Table(
            what="small-block",
            title=f"small block, {part}",
            setting=f"(batch, seqlen, channels) = {shape}, float32; about {100 * RATE:g} % of the neurons fire",
            counted=f"multiply-adds (2 operations each) an element: {COUNTED[part]}",
            unit="GFLOP/s",
            rows=rows_of(
                part_timings,
                elements=elements,
                ours={name: name.partition(",")[0] for name in rates},
                work={name: limit.work for name, limit in limits.items()}
                | {name: 2.0 * elements * multiply_adds(part, shape[2], *of) for name, of in rates.items()},
                limit=FMA,
            ),
            remarks=["Times ours: a block in both directions over the one of its N in one direction."],
        )
        for part, part_timings in timings.items()
    ]
