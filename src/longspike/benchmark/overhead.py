"""What a call costs before it computes anything: operators and modules on one step of a few channels."""

from collections.abc import Callable

import torch
from torch import Tensor

from longspike.benchmark.timing import Timing, time_rounds
from longspike.functional import refractory_lif
from longspike.kernels.mixing import glu, linear
from longspike.kernels.refractory_lif import refractory_lif_op
from longspike.kernels.tick import layer_norm
from longspike.layers.block import SpikingBlock
from longspike.ssm.s4d import S4D

LIMIT = "linear (torch)"
CHANNELS = 16


def _candidates(x: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Calls on x (1, 1, CHANNELS); each returns its output."""
    weight, row = torch.randn(CHANNELS, CHANNELS), torch.randn(CHANNELS)
    pair = torch.randn(1, 1, 2 * CHANNELS, requires_grad=x.requires_grad)
    dynamics = [torch.full((CHANNELS,), value) for value in (0.9, 1.0, 0.5, 0.5)]
    silence = [torch.zeros(1, CHANNELS) for _ in range(3)]
    options = ("subtract", "triangle", 1.0, "full", "auto")
    ssm, block = S4D(CHANNELS, d_state=16), SpikingBlock(CHANNELS, d_state=16)
    ssm_state, block_state = ssm.init_state(1), block.init_state(1)
    step = torch.randn(1, CHANNELS, requires_grad=x.requires_grad)
    return {
        LIMIT: lambda: torch.nn.functional.linear(x, weight, row),
        "linear": lambda: linear(x, weight, row),
        "glu": lambda: glu(pair),
        "layer_norm": lambda: layer_norm(x, row, row),
        "refractory_lif operator": lambda: refractory_lif_op(x, *dynamics, *silence, *options)[0],
        "refractory_lif": lambda: refractory_lif(x, beta=0.9)[0],
        "S4D.step": lambda: ssm.step(step, ssm_state)[0],
        "SpikingBlock.step": lambda: block.step(step, block_state)[0],
    }


def _repeated(call: Callable[[], Tensor], calls: int, *, trains: bool) -> Callable[[], None]:
    def forward() -> None:
        with torch.no_grad():
            for _ in range(calls):
                call()

    def forward_and_backward() -> None:
        grad = torch.ones_like(call())
        for _ in range(calls):
            call().backward(grad)

    return forward_and_backward if trains else forward


def bench_overhead(
    *,
    trains: bool = False,
    rounds: int = 9,
    calls: int = 200,
    on_progress: Callable[[str], None] = lambda name: None,
) -> list[Timing]:
    """Time of one call on a tensor (1, 1, 16), float32, on one thread: `calls` in a row, `rounds` times.

    Args:
        trains: forward and backward instead of forward alone.

    Example:
        >>> timings = bench_overhead(rounds=1, calls=2)
        >>> timings[0].name
        'linear (torch)'
    """
    x = torch.randn(1, 1, CHANNELS, requires_grad=trains)
    candidates: dict[str, Callable[[], object]] = {
        name: _repeated(call, calls, trains=trains) for name, call in _candidates(x).items()
    }
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        timings = time_rounds(candidates, rounds=rounds, on_progress=on_progress)
    finally:
        torch.set_num_threads(threads)
    return [Timing(t.name, tuple(seconds / calls for seconds in t.seconds)) for t in timings]
