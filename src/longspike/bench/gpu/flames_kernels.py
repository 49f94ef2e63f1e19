"""Parity of FLAMES' Triton kernels with their references; through Triton's interpreter where there is no GPU."""

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from longspike.kernels.dendrite import DendritePlan, dendrite_plan, pool_plan
from longspike.kernels.dendrite import reference as dendrite_reference
from longspike.kernels.dendrite.arguments import Chains
from longspike.kernels.sa_hippo import reference as sa_hippo_reference
from longspike.nn import SAHippo


class MemorySize(NamedTuple):
    """A memory and the lengths of its samples."""

    d_model: int = 48
    d_state: int = 64
    rank: int = 8
    num_heads: int = 3
    lengths: tuple[int, ...] = (150, 0, 181, 1)


class FrontSize(NamedTuple):
    """A dendritic convolution and the number of its inputs per sample."""

    branches: int = 16
    channels: int = 32
    grid: tuple[int, int] = (31, 27)
    counts: tuple[int, ...] = (900, 0, 700)


def relative(got: Tensor, expected: Tensor) -> float:
    """The largest error, relative to the largest number expected."""
    if not expected.numel():
        return 0.0
    expected = expected.detach().double()
    worst = (got.detach().cpu().double() - expected).abs().max()
    return float(worst / expected.abs().max().clamp(min=1e-30))


def _memory_case(size: MemorySize) -> list[Tensor]:
    """u, index, offsets, tables, r, c, d and state in float64 on the CPU; gaps of 1 to 8 steps."""
    torch.manual_seed(0)
    layer = SAHippo(size.d_model, d_state=size.d_state, rank=size.rank, num_heads=size.num_heads).double()
    offsets = torch.tensor([0, *size.lengths]).cumsum(0)
    index = torch.randint(0, 8, (int(offsets[-1]),))
    tables = layer.tables(torch.arange(1, 9), torch.float64).detach()
    state = torch.randn(layer.init_state(len(size.lengths)).shape).double()
    u = torch.randn(len(index), size.d_model).double()
    shared = [x.detach() for x in (layer.dynamics(torch.float64).r, layer.C, layer.D)]
    return [u, index, offsets, tables, *shared, state]


def memory_kernels(device: torch.device, size: MemorySize | None = None) -> dict[str, Any]:
    """Errors of outputs and gradients against the loop in float64, and whether pieces have the bits of the whole."""
    from longspike.kernels.sa_hippo import triton_adjoint, triton_chunked, triton_recurrent

    case = _memory_case(size or MemorySize())
    leaves = [x.clone().requires_grad_() if x.is_floating_point() else x for x in case]
    wanted = [x for x in leaves if x.requires_grad]
    y, end = sa_hippo_reference.forward(*leaves)  # type: ignore[arg-type]
    grads = torch.autograd.grad(y.sin().sum() + end.sum(), wanted)
    found: dict[str, Any] = {}
    for dtype in (torch.float64, torch.float32):
        ours = [x.to(device, dtype) if x.is_floating_point() else x.to(device) for x in case]
        name = f"sa_hippo {str(dtype).removeprefix('torch.')}"
        z, last, checkpoints = triton_recurrent.forward(*ours, True)
        got = triton_adjoint.backward(*ours[:7], z.cos(), torch.ones_like(last), checkpoints)
        chunked = triton_chunked.forward(*ours)
        found[f"{name} recurrent: output and state"] = max(relative(z, y), relative(last, end))
        found[f"{name} recurrent: gradients"] = max(relative(a, b) for a, b in zip(got, grads, strict=True))
        found[f"{name} chunked: output and state"] = max(relative(chunked[0], y), relative(chunked[1], end))
        again = triton_adjoint.backward(*ours[:7], z.cos(), torch.ones_like(last), checkpoints)
        found[f"{name} recurrent: gradients twice with the same bits, all but the tables'"] = all(
            torch.equal(a, b) for k, (a, b) in enumerate(zip(got, again, strict=True)) if k != 1
        )
        found[f"{name} recurrent: pieces with the bits of the whole"] = _pieces_are_the_whole(ours)
    return found


