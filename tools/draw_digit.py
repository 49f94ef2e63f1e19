"""Draw the README's picture from a trained model: a digit that is decided late, and how often all are right by then.

    python tools/draw_digit.py runs/demo/model docs/_static/digit.svg

`make picture` does this, and trains the model of `make demo` first if it is not there.

The digit is the one of the test set whose class takes the lead for good at the latest step, among those that end with a
probability of at least 0.9. The curve below it is of the whole test set, so that one picture stands for no more than it is.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import longspike
from longspike.data import load, make_batch
from longspike.evaluation.style import COLOURS, INK, MUTED, legend_above, svg

SURE = 0.9


def running_answers(model: longspike.SpikeSSM, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Probabilities (samples, steps, classes) after every step, and the spikes of every layer; x (samples, steps, 1)."""
    stream, probabilities, spikes = longspike.Stream(model, batch=len(x)), [], []
    for x_t in x.unbind(dim=1):
        spikes.append(stream.push(x_t[:, None]))
        probabilities.append(stream.logits().softmax(dim=-1))
    layers = tuple(torch.cat(steps, dim=1) for steps in zip(*spikes, strict=True))
    return torch.stack(probabilities, dim=1), layers


def latest(probabilities: Tensor, labels: Tensor) -> int:
    """The sample that is decided last, of those that end right and sure."""
    is_right = probabilities.argmax(dim=-1) == labels[:, None]
    decided = is_right.flip(1).int().cumprod(dim=1).sum(dim=1)  # steps at the end that are all right
    ends_sure = probabilities[torch.arange(len(labels)), -1, labels] >= SURE
    return int(torch.where(is_right[:, -1] & ends_sure, -decided, -probabilities.shape[1]).argmax())


def paint(
    figure: Any, pixels: Tensor, spikes: tuple[Tensor, ...], probabilities: Tensor, label: int, right: Tensor
) -> None:
    """Input, spikes and probabilities of one sample, and the accuracy of all, over the same steps."""
    rows = len(spikes) + 3
    axes = figure.subplots(rows, 1, sharex=True, gridspec_kw={"height_ratios": [0.8, *[1.1] * len(spikes), 1.3, 1.1]})
    axes[0].set_title(f"A handwritten {label}, one pixel a step", loc="left")
    axes[0].step(range(len(pixels)), pixels, where="mid", color=INK, linewidth=1)
    axes[0].set_ylabel("pixel")
    for k, layer in enumerate(spikes):
        time, neuron = layer.nonzero(as_tuple=True)
        axes[k + 1].scatter(time, neuron, s=5, color=COLOURS[0], marker="|", linewidths=1.1)
        axes[k + 1].set_ylabel(f"layer {k + 1}\n{100 * float(layer.mean()):.1f} % fire")
        axes[k + 1].set_ylim(-1, layer.shape[1])
    rival = int(probabilities.max(dim=0).values.index_fill(0, torch.tensor([label]), -1).argmax())
    for c in range(probabilities.shape[1]):
        if c not in (label, rival):
            axes[-2].plot(probabilities[:, c], color=MUTED, linewidth=0.7, alpha=0.5)
    axes[-2].plot(probabilities[:, rival], color=COLOURS[1], linestyle="--", linewidth=1.6, label=f"{rival}")
    axes[-2].plot(probabilities[:, label], color=COLOURS[0], linewidth=2, label=f"{label}, as it is")
    axes[-2].set_ylabel("probability")
    axes[-1].plot(right, color=COLOURS[2], linewidth=2)
    axes[-1].set_ylabel("right, of all\ntest digits")
    axes[-1].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[-1].set_xlabel("pixels read")
    for each in axes[-2:]:
        each.set_ylim(0, 1.05)
        each.grid(True, axis="y")
    legend_above(axes[-2], columns=2)
    figure.align_ylabels(axes)


def main() -> None:
    """Stream all test digits and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    model, test = longspike.load(arguments.model), load("digits").test
    batch = make_batch(test, torch.arange(len(test)))
    probabilities, layers = running_answers(model, batch.x)
    k = latest(probabilities, batch.labels)
    right = (probabilities.argmax(dim=-1) == batch.labels[:, None]).float().mean(dim=0)
    spikes = tuple(layer[k] for layer in layers)
    image = svg(
        (8.4, 7.0),
        lambda figure: paint(figure, batch.x[k, :, 0], spikes, probabilities[k], int(batch.labels[k]), right),
        purpose="The picture",
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(image, encoding="utf-8")
    print(
        f"test digit {k}; right after 8, 16, 32, 48 and 64 pixels: {[f'{right[n - 1]:.1%}' for n in (8, 16, 32, 48, 64)]}"
    )


if __name__ == "__main__":
    main()
