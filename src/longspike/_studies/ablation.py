"""FLAMES-Tiny on N-MNIST, whole and without each of its parts, over seeds: the table in results/nmnist.

    LONGSPIKE_DATA=... python -m longspike._studies.ablation --output results/nmnist/ablation.json

A run that is there already (in --runs) is scored and not trained again; about 90 s a run on one core.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import longspike
from longspike.bench.record import header, write_report
from longspike.data import BatchLoader, load
from longspike.models.checkpoint import read_description
from longspike.recipes import recipe
from longspike.recipes.overrides import with_overrides
from longspike.recipes.run import run
from longspike.training import score

VARIANTS = {
    "nmnist": "FLAMES-Tiny",
    "nmnist-no-dendrites": "without dendrites (LIF convolution)",
    "nmnist-hippo": "plain HiPPO for SA-HiPPO",
    "nmnist-lif": "LIF neurons for SA-HiPPO",
}


def one_run(name: str, seed: int, runs: Path) -> dict[str, Any]:
    """Train if need be, and score on the test set."""
    folder = runs / f"{name}-{seed}"
    if not (folder / "model").is_dir():
        run(with_overrides(recipe(name), [f"training.seed={seed}"]), run_dir=folder, resume=folder.exists())
    model = longspike.load(folder / "model")
    test = score(model, BatchLoader(load("nmnist").test, batch_size=50, shuffle=False, seed=0))
    metadata = read_description(folder / "model")["metadata"]
    return {
        "seed": seed,
        "test_accuracy": test.accuracy,
        "firing_rate": test.rate,
        "layer_rates": test.layer_rates,
        "val_accuracy": metadata["result"]["val/accuracy"],
        "best_epoch": metadata["result"]["best_epoch"],
        "num_parameters": sum(p.numel() for p in model.parameters()),
    }


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """The ablation as Markdown: mean, spread and each seed."""
    lines = ["| network | test accuracy, mean | min to max | firing rate, mean | parameters |", "|---|---|---|---|---|"]
    for name, found in results.items():
        accuracies = [100 * r["test_accuracy"] for r in found]
        rate = statistics.mean(100 * r["firing_rate"] for r in found)
        spread = f"{min(accuracies):.0f} to {max(accuracies):.0f} %"
        lines.append(
            f"| {VARIANTS[name]} | {statistics.mean(accuracies):.1f} % | {spread} | {rate:.1f} % "
            f"| {found[0]['num_parameters']:,} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, write the JSON and the table beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/nmnist"))
    parser.add_argument("--output", type=Path, default=Path("results/nmnist/ablation.json"))
    options = parser.parse_args()
    results = {name: [one_run(name, seed, options.runs) for seed in options.seeds] for name in VARIANTS}
    bundle = load("nmnist")
    report = {
        **header(f"python -m longspike._studies.ablation --seeds {' '.join(map(str, options.seeds))}"),
        "data": bundle.source,
        "samples": {part: len(getattr(bundle, part)) for part in ("train", "val", "test")},
        "results": results,
    }
    write_report(report, options.output)
    text = table(results)
    options.output.with_suffix(".md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
