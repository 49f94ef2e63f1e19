"""Everything that this package can be asked on a GPU, in one command: parity first, then speed, then training steps.

    python -m longspike.bench.gpu --output results/gpu.json
    python -m longspike.bench.gpu --quick --parts neuron_kernels neuron_speed

Parity: every kernel on the device against the CPU (sequence.py; flames.py for FLAMES). Speed: device events, or replays of
a CUDA graph where a call takes less time than its launch, beside a copy of the same tensor in the same run and beside other
libraries where they are installed. Each part runs on its own: one that fails leaves its traceback in the report, which is
written after every part. --train FOLDER trains the recipe of FLAMES for CIFAR-10 patches.
"""

import argparse
import json
import platform
import statistics
import time
import traceback
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from longspike import __version__, explain
from longspike.bench.gpu import flames, sequence
from longspike.bench.record import command_line, printing, write_report


def replayed(run: Callable[[], object]) -> Callable[[], object]:
    """The launches of `run` as one CUDA graph, so that the host's part does not count."""
    run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def milliseconds(
    run: Callable[[], object], rounds: int = 10, *, replays: bool = False, device: torch.device
) -> dict[str, float]:
    """Median and spread of a call's time after two warm-up calls."""
    is_gpu, times = device.type == "cuda", []
    if is_gpu and replays:
        run = replayed(run)
    for number in range(-2, rounds):
        if is_gpu:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            run()
            end.record()
            torch.cuda.synchronize()
            taken = start.elapsed_time(end)
        else:
            began = time.perf_counter()
            run()
            taken = 1e3 * (time.perf_counter() - began)
        if number >= 0:
            times.append(taken)
    return {"median_ms": statistics.median(times), "min_ms": min(times), "max_ms": max(times)}


def goals(report: dict[str, Any]) -> dict[str, Any]:
    """What was reached beside what was wanted; None where the part did not run."""
    rows = {tuple(r["shape"]): r for r in report.get("neuron_speed", []) if isinstance(r, dict)}
    steps = {r["preset"]: r for r in report.get("training_step", []) if isinstance(r, dict)}
    best = lambda row: max(row[m]["share_of_copy"] for m in ("sequential", "speculative"))  # noqa: E731
    shares = [best(rows[shape]) for shape in ((64, 1024, 256), (8, 16384, 256)) if shape in rows]
    long = rows.get((1, 262144, 128), {}).get("speculative_over_sequential")
    reached = (min(shares) if len(shares) == 2 else None, long, steps.get("scifar", {}).get("over_sdn"))
    return {
        name: {"goal": goal, "reached": value}
        for (name, goal), value in zip(sequence.GOALS.items(), reached, strict=True)
    }


def header(device: torch.device) -> dict[str, Any]:
    """What ran where."""
    versions = {"longspike": __version__, "torch": torch.__version__, "python": platform.python_version()}
    if find_spec("triton") is not None:
        import triton

        versions["triton"] = triton.__version__
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or "cpu"
    routes = [str(explain(o, (8, 1024, 256), device=device)) for o in ("refractory_lif", "s4d_scan", "s4d_lif")]
    return {"command": command_line("longspike.bench.gpu"), "versions": versions, "device": name, "routes": routes}


def run_parts(parts: dict[str, Callable[[], Any]], report: dict[str, Any], output: Path) -> None:
    """Each part on its own; the report is written after every one."""
    for name, part in parts.items():
        began = time.perf_counter()
        try:
            report[name] = part()
        except Exception:
            report[name] = {"failed": traceback.format_exc()}
        report.setdefault("seconds", {})[name] = round(time.perf_counter() - began, 1)
        report["goals"] = goals({k: v for k, v in report.items() if isinstance(v, list)})
        write_report(report, output)
        print(name, json.dumps(report[name], indent=1) if isinstance(report[name], dict) else "", flush=True)


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("results/gpu.json"))
    parser.add_argument("--quick", action="store_true", help="fewer shapes and rounds: a first look")
    parser.add_argument("--parts", nargs="*", help="only these; all by default")
    parser.add_argument("--train", type=Path, metavar="FOLDER", help=f"also train {flames.RECIPE} there")
    parser.add_argument("--epochs", type=int, help="epochs of that training; the recipe's own by default")
    parser.add_argument("--device", default="cuda", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device: nothing was measured")
    timed = partial(milliseconds, device=device)
    sizes = sequence.QUICK if arguments.quick else sequence.Sizes()
    parts = {**sequence.parts(device, timed, sizes), **flames.parts(device, timed)}
    if arguments.train is not None:
        parts["flames_recipe"] = lambda: flames.train_recipe(arguments.train, epochs=arguments.epochs)
    unknown = set(arguments.parts or ()) - set(parts)
    if unknown:
        raise SystemExit(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    report = header(device)
    run_parts(
        {k: v for k, v in parts.items() if arguments.parts is None or k in arguments.parts}, report, arguments.output
    )
    print(json.dumps(report["goals"], indent=2))
    failed = [name for name in parts if isinstance(report.get(name), dict) and "failed" in report[name]]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; their tracebacks are in {arguments.output}")


if __name__ == "__main__":
    with printing():
        main()
