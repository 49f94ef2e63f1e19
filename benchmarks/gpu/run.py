"""Everything that this package can be asked on a GPU, in one command: parity first, then speed, then a training step.

    python benchmarks/gpu/run.py --output results/gpu.json

Parity: on the device, the plain loop, PMBC and the FFT form of S4D against the CPU's results (spikes bit for bit where
the dtype's arithmetic is the same, the rest to a stated tolerance). Speed: the same calls timed with device events,
beside a copy of the same tensor. A training step of each published-size preset. The same for FLAMES (flames.py), whose
recipe for CIFAR-10 patches is trained in full with --train FOLDER. There are no GPU kernels of our own yet: what runs is
PyTorch on the device, and the figures say so.
"""

import argparse
import json
import platform
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flames
import torch

from longspike import __version__, explain
from longspike.functional import refractory_lif
from longspike.models import SpikeSSM
from longspike.nn import S4D

SHAPES = ((64, 1024, 256), (8, 16384, 256), (1, 16384, 256))
PRESETS = {"smnist": 784, "psmnist": 784, "scifar": 1024}


def milliseconds(run: Callable[[], object], rounds: int = 10) -> dict[str, float]:
    """Median and spread of device time after two warm-up calls."""
    times = []
    for number in range(-2, rounds):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        if number >= 0:
            times.append(start.elapsed_time(end))
    return {"median_ms": statistics.median(times), "min_ms": min(times), "max_ms": max(times)}


def parity(device: torch.device) -> dict[str, Any]:
    """Spikes and gradients on the device against the CPU."""
    torch.manual_seed(0)
    current = torch.randn(3, 300, 37)
    options: dict[str, Any] = {"beta": 0.5, "rho": 0.5, "gamma": 0.5, "threshold": 1.0}
    truth, _ = refractory_lif(current, method="reference", **options)
    found: dict[str, Any] = {}
    for method in ("reference", "pmbc"):
        leaf = current.to(device).requires_grad_()
        spikes, _ = refractory_lif(leaf, method=method, **options)
        spikes.sum().backward()
        found[f"refractory_lif {method}: wrong spikes"] = int((spikes.cpu() != truth).sum())
        found[f"refractory_lif {method}: gradient is finite"] = bool(leaf.grad.isfinite().all())  # type: ignore[union-attr]
    layer = S4D(37, d_state=16)
    expected = layer(current)[0]
    got = layer.to(device)(current.to(device))[0].cpu()
    found["s4d: largest relative error"] = float((got - expected).abs().max() / expected.abs().max())
    return found


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("results/gpu.json"))
    parser.add_argument("--methods", nargs="*", default=["pmbc", "reference"])
    parser.add_argument("--train", type=Path, metavar="FOLDER", help=f"also train {flames.RECIPE} there")
    parser.add_argument("--epochs", type=int, help="epochs of that training; the recipe's own by default")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device: nothing was measured")
    device = torch.device("cuda")
    report: dict[str, Any] = {
        "command": "python benchmarks/gpu/run.py",
        "versions": {"longspike": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "device": torch.cuda.get_device_name(),
        "route": str(explain("refractory_lif", (1, 1, 1), device="cuda")),
        "parity": {**parity(device), **flames.memory_parity(device), **flames.network_parity(device)},
        "neuron": [],
        "training_step": [],
    }
    print(json.dumps(report["parity"], indent=2), flush=True)
    for shape in SHAPES:
        current = torch.randn(shape, device=device) * 0.5
        entry: dict[str, Any] = {"shape": shape, "copy": milliseconds(current.clone)}
        for method in arguments.methods:
            entry[method] = milliseconds(
                lambda m=method, x=current: refractory_lif(x, beta=0.125, rho=0.5, method=m), rounds=3
            )
        report["neuron"].append(entry)
        print(json.dumps(entry), flush=True)
    for name, seqlen in PRESETS.items():
        model = SpikeSSM.from_preset(name).to(device)
        x, labels = torch.randn(50, seqlen, 1, device=device), torch.randint(0, 10, (50,), device=device)

        def step(model: SpikeSSM = model, x: torch.Tensor = x, labels: torch.Tensor = labels) -> None:
            model.zero_grad()
            torch.nn.functional.cross_entropy(model(x)[0], labels).backward()

        entry = {"preset": name, **milliseconds(step, rounds=3), "peak_bytes": torch.cuda.max_memory_allocated()}
        report["training_step"].append(entry)
        print(json.dumps(entry), flush=True)
    report["flames_training_step"] = flames.training_steps(device, milliseconds)
    if arguments.train is not None:
        report["flames_recipe"] = flames.train_recipe(arguments.train, epochs=arguments.epochs)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
