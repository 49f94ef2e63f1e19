"""Compiles Triton kernels for a GPU that is not there: every launch on CPU tensors becomes machine code and nothing runs.

Triton's interpreter knows no types, so what it accepts may still not compile. Run as a script with the name of a function of
this file, without TRITON_INTERPRET.
"""

import sys
from typing import Any

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

HOPPER = GPUTarget("cuda", 90, 32)
TYPES = {torch.float32: "*fp32", torch.float64: "*fp64", torch.int64: "*i64", torch.int32: "*i32", torch.bool: "*i1"}
compiled: list[str] = []


def compile_launch(kernel: JITFunction, *args: Any, grid: Any, warmup: bool, **options: Any) -> None:
    """What a launch would compile."""
    names = {p.name for p in kernel.params}
    values = dict(zip(kernel.arg_names, args, strict=False)) | {k: v for k, v in options.items() if k in names}
    signature, constants = {}, {}
    for parameter in kernel.params:
        value = values[parameter.name]
        is_constant = parameter.is_constexpr or value is None
        if is_constant:
            constants[parameter.name] = value
        signature[parameter.name] = (
            "constexpr" if is_constant else TYPES[value.dtype] if isinstance(value, Tensor) else "i32"
        )
    rest = {k: v for k, v in options.items() if k not in names}
    triton.compile(ASTSource(fn=kernel, signature=signature, constexprs=constants), target=HOPPER, options=rest)
    compiled.append(kernel.__name__)


def sa_hippo() -> None:
    """The memory's kernels."""
    from longspike.kernels.sa_hippo import triton_adjoint, triton_recurrent, triton_starts
    from sa_hippo_cases import memory, start, ticks

    layer = memory("rank 3", 6, 4, 3, torch.float32)
    u, delta, offsets = ticks(6, torch.float32, (0, 5))
    gaps, index = torch.unique(delta, return_inverse=True)
    shared = (index, offsets, layer.tables(gaps, torch.float32).detach(), layer.dynamics(torch.float32).r.detach())
    values = (u, *shared, layer.C.detach(), layer.D.detach())
    y, end, checkpoints = triton_recurrent.forward(*values, start(layer, 1), True)
    triton_adjoint.backward(*values, y, end, checkpoints)
    carried, checkpoints = triton_recurrent.transitions(*shared, True)
    triton_adjoint.transitions_backward(*shared, carried, checkpoints)
    for is_backward in (False, True):
        triton_starts._launch(
            torch.ones(2, 3, 4, 4), torch.ones(2, 3, 4, 5), torch.ones(1, 3, 4, 5), offsets, is_backward
        )


def dendrite() -> None:
    """Chains of rows, dense sequences, pooling."""
    from dendrites import Geometry, conv_case
    from longspike.kernels.dendrite import triton_adjoint, triton_chains, triton_pool
    from longspike.kernels.dendrite.arguments import Chains

    case = conv_case(2, 3, 2, [6, 4], Geometry((3, 2), 2, 1, 0))
    pairs = (case.plan.pair_offsets, case.plan.pair_input, case.plan.pair_tap)
    offsets = case.plan.chain_offsets
    values, weight, rate, rate_soma, g, i, v = (x.float() for x in case[:7])
    rates, rows = torch.cat([rate, rate_soma.reshape(1)]), weight.new_zeros((int(offsets[-1]), 2, 3))
    for call, surrogate in (
        (Chains(values, weight, rates, g, None, None, case.gap, offsets, pairs, 0.8), "triangle"),
        (Chains(None, rows, rates, g, i, v, None, offsets, None, 0.8), "fast_sigmoid"),
    ):
        membrane, *end = triton_chains.forward(call, keeps_state=call.i0 is not None)
        grad_end = tuple(end) if call.i0 is not None else (None, None)
        options = {"surrogate": surrogate, "scale": 1.3, "wants_values": False}
        triton_adjoint.backward(call, membrane, membrane, grad_end, **options)
    y, position = triton_pool.forward(rows[:, 0], offsets, torch.arange(len(rows)))
    triton_pool.backward(y, position, offsets, torch.arange(len(rows)))


def refractory_lif() -> None:
    """The neuron: sequential, chunks, repair, adjoint with the slope that needs most."""
    from longspike.kernels.refractory_lif import triton_backward, triton_forward, triton_speculative
    from operators import lif_case

    case = lif_case(2, 20, 3)
    spikes, state, checkpoints, _ = triton_forward.forward(*case, "subtract")
    triton_speculative.forward(*case, "zero")
    triton_backward.backward(
        case.current, spikes, state, case.parameters, checkpoints,
        reset="subtract", surrogate="sigmoid", scale=4.0, gradient="full", wants_parameters=True,
    )  # fmt: skip


def s4d() -> None:
    """The scan, its two backward passes, and the scan with the neuron behind it."""
    from longspike.kernels.s4d_lif import triton_forward as fused
    from longspike.kernels.s4d_scan import triton_backward, triton_forward
    from operators import lif_case, s4d_case

    case, neuron = s4d_case(2, 20, 3, 9), lif_case(2, 20, 3)
    y, end = triton_forward.forward(*case)
    triton_backward.backward(case.u, y, end, *case[1:])
    fused.forward(case.u, case[1:4], case.state, neuron.parameters, neuron.state, "subtract", True)


if __name__ == "__main__":
    JITFunction.run = compile_launch
    globals()[sys.argv[1]]()
    print(len(compiled), "compiled")