def _pieces_are_the_whole(arguments: list[Tensor]) -> bool:
    from longspike.kernels.sa_hippo import triton_recurrent

    u, index, offsets, *rest, state = arguments
    length, state = int(offsets[1]), state[:1]
    whole = lambda n: torch.tensor([0, n], device=u.device)  # noqa: E731
    y, end, _ = triton_recurrent.forward(u[:length], index[:length], whole(length), *rest, state, False)
    parts = []
    for first, last in pairwise((0, 1, length // 2, length)):
        own = slice(first, last)
        part, state, _ = triton_recurrent.forward(u[own], index[own], whole(last - first), *rest, state, True)
        parts.append(part)
    return torch.equal(torch.cat(parts), y) and torch.equal(state, end)


def some_chains(size: FrontSize) -> tuple[Chains, DendritePlan]:
    """Random inputs on a grid, their plan, and neurons that fire now and then; float64, on the CPU."""
    torch.manual_seed(0)
    n, steps = sum(size.counts), 200
    step = torch.cat([torch.randint(0, steps, (k,)).sort().values for k in size.counts])
    x, y = (torch.randint(0, side, (n,), dtype=torch.int32) for side in size.grid)
    offsets = torch.tensor([0, *size.counts]).cumsum(0)
    values = torch.nn.functional.one_hot(torch.randint(0, 2, (n,)), 2).double()
    active = torch.ones(n, dtype=torch.bool)
    plan = dendrite_plan(step, x, y, active, offsets, grid_size=size.grid, kernel=3, stride=2, padding=1)
    gap = torch.randint(1, 9, plan.row_step.shape)
    weight = torch.randn(9, 2, size.branches, size.channels).double()
    rate, g = 0.02 + 0.3 * torch.rand(size.branches + 1).double(), torch.rand(size.branches).double() / size.branches
    chains = plan.chain_offsets.numel() - 1
    state = torch.randn(chains, size.branches, size.channels).double(), torch.randn(chains, size.channels).double()
    pairs = (plan.pair_offsets, plan.pair_input, plan.pair_tap)
    return Chains(values, weight, rate, g, *state, gap, plan.chain_offsets, pairs, 1.0), plan


def moved(call: Chains, device: torch.device, dtype: torch.dtype) -> Chains:
    """The call on a device; floats in `dtype`."""
    place = lambda x: x.to(device, dtype) if x.is_floating_point() else x.to(device)  # noqa: E731
    held = [place(x) if isinstance(x, Tensor) else x for x in call[:8]]
    return Chains(*held, tuple(place(x) for x in call.pairs), call.threshold)  # type: ignore[arg-type, union-attr]


def front_kernels(device: torch.device, size: FrontSize | None = None) -> dict[str, Any]:
    """Errors of membranes, state and gradients against the reference in float64; the pooling must agree to the bit.

    A membrane within rounding of the threshold may fire on one side alone: then everything after it differs.
    """
    from longspike.kernels.dendrite import triton_adjoint, triton_chains, triton_pool

    call, plan = some_chains(size or FrontSize())
    leaves = [x.clone().requires_grad_() for x in (call.values, call.weight, call.rate, call.g, call.i0, call.v0)]  # type: ignore[union-attr]
    values, weight, rate, g, i, v = leaves
    options = (call.threshold, "triangle", 1.0)
    parameters, chains = (rate[:-1], rate[-1], g), (call.gap, call.chain_offsets, call.pairs)
    expected = dendrite_reference.dendritic_conv(values, weight, parameters, (i, v), *chains, options)  # type: ignore[arg-type]
    grads = torch.autograd.grad(expected[0].sin().sum() + expected[1].sum() + expected[2].sum(), leaves)
    found: dict[str, Any] = {"dendritic_conv: spikes": int((expected[0] > call.threshold).sum())}
    for dtype in (torch.float64, torch.float32):
        ours, name = moved(call, device, dtype), f"dendritic_conv {str(dtype).removeprefix('torch.')}"
        got = triton_chains.forward(ours, keeps_state=True)
        found[f"{name}: membranes and state"] = max(relative(a, b) for a, b in zip(got, expected, strict=True))
        fired = (got[0] > call.threshold).cpu() != (expected[0] > call.threshold)
        found[f"{name}: spikes that differ"] = int(fired.sum())
        ones = tuple(torch.ones_like(x) for x in got[1:])
        known = {"surrogate": "triangle", "scale": 1.0, "wants_values": True}
        back = triton_adjoint.backward(ours, got[0], got[0].cos(), ones, **known)
        found[f"{name}: gradients"] = max(relative(a, b) for a, b in zip(back, grads, strict=True))
        again = triton_adjoint.backward(ours, got[0], got[0].cos(), ones, **known)
        found[f"{name}: gradients twice with the same bits"] = all(map(torch.equal, back, again))
        groups = pool_plan(plan, 2)
        y, position = triton_pool.forward(got[0], groups.group_offsets.to(device), groups.group_rows.to(device))
        truth = dendrite_reference.segment_max(got[0].cpu(), groups.group_offsets, groups.group_rows)
        found[f"segment_max {str(dtype).removeprefix('torch.')}: the reference's bits"] = torch.equal(
            y.cpu(), truth[0]
        ) and torch.equal(position.cpu(), truth[1])
    return found
