"""Neuron, state space and SpikeSSM on a device: agreement of the kernels with the CPU, speed beside limits and peers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from longspike import explain
from longspike.bench.baselines import BETA, compiled_torch_loop
from longspike.bench.torch_s4d import complex_fft_s4d
from longspike.functional import refractory_lif
from longspike.kernels.refractory_lif import reference
from longspike.kernels.s4d_scan import reference as s4d_reference
from longspike.layers.neuron import NeuronConfig
from longspike.models import SpikeSSM
from longspike.models.presets import preset
from longspike.nn import S4D

GOALS = {
    "neuron: share of copy bandwidth at (64, 1024, 256) and (8, 16384, 256)": 0.8,
    "neuron: speculative over sequential at (1, 262144, 128)": 10.0,
    "training step of scifar: over SpikingSSM's SDN neuron": 2.0,
}
Timed = Callable[..., dict[str, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """What is asked; smaller for a quick look."""

    parity: tuple[int, int, int] = (3, 1100, 37)
    neuron: tuple[tuple[int, int, int], ...] = ((64, 1024, 256), (8, 16384, 256), (1, 262144, 128))
    s4d: tuple[tuple[int, int, int], ...] = ((64, 1024, 256), (8, 16384, 256))
    n_pairs: int = 32
    presets: tuple[str, ...] = ("smnist", "psmnist", "scifar")
    neurons: tuple[str, ...] = ("refractory", "sdn")
    seqlen: int = 1024
    batch: int = 50
    rounds: int = 20


QUICK = Sizes(neuron=((64, 1024, 256), (1, 32768, 128)), s4d=((64, 1024, 256),), presets=("scifar",), rounds=5)


def _error(got: Tensor, expected: Tensor) -> float:
    return float((got.cpu().double() - expected.double()).abs().max() / expected.double().abs().max().clamp(min=1e-30))


def _neurons(channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """beta, threshold, rho, gamma: every channel another neuron."""
    g = torch.Generator().manual_seed(1)
    draw = lambda low, high: low + (high - low) * torch.rand(channels, generator=g)  # noqa: E731
    return draw(0.1, 0.95), draw(0.5, 1.5), draw(0, 1), draw(0, 0.8)


def _silent(current: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    zero = current.new_zeros(current.shape[0], current.shape[2])
    return zero, zero.clone(), zero.clone()


def neuron_kernels(device: torch.device, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Both forward kernels against the CPU's loop, bit for bit; errors of the adjoint; chunks against the whole."""
    from longspike.kernels.refractory_lif import triton_backward, triton_forward, triton_speculative

    current, parameters = torch.randn(shape, generator=torch.Generator().manual_seed(0)), _neurons(shape[2])
    on_device, moved = current.to(device), tuple(p.to(device) for p in parameters)
    found: dict[str, Any] = {}
    for reset in ("subtract", "zero", "none"):
        truth, end = reference.forward(current, parameters, _silent(current), reset)
        spikes, state, saved, _ = triton_forward.forward(on_device, moved, _silent(on_device), reset)
        found[f"sequential {reset}: same spikes"] = torch.equal(spikes.cpu(), truth)
        found[f"sequential {reset}: same state"] = all(torch.equal(a.cpu(), b) for a, b in zip(state, end, strict=True))
        chosen, triton_speculative.speculation = triton_speculative.speculation, lambda *_: (64, 16)
        spikes, state, _, repaired = triton_speculative.forward(on_device, moved, _silent(on_device), reset)
        triton_speculative.speculation = chosen
        found[f"speculative {reset}: same spikes"] = torch.equal(spikes.cpu(), truth)
        found[f"speculative {reset}: same state"] = all(
            torch.equal(a.cpu(), b) for a, b in zip(state, end, strict=True)
        )
        found[f"speculative {reset}: repaired"] = int(repaired)
        options = {"reset": reset, "surrogate": "atan", "scale": 2.0, "gradient": "full"}
        grads = triton_backward.backward(
            on_device, on_device, _silent(on_device), moved, saved, wants_parameters=True, **options
        )
        expected = reference.backward(current, current, _silent(current), parameters, _silent(current), **options)
        names = ("current", "beta", "threshold", "rho", "gamma")
        found |= {f"adjoint {reset}: {n}": _error(a, b) for n, a, b in zip(names, grads, expected, strict=False)}
    pieces, state = [], _silent(on_device)
    for part in on_device.split((shape[1] // 3, 1, shape[1] - shape[1] // 3 - 1), dim=1):
        spikes, state, *_ = triton_forward.forward(part, moved, state, "none")
        pieces.append(spikes)
    found["whole is chunks"] = torch.equal(torch.cat(pieces, 1).cpu(), truth)
    return found


def scan_kernels(device: torch.device, shape: tuple[int, int, int], n_pairs: int) -> dict[str, Any]:
    """Errors of scan and gradients against the loop in float64; chunks, and the neuron fused behind it, bit for bit."""
    from longspike.kernels.refractory_lif import triton_forward as lif
    from longspike.kernels.s4d_lif import triton_forward as fused
    from longspike.kernels.s4d_scan import triton_backward, triton_forward

    batch, seqlen, channels = shape
    u, layer = torch.randn(shape, generator=torch.Generator().manual_seed(0)), S4D(channels, d_state=2 * n_pairs)
    values = [u, *(x.detach() for x in layer.discrete(u.dtype)), layer.init_state(batch)]
    moved = [x.to(device) for x in values]
    leaves = [x.double().requires_grad_() for x in values]
    truth = s4d_reference.forward(*leaves)  # type: ignore[arg-type]
    y, end = triton_forward.forward(*moved)  # type: ignore[arg-type]
    found: dict[str, Any] = {"output": _error(y, truth[0].detach()), "state": _error(end, truth[1].detach())}
    grads = [torch.randn(x.shape, generator=torch.Generator().manual_seed(1)) for x in truth]
    expected = torch.autograd.grad(truth, leaves, [g.double() for g in grads])
    got = triton_backward.backward(moved[0], *(g.to(device) for g in grads), *moved[1:])
    found |= {
        f"gradient of {n}": _error(a, b)
        for n, a, b in zip(("u", "lambda", "c", "d", "state"), got, expected, strict=True)
    }
    pieces, state = [], moved[4]
    for part in moved[0].split((seqlen // 3, 1, seqlen - seqlen // 3 - 1), dim=1):
        piece, state = triton_forward.forward(part, *moved[1:4], state)
        pieces.append(piece)
    found["whole is chunks"] = torch.equal(torch.cat(pieces, 1), y) and torch.equal(state, end)
    parameters = tuple(p.to(device) for p in _neurons(channels))
    spikes, *_ = fused.forward(moved[0], moved[1:4], moved[4], parameters, _silent(moved[0]), "subtract", True)  # type: ignore[arg-type]
    in_turn, *_ = lif.forward(y, parameters, _silent(y), "subtract")  # type: ignore[arg-type]
    found["fused spikes are those in turn"], found["spikes"] = torch.equal(spikes, in_turn), int(spikes.sum())
    return found


def neuron_speed(device: torch.device, timed: Timed, sizes: Sizes) -> list[dict[str, Any]]:
    """Both forward kernels beside a copy of the same tensor, and a forward with backward beside a copy."""
    from longspike.kernels.refractory_lif import triton_forward, triton_speculative

    rows = []
    for shape in sizes.neuron:
        current = 0.12 + 0.25 * torch.randn(shape, device=device)
        target, state = torch.empty_like(current), _silent(current)
        fill = lambda value: torch.full((shape[2],), value, device=device)  # noqa: B023, E731
        parameters = (fill(0.9), fill(1.0), fill(0.0), fill(0.5))
        row: dict[str, Any] = {"shape": shape, "route": str(explain("refractory_lif", shape, device=device))}
        row["copy"] = timed(lambda: target.copy_(current), rounds=sizes.rounds, replays=True)  # noqa: B023
        for name, kernel in (("sequential", triton_forward), ("speculative", triton_speculative)):
            run = lambda k=kernel: k.forward(current, parameters, state, "subtract")  # noqa: B023, E731
            row[name] = timed(run, rounds=sizes.rounds, replays=True)
            row[name]["share_of_copy"] = row["copy"]["median_ms"] / row[name]["median_ms"]
        row["speculative"]["repaired"] = int(triton_speculative.forward(current, parameters, state, "subtract")[3])
        row["speculative_over_sequential"] = row["sequential"]["median_ms"] / row["speculative"]["median_ms"]
        leaf = current.clone().requires_grad_()

        def train(leaf: Tensor = leaf) -> None:
            refractory_lif(leaf, beta=BETA, surrogate="atan")[0].sum().backward()

        row["training"] = timed(train, rounds=sizes.rounds)
        rows.append(row)
        print(row, flush=True)
    return rows


def _spikingjelly(backend: str) -> Callable[[Tensor], Tensor]:
    """Versions 0.* name a backend for CUDA; version 2 chooses by itself."""
    from spikingjelly.activation_based import functional, neuron, surrogate

    options = {"v_threshold": 1.0, "v_reset": None, "surrogate_function": surrogate.ATan(), "step_mode": "m"}
    node = neuron.LIFNode(tau=1 / (1 - BETA), decay_input=False, **options)
    if backend not in getattr(node, "supported_backends", ("its own",)):
        raise ValueError(f"this version of SpikingJelly has no backend {backend!r}")
    if backend != "its own":
        functional.set_backend(node, backend)

    def run(x: Tensor) -> Tensor:
        functional.reset_net(node)
        return node(x)

    return run


def neuron_peers(device: torch.device, timed: Timed, sizes: Sizes) -> list[dict[str, Any]]:
    """Other libraries' neurons, forward and training step, where they are installed; each in its own layout."""
    peers: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
        "torch.compile loop": compiled_torch_loop,
        **{f"SpikingJelly {b}": lambda b=b: _spikingjelly(b) for b in ("its own", "torch", "triton", "cupy")},
    }
    rows = []
    for batch, seqlen, channels in sizes.neuron[:2]:
        x = (0.12 + 0.25 * torch.randn(seqlen, batch, channels, device=device)).requires_grad_()
        for name, make in peers.items():
            row: dict[str, Any] = {"shape": (batch, seqlen, channels), "peer": name}
            try:
                neuron = make()
                row["forward"] = timed(lambda n=neuron, x=x: n(x.detach()), rounds=3)
                row["training"] = timed(lambda n=neuron, x=x: n(x).sum().backward(), rounds=3)
            except Exception as error:
                row["skipped"] = repr(error)[:300]
            rows.append(row)
            print(row, flush=True)
    return rows


def s4d_speed(device: torch.device, timed: Timed, sizes: Sizes) -> list[dict[str, Any]]:
    """S4D's scan, its FFT form, and the usual formulation (complex kernel of all steps, then FFT)."""
    rows = []
    for shape in sizes.s4d:
        layer = S4D(shape[2], d_state=2 * sizes.n_pairs).to(device)
        by_fft = S4D(shape[2], d_state=2 * sizes.n_pairs, method="fft").to(device)
        by_fft.load_state_dict(layer.state_dict())
        x = torch.randn(shape, device=device, requires_grad=True)
        forms: dict[str, Callable[[Tensor], Tensor]] = {
            "scan": lambda u, m=layer: m(u)[0],
            "fft": lambda u, m=by_fft: m(u)[0],
            "usual formulation": lambda u, m=layer: complex_fft_s4d(m, u),
        }
        row: dict[str, Any] = {"shape": shape, "n_pairs": sizes.n_pairs}
        for name, form in forms.items():
            row[name] = {
                "forward": timed(lambda f=form, x=x: f(x.detach()), rounds=sizes.rounds),
                "training": timed(lambda f=form, x=x: f(x).sum().backward(), rounds=sizes.rounds),
            }
        rows.append(row)
        print(row, flush=True)
    return rows


def training_steps(device: torch.device, timed: Timed, sizes: Sizes) -> list[dict[str, Any]]:
    """A training step of each preset with our neuron and with the SDN; nothing else differs."""
    rows = []
    for name in sizes.presets:
        x = torch.randn(sizes.batch, sizes.seqlen, 1, device=device)
        labels = torch.randint(0, 10, (sizes.batch,), device=device)
        row: dict[str, Any] = {"preset": name, "batch": sizes.batch, "seqlen": sizes.seqlen}
        for kind in sizes.neurons:
            model = SpikeSSM(replace(preset(name), neuron=NeuronConfig(kind=kind))).to(device)

            def step(model: SpikeSSM = model, x: Tensor = x, labels: Tensor = labels) -> None:
                model.zero_grad()
                torch.nn.functional.cross_entropy(model(x)[0], labels).backward()

            row[kind] = timed(step, rounds=min(sizes.rounds, 5))
        if "sdn" in row:
            row["over_sdn"] = row["sdn"]["median_ms"] / row["refractory"]["median_ms"]
        rows.append(row)
        print(row, flush=True)
    return rows


def parts(device: torch.device, timed: Timed, sizes: Sizes) -> dict[str, Callable[[], Any]]:
    """What can be asked of the sequence part on a device, each on its own: parity first."""
    return {
        "neuron_kernels": lambda: neuron_kernels(device, sizes.parity),
        "scan_kernels": lambda: scan_kernels(device, sizes.parity, sizes.n_pairs),
        "neuron_speed": lambda: neuron_speed(device, timed, sizes),
        "s4d_speed": lambda: s4d_speed(device, timed, sizes),
        "training_step": lambda: training_steps(device, timed, sizes),
        "neuron_peers": lambda: neuron_peers(device, timed, sizes),
    }
