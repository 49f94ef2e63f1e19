"""Draw the README's picture: one digit read pixel by pixel, its spikes and its decision, from a trained model.

python tools/draw_digit.py runs/demo/model docs/_static/digit.png --index 7
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import longspike
from longspike.data import load, make_batch


def main() -> None:
    """Stream one test digit and draw what happened."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--index", type=int, default=7)
    arguments = parser.parse_args()
    model, bundle = longspike.load(arguments.model), load("digits")
    batch = make_batch(bundle.test, torch.tensor([arguments.index]))
    stream, probabilities, spikes = longspike.Stream(model), [], []
    for x_t in batch.x[0]:
        spikes.append(stream.push(x_t[None]))
        probabilities.append(torch.softmax(stream.logits(), dim=-1))
    num_layers = len(spikes[0])
    figure, axes = plt.subplots(num_layers + 2, 1, figsize=(9, 6.4), sharex=True, layout="constrained")
    figure.suptitle(f"A handwritten {int(batch.labels[0])}, one pixel a step", fontsize=11)
    axes[0].step(range(64), batch.x[0, :, 0], where="mid", color="#1f2430", linewidth=1)
    axes[0].set_ylabel("pixel")
    for k in range(num_layers):
        raster = torch.cat([step[k] for step in spikes])
        time, neuron = raster.nonzero(as_tuple=True)
        axes[k + 1].scatter(time, neuron, s=4, color="#3b5bdb", marker="|", linewidths=1.2)
        axes[k + 1].set_ylabel(f"layer {k + 1}\n{100 * float(raster.mean()):.1f} % firing")
        axes[k + 1].set_ylim(-1, raster.shape[1])
    decided = torch.stack(probabilities)
    winner = int(decided[-1].argmax())
    for label in range(decided.shape[1]):
        is_winner = label == winner
        colour = "#e8590c" if is_winner else "#b8bec9"
        axes[-1].plot(
            decided[:, label], color=colour, linewidth=2 if is_winner else 1, label=f"{label}" if is_winner else None
        )
    axes[-1].legend(loc="upper left", frameon=False)
    axes[-1].set_ylabel("probability")
    axes[-1].set_xlabel("step")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=110)


if __name__ == "__main__":
    main()
