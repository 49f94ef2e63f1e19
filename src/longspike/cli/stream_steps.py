"""`longspike stream` for a SpikeSSM: fed step by step."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longspike.cli.output import print_json, print_line
from longspike.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from longspike.cli.stream_input import StreamInput
    from longspike.cli.stream_panel import StreamPanel
    from longspike.models import SpikeSSM


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """What came out: inputs, spikes of every layer and step, probabilities at the end, time of every push."""

    inputs: "Tensor"
    spikes: "tuple[Tensor, ...]"
    probabilities: "Tensor"
    microseconds: "Tensor"


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
    from longspike.cli.stream_input import open_input
    from longspike.cli.stream_panel import StreamPanel

    if pace is not None and pace <= 0:
        raise ConfigError(f"--pace must be positive; got {pace:g}.")
    if network.config.encoder != "linear":
        raise ConfigError("the model reads tokens; `longspike stream` feeds numbers.")
    feed = open_input(source, d_input=network.config.d_input, data_root=data_root)
    with StreamPanel(title, names, num_steps=feed.num_steps) as panel:
        outcome = _feed(network, feed, panel, pace)
    is_equal = _is_equal(network, outcome) if check else None
    result = _summary(outcome, names, feed.label, is_equal, is_spiking=network.config.neuron.is_spiking)
    if json:
        print_json(result)
    else:
        _print(result)
    return 1 if is_equal is False else 0


def _feed(network: "SpikeSSM", feed: "StreamInput", panel: "StreamPanel", pace: float | None) -> _Outcome:
    import torch

    from longspike.streaming import Stream

    Stream(network).push(torch.zeros(2, network.config.d_input))  # the first call loads things; it is no step
    live = Stream(network)
    inputs, spikes, times = [], [], []
    start = time.monotonic()
    for x in feed.steps:
        before = time.perf_counter_ns()
        fired = live.push(x[None])
        times.append((time.perf_counter_ns() - before) / 1000)
        inputs.append(x)
        spikes.append(fired)
        if panel.is_due(time.monotonic()):
            panel.show(live.num_steps, live.logits().softmax(dim=-1), [layer[-1] for layer in fired])
        if pace is not None:
            time.sleep(max(start + live.num_steps / pace - time.monotonic(), 0))
    if not inputs:
        raise ConfigError("the input holds no step. Give at least one.")
    probabilities = live.logits().softmax(dim=-1)
    panel.show(live.num_steps, probabilities, [layer[-1] for layer in spikes[-1]])
    return _Outcome(
        inputs=torch.stack(inputs),
        spikes=tuple(torch.cat(layer) for layer in zip(*spikes, strict=True)),
        probabilities=probabilities,
        microseconds=torch.tensor(times, dtype=torch.float64),
    )


def _is_equal(network: "SpikeSSM", outcome: _Outcome) -> bool:
    """Whether the whole sequence at once gives the same spikes."""
    import torch

    with torch.inference_mode():
        whole = network.outputs(outcome.inputs[None].to(network.dtype)).spikes
    return all(torch.equal(a[0], b) for a, b in zip(whole, outcome.spikes, strict=True))


def _summary(
    outcome: _Outcome, names: list[str], label: int | None, is_equal: bool | None, *, is_spiking: bool
) -> dict[str, Any]:
    best = int(outcome.probabilities.argmax())
    p50, p99 = (float(outcome.microseconds.quantile(q)) for q in (0.5, 0.99))
    return {
        "decision": names[best],
        "probability": round(float(outcome.probabilities[best]), 6),
        "label": None if label is None else names[label],
        "probabilities": [round(p, 6) for p in outcome.probabilities.tolist()],
        "steps": len(outcome.microseconds),
        "microseconds_per_step": {"p50": round(p50, 1), "p99": round(p99, 1)},
        "spikes": [int(layer.count_nonzero()) for layer in outcome.spikes] if is_spiking else None,
        "neurons": [layer.shape[1] for layer in outcome.spikes],
        "equals_whole_sequence": is_equal,
    }


def _print(result: dict[str, Any]) -> None:
    truth = ""
    if result["label"] is not None:
        truth = ", right" if result["label"] == result["decision"] else f", wrong: it is {result['label']}"
    print_line(f"decision      {result['decision']} ({result['probability']:.1%}){truth}")
    speed = result["microseconds_per_step"]
    print_line(f"steps         {result['steps']}, {speed['p50']:.0f} us each (p99 {speed['p99']:.0f} us)")
    if result["spikes"] is not None:
        possible = result["steps"] * sum(result["neurons"])
        total = sum(result["spikes"])
        print_line(f"spikes        {total} of {possible} possible ({total / possible:.1%})")
    if result["equals_whole_sequence"] is not None:
        verdict = "equal, bit for bit" if result["equals_whole_sequence"] else "NOT equal"
        print_line(f"whole at once {verdict}")
