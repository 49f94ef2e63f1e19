"""`longspike stream` for a SpikeSSM: fed step by step."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from longspike.cli.output import print_facts, print_json
from longspike.cli.panel import LivePanel
from longspike.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from longspike.models import SpikeSSM
    from longspike.streaming import StepRun

REFRESH_PER_SECOND = 20


def stream_steps(
    network: "SpikeSSM",
    source: str,
    *,
    title: str,
    names: list[str],
    pace: float | None,
    check: bool,
    data_root: Path | None,
    json: bool,
) -> int:
    """Feed a `SpikeSSM` step by step; see `longspike.cli.stream.stream`."""
    import torch

    from longspike.streaming import SequenceStream, WholeSequence, feed_steps, open_steps

    if pace is not None and pace <= 0:
        raise ConfigError(f"--pace must be positive; got {pace:g}.")
    if network.config.encoder != "linear":
        raise ConfigError("the model reads tokens; `longspike stream` feeds numbers.")
    feed = open_steps(source, d_input=network.config.d_input, lines=sys.stdin, data_root=data_root)
    SequenceStream(network).push(torch.zeros(2, network.config.d_input))  # the first call loads things; it is no step
    live, whole = SequenceStream(network), WholeSequence(network) if check else None
    last: tuple[Tensor, ...] = ()
    with LivePanel(title, names, per_second=REFRESH_PER_SECOND) as panel:

        def show(x: "Tensor", fired: "tuple[Tensor, ...]") -> None:
            nonlocal last
            last = fired
            if whole is not None:
                whole.add(x, fired)
            if panel.is_due():
                draw(panel, live.num_steps, feed.num_steps, live.logits().softmax(dim=-1), fired)

        run = feed_steps(live, feed.steps, pace=pace, on_step=show)
        if not run.num_steps:
            raise ConfigError("the input holds no step. Give at least one.")
        draw(panel, live.num_steps, feed.num_steps, live.logits().softmax(dim=-1), last)
    is_equal = None if whole is None else whole.is_equal()
    label = None if feed.label is None else names[feed.label]
    result = _as_dict(run, live.logits().softmax(dim=-1), names, label, is_equal)
    if not network.config.neuron.is_spiking:
        result["spikes"] = None
    if json:
        print_json(result)
    else:
        print_facts(_facts(result))
    return 1 if is_equal is False else 0


def draw(
    panel: LivePanel, step: int, num_steps: int | None, probabilities: "Tensor", spikes: "Sequence[Tensor]"
) -> None:
    """Show a step: probabilities (classes), spikes (1, d_model) of every layer."""
    rows = [row for k, layer in enumerate(spikes) for row in spike_rows(k, layer[-1], panel.width)]
    of = "" if num_steps is None else f" of {num_steps}"
    panel.show(probabilities, *rows, subtitle=f"step {step}{of}")


def spike_rows(index: int, spikes: "Tensor", width: int) -> tuple[Text, Text]:
    """How many neurons of a layer fire, spikes (d_model), and which, as far as the terminal is wide."""
    room = width if len(spikes) <= width else width - 1
    marks = "".join("|" if s else "·" for s in spikes[:room].tolist()) + ("…" if len(spikes) > room else "")
    return Text(f"layer {index + 1}: {int(spikes.count_nonzero())} of {len(spikes)} fire", style="dim"), Text(marks)


def _as_dict(
    run: "StepRun", probabilities: "Tensor", names: list[str], label: str | None, is_equal: bool | None
) -> dict[str, Any]:
    best = int(probabilities.argmax())
    durations = run.durations.summary()
    return {
        "decision": names[best],
        "probability": round(float(probabilities[best]), 6),
        "label": label,
        "probabilities": [round(p, 6) for p in probabilities.tolist()],
        "steps": run.num_steps,
        "microseconds_per_step": {name: durations[name] for name in ("p50", "p99")},
        "spikes": list(run.spikes),
        "neurons": list(run.neurons),
        "equals_whole_sequence": is_equal,
    }


def _facts(result: dict[str, Any]) -> list[tuple[str, ...]]:
    speed = result["microseconds_per_step"]
    facts: list[tuple[str, ...]] = [
        ("decision", f"{result['decision']} ({result['probability']:.1%}){verdict(result)}"),
        ("steps", f"{result['steps']}, {speed['p50']:.0f} us each (p99 {speed['p99']:.0f} us)"),
    ]
    if result["spikes"] is not None:
        possible, total = result["steps"] * sum(result["neurons"]), sum(result["spikes"])
        facts.append(("spikes", f"{total} of {possible} possible ({total / possible:.1%})"))
    if result["equals_whole_sequence"] is not None:
        facts.append(("whole at once", equality(result["equals_whole_sequence"])))
    return facts


def verdict(result: dict[str, Any]) -> str:
    """Whether a decision is right, where the label is known."""
    if result["label"] is None:
        return ""
    return ", right" if result["label"] == result["decision"] else f", wrong: it is {result['label']}"


def equality(is_equal: bool) -> str:
    """The result of --check."""
    return "equal, bit for bit" if is_equal else "NOT equal"
