"""Time a training step of a block against SpikingSSMs' public code, at the sizes of the Long Range Arena, on the CPU.

    git clone https://github.com/shenshuaijie/SDN && pip install einops
    python tools/compare_spikingssm.py SDN --output results/spikingssm_speed.json

The peer's block is its `SS4D` with the SDN neuron: S4D by FFT, its approximate neuron as the TorchScript file that lies in
the folder (loading it executes it), a 1x1 convolution and a gate. Ours is `SpikingBlock` with the refractory neuron and no
norm. Both have the same channels, poles and directions, random weights, float32, and the same input; both compute the
gradients of the input and of every weight. The candidates take turns, so that a machine that drifts drifts for both.
"""

import argparse
import importlib.util
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from longspike.bench.timing import Rounds, Step, time_steps
from longspike.layers.block import SpikingBlock

SHAPES = {
    "ListOps": (4, 2048, 256, 4, True),
    "Text": (2, 4096, 256, 4, True),
    "Image": (8, 1024, 512, 64, True),
    "Pathfinder": (8, 1024, 256, 64, True),
    "Text, one direction": (2, 4096, 256, 4, False),
    "Image, one direction": (8, 1024, 512, 64, False),
}
"""Of each task: samples (fewer than in training, so that the peer's convolutions fit the memory of a small machine), steps,
channels, poles, and whether there are both directions; the last four as published."""


def _module(name: str, **members: Any) -> None:
    """A module of the S4 repository, with what the peer's block takes from it."""
    made = ModuleType(name)
    for key, value in members.items():
        setattr(made, key, value)
    sys.modules[name] = made


def _load(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise SystemExit(f"{file} is not there. Give the folder of a checkout of shenshuaijie/SDN.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def peer_block(folder: Path) -> Callable[..., nn.Module]:
    """The class `SS4D` of the checkout; what it imports from the S4 repository is not used at these settings."""
    for name in ("src", "src.models", "src.models.spike", "src.models.sequence", "src.models.sequence.kernels"):
        _module(name)
    _module("src.models.nn", DropoutNd=nn.Dropout)
    _module("src.models.sequence.kernels.ssm", SSMKernelDiag=None)
    for part in ("surrogate", "neuron"):
        _load(f"src.models.spike.{part}", folder / f"src/models/spike/{part}.py")
    return _load("peer_ss4d", folder / "models/spike/ss4d.py").SS4D  # type: ignore[no-any-return]


def _step(run: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor) -> Step:
    leaf = x.clone().requires_grad_()
    return Step(lambda: run(leaf), lambda y: y.backward(grad))


def compare(make_peer: Callable[..., nn.Module], name: str, rounds: Rounds) -> dict[str, Any]:
    """Seconds of a training step of both, and how many times as long the peer takes."""
    batch, seqlen, channels, d_state, both = SHAPES[name]
    torch.manual_seed(0)
    x = torch.randn(batch, seqlen, channels)
    grad = torch.randn_like(x)
    ours = SpikingBlock(channels, d_state=d_state, norm="none", is_bidirectional=both)
    peer = make_peer(channels, d_state=d_state, bidirectional=both, lr=1e-3)
    transposed, grad_transposed = x.transpose(1, 2).contiguous(), grad.transpose(1, 2).contiguous()
    steps = {
        "longspike": _step(lambda leaf: ours(leaf)[0], x, grad),
        "SpikingSSMs": _step(lambda leaf: leaf + peer(leaf)[0], transposed, grad_transposed),
    }
    timings = {timing.name: timing for timing in time_steps(steps, rounds.within(name))[1]}
    ratios = sorted(timings["SpikingSSMs"].ratios_to(timings["longspike"]))
    return {
        "shape": {"batch": batch, "seqlen": seqlen, "channels": channels, "d_state": d_state, "is_bidirectional": both},
        "seconds": {key: round(timing.median, 4) for key, timing in timings.items()},
        "ratio": round(ratios[len(ratios) // 2], 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
    }


def main() -> None:
    """Compare all shapes, print a line each, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a checkout of shenshuaijie/SDN")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    make_peer, results = peer_block(options.folder), {}
    for name in SHAPES:
        results[name] = compare(make_peer, name, Rounds(count=options.rounds))
        print(f"{name:24} {results[name]['seconds']}  x{results[name]['ratio']}", flush=True)
    command = f"python tools/compare_spikingssm.py SDN --rounds {options.rounds} --threads {options.threads}"
    setting = {
        "command": command,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "threads": options.threads,
    }
    if options.output:
        options.output.write_text(json.dumps(setting | {"results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
