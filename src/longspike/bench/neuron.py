"""The neuron against other libraries and against the memory's speed: forward, backward alone, training step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from longspike.bench.baselines import BASELINES, Neuron
from longspike.bench.limits import COPY, TRIAD, memory_limits
from longspike.bench.saved_memory import saved_bytes
from longspike.bench.tables import Table, rows_of
from longspike.bench.timing import Rounds, Step, time_rounds, time_steps

OURS = "longspike"
COPY_TRIAD = "limit: copy NT, then triad NT"
PARTS = {  # part -> its limit, bytes per element, how they are counted
    "forward": (COPY, 8, "8 bytes per element: the current read, the spikes written"),
    "backward alone": (
        TRIAD,
        12,
        "12 bytes per element: current and gradient of the spikes read, gradient of the current written",
    ),
    "training step": (COPY_TRIAD, 20, "20 bytes per element: 8 forward, 12 backward"),
}


def forward_call(function: Callable[[Tensor], Any], x: Tensor) -> Callable[[], Any]:
    """A forward pass without autograd."""

    def run() -> Any:
        with torch.no_grad():
            return function(x)

    return run


def training_step(function: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor) -> Step:
    """A forward pass and the backward pass from `grad`, which writes the gradient of `x`."""
    leaf = x.detach().requires_grad_()

    def forward() -> Tensor:
        leaf.grad = None
        return function(leaf)

    return Step(forward, lambda y: y.backward(grad))


def _peers(shape: tuple[int, int, int], rounds: Rounds) -> tuple[dict[str, Any], list[str]]:
    """name -> (neuron, input, gradient), each library in its own layout, and a sentence for each that is missing."""
    x, grad = torch.randn(shape) * 0.25 + 0.12, torch.randn(shape)
    layouts = {True: (x, grad), False: (x.transpose(0, 1).contiguous(), grad.transpose(0, 1).contiguous())}
    found, skipped = {}, []
    for name, (factory, is_batch_first) in BASELINES.items():
        rounds.tell(f"loading {name}")
        try:
            neuron: Neuron = factory()
        except ImportError as error:
            skipped.append(f"{name} was skipped: not installed ({error}).")
            continue
        found[name] = (neuron, *layouts[is_batch_first])
    return found, skipped


def bench_neuron(shape: tuple[int, int, int], rounds: Rounds) -> list[Table]:
    """Time the neuron at (batch, seqlen, channels), float32; each library in its own layout, none in a foreign one.

    The limits of the same round: a copy for the forward pass, a triad for the backward pass, both one after the other for
    the training step. A candidate whose library is not installed is skipped and named.
    """
    peers, remarks = _peers(shape, rounds)
    elements = shape[0] * shape[1] * shape[2]
    rates, kept = {}, {}
    for name, (neuron, x, _) in peers.items():
        rounds.tell(f"memory of {name}")
        rates[name] = float(forward_call(neuron, x)().mean())
        leaf = x.detach().requires_grad_()
        kept[name] = saved_bytes(lambda run=neuron, leaf=leaf: run(leaf), beside=(leaf,)) / elements  # type: ignore[misc]
    limits = memory_limits(4 * elements, (COPY, TRIAD))
    forward = {name: limit.run for name, limit in limits.items() if name == COPY}
    steps = {COPY_TRIAD: Step(limits[COPY].run, lambda _: limits[TRIAD].run())} if limits else {}
    forward |= {name: forward_call(neuron, x) for name, (neuron, x, _) in peers.items()}
    steps |= {name: training_step(*peer) for name, peer in peers.items()}
    backward, training = time_steps(steps, rounds.within("training step"))
    backward = [replace(t, name=TRIAD) if t.name == COPY_TRIAD else t for t in backward]
    timings = (time_rounds(forward, rounds.within("forward")), backward, training)
    remarks += [
        "Spikes per position: " + ", ".join(f"{name} {rate:.4f}" for name, rate in rates.items()) + ".",
        "Kept for the backward pass: beside the input (4 bytes per element), every storage once.",
    ]
    return [
        Table(
            what="neuron",
            title=f"neuron, {part}",
            setting=f"(batch, seqlen, channels) = {shape}, float32",
            counted=counted,
            unit="GB/s",
            rows=rows_of(
                part_timings,
                elements=elements,
                ours=OURS,
                work=dict.fromkeys((limit, *peers), num_bytes * elements),
                limit=limit,
                kept=kept if limit == COPY_TRIAD else {},
            ),
            remarks=remarks if limit == COPY_TRIAD else [],
        )
        for part_timings, (part, (limit, num_bytes, counted)) in zip(timings, PARTS.items(), strict=True)
    ]
