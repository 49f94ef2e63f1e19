"""Speed of FLAMES' kernels on a device: the routes of its memory, a peer's, and its front."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from longspike.bench.gpu.flames_kernels import FrontSize, moved, some_chains
from longspike.kernels.dendrite import reference as dendrite_reference
from longspike.kernels.sa_hippo import chunked, sa_hippo
from longspike.nn import SAHippo

Milliseconds = Callable[..., dict[str, float]]
SHAPES = ((1, 16384), (8, 2048), (64, 1024))  # samples, ticks of each
MOST_IN_TORCH = 16384  # ticks: PyTorch's chunks keep every state for the backward pass


def _memory(
    batch: int, seqlen: int, device: torch.device, size: dict[str, int]
) -> tuple[list[Tensor], dict[str, float]]:
    """Arguments of the memory with 8 different gaps, and the least bytes and the operations of one pass."""
    torch.manual_seed(0)
    layer = SAHippo(**size).to(device)  # type: ignore[arg-type]
    d_model, heads, pairs, rank = layer.d_model, layer.num_heads, layer.n_pairs, layer.rank
    index = torch.randint(0, 8, (batch * seqlen,), device=device)
    offsets = seqlen * torch.arange(batch + 1, device=device)
    tables = layer.tables(torch.arange(1.0, 9.0, device=device), torch.float32)
    u = torch.randn(batch * seqlen, d_model, device=device)
    dynamics = layer.dynamics(torch.float32)
    values = [u, index, offsets, tables, dynamics.r, layer.C, layer.D, layer.init_state(batch)]
    ticks = batch * seqlen
    least = {
        "bytes": 4.0 * ticks * (2 * d_model + 2) + 4.0 * 2 * values[-1].numel(),
        "operations": ticks * d_model * (pairs * (8 * rank + 22) + heads * rank * rank / d_model),
    }
    return [x.detach() for x in values], least


def memory_speed(
    device: torch.device,
    milliseconds: Milliseconds,
    shapes: tuple[tuple[int, int], ...] = SHAPES,
    size: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Forward, and forward with backward, of every route over irregular gaps; beside the least bytes and operations."""
    size = size or {"d_model": 128, "d_state": 64, "rank": 8, "num_heads": 8}
    rows = []
    for batch, seqlen in shapes:
        values, least = _memory(batch, seqlen, device, size)
        routes: dict[str, Callable[..., Any]] = {
            "recurrent": lambda *x: sa_hippo(*x, method="recurrent"),
            "chunked": lambda *x: sa_hippo(*x, method="chunked"),
        }
        if batch * seqlen <= MOST_IN_TORCH:
            routes["chunked in torch"] = chunked.forward
        for name, route in routes.items():

            def step(route: Callable[..., Any] = route, values: list[Tensor] = values) -> None:
                leaves = [x.clone().requires_grad_() if x.is_floating_point() else x for x in values]
                y, end = route(*leaves)
                (y.sum() + end.sum()).backward()

            with torch.no_grad():
                forward = milliseconds(lambda r=route, v=values: r(*v), rounds=3)
            row = {"route": name, "samples": batch, "ticks": seqlen, **least, "forward": forward}
            rows.append({**row, "forward_backward": milliseconds(step, rounds=3)})
    return {"size": size, "rows": rows}


def fla_speed(
    device: torch.device, milliseconds: Milliseconds, shapes: tuple[tuple[int, int], ...] = SHAPES
) -> dict[str, Any]:
    """flash-linear-attention's diagonal-plus-low-rank recurrence of the same state: 64 x 16 a head, 8 heads.

    Not the same function: its diagonal is real, its low rank is 1 and of every tick's own, and its numbers are bfloat16.
    """
    try:
        from fla.ops.generalized_delta_rule import chunk_dplr_delta_rule  # type: ignore[import-not-found]
    except ImportError as error:
        return {"skipped": f"flash-linear-attention did not load ({error})"}
    rows = []
    for batch, seqlen in shapes:
        draw = lambda n, b=batch, t=seqlen: torch.randn(b, t, 8, n, device=device, dtype=torch.bfloat16)  # noqa: E731
        q, k, v, gate = draw(64), draw(64), draw(16), -torch.rand(batch, seqlen, 8, 64, device=device).bfloat16()
        a = torch.nn.functional.normalize(draw(64), dim=-1)

        def run(q: Tensor = q, k: Tensor = k, v: Tensor = v, a: Tensor = a, gate: Tensor = gate) -> Any:
            return chunk_dplr_delta_rule(q=q, k=k, v=v, a=-a, b=a * 0.5, gk=gate)

        rows.append({"samples": batch, "ticks": seqlen, "forward": milliseconds(run, rounds=3)})
    return {"rows": rows}


def front_speed(
    device: torch.device, milliseconds: Milliseconds, sizes: dict[str, FrontSize] | None = None
) -> dict[str, Any]:
    """The dendritic convolution of a batch of random events: Triton's kernels, and the reference in PyTorch."""
    sizes = sizes or {
        "tiny": FrontSize(16, 32, (160, 100), (20_000,) * 4),
        "normal": FrontSize(64, 128, (160, 100), (20_000,) * 4),
    }
    return {name: _front_speed(size, device, milliseconds) for name, size in sizes.items()}


def _front_speed(size: FrontSize, device: torch.device, milliseconds: Milliseconds) -> dict[str, Any]:
    from longspike.kernels.dendrite import triton_adjoint, triton_chains

    call = moved(some_chains(size)[0], device, torch.float32)
    state, chains = (call.i0, call.v0), (call.gap, call.chain_offsets, call.pairs)
    parameters, options = (call.rate[:-1], call.rate[-1], call.g), (call.threshold, "triangle", 1.0)
    membrane, _, _ = triton_chains.forward(call, keeps_state=True)
    known = {"surrogate": "triangle", "scale": 1.0, "wants_values": False}

    def forward() -> Any:
        return triton_chains.forward(call, keeps_state=True)

    def backward() -> Any:
        return triton_adjoint.backward(call, membrane, membrane, (None, None), **known)

    def by_reference() -> Any:
        return dendrite_reference.dendritic_conv(call.values, call.weight, parameters, state, *chains, options)

    return {
        "rows": len(membrane),
        "chains": call.chain_offsets.numel() - 1,
        "forward": milliseconds(forward, rounds=5),
        "backward": milliseconds(backward, rounds=5),
        "reference_forward": milliseconds(by_reference, rounds=3),
    }
