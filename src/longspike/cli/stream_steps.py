"""`longspike stream` for a SpikeSSM: fed step by step."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from longspike.cli.output import print_json_line, print_now
from longspike.cli.panel import LivePanel
from longspike.cli.stream_result import compared, finish, verdict
from longspike.cli.stream_sources import check_options, open_source
from longspike.cli.waiting import Waiting
from longspike.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from longspike.data import OwnData
    from longspike.models import SpikeSSM, SpikeSSMPair
    from longspike.streaming import StepDecision, StepRun

REFRESH_PER_SECOND = 20


def stream_steps(
    network: "SpikeSSM",
    source: str,
    *,
    title: str,
    names: list[str],
    pace: float | None,
    every: int | None,
    on_error: str | None,
    normalised: bool | None,
    check: bool,
    data_root: Path | None,
    json: bool,
    own: "OwnData | None" = None,
) -> int:
    """Feed a `SpikeSSM` step by step; see `longspike.cli.stream.stream`."""
    import torch

    from longspike.streaming import SequenceStream, StepDecision, WholeSequence, feed_steps

    check_options(network, (source,), pace, every, on_error, normalised)
    is_live = source == "-" and every is None
    with Waiting(f"{source}: loading"):
        feed = open_source(
            network, source, on_error=on_error, is_normalised=normalised is True, data_root=data_root, own=own
        )
    first = torch.zeros(2, dtype=torch.int64) if network.reads_tokens else torch.zeros(2, network.config.d_input)
    SequenceStream(network).push(first)  # the first call loads things; it is no step
    live, whole = SequenceStream(network), WholeSequence(network) if check else None
    last: tuple[Tensor, ...] = ()

    tell = partial(tell_decision, as_json=json)
    with LivePanel(title, names, per_second=REFRESH_PER_SECOND) as panel:

        def show(x: "Tensor", fired: "tuple[Tensor, ...]") -> None:
            nonlocal last
            last = fired
            if whole is not None:
                whole.add(x, fired)
            if is_live:
                tell(StepDecision(live.num_steps, live.answer()))
            if panel.is_due():
                draw(panel, live.num_steps, feed.num_steps, live.answer(), fired)

        run = feed_steps(live, feed.steps, pace=pace, every=every, on_step=show, on_decision=tell)
        if not run.num_steps:
            raise ConfigError("the input holds no step. Give at least one.")
        draw(panel, live.num_steps, feed.num_steps, live.answer(), last)
    is_equal = None if whole is None else compared(whole.is_equal)
    label = None if feed.label is None else names[feed.label]
    result = as_result(network, run, live.answer(), label=label, skipped=feed.skipped, is_equal=is_equal)
    facts = step_facts(result, live.answer().text, is_last=every is not None)
    return finish(result, facts, is_equal=is_equal, as_json=json, follows_lines=every is not None or is_live)


def tell_decision(decision: "StepDecision", *, as_json: bool) -> None:
    """A line on stdout, at once."""
    if as_json:
        print_json_line({"step": decision.step, **decision.answer.as_dict()})
    else:
        print_now(f"{decision.step:12,}  {decision.answer.text}")


def draw(panel: LivePanel, step: int, num_steps: int | None, answer: Any, spikes: "Sequence[Tensor]") -> None:
    """Show a step: the answer, spikes (1, d_model) of every layer."""
    rows = [row for k, layer in enumerate(spikes) for row in spike_rows(k, layer[-1], panel.width)]
    of = "" if num_steps is None else f" of {num_steps}"
    panel.show(answer.text if answer.bars is None else answer.bars, *rows, subtitle=f"step {step}{of}")


def spike_rows(index: int, spikes: "Tensor", width: int) -> tuple[Text, Text]:
    """How many neurons of a layer fire, spikes (d_model), and which, as far as the terminal is wide."""
    room = width if len(spikes) <= width else width - 1
    marks = "".join("|" if s else "·" for s in spikes[:room].tolist()) + ("…" if len(spikes) > room else "")
    return Text(f"layer {index + 1}: {int(spikes.count_nonzero())} of {len(spikes)} fire", style="dim"), Text(marks)


def as_result(
    network: "SpikeSSM | SpikeSSMPair",
    run: "StepRun",
    answer: Any,
    *,
    label: str | None,
    skipped: int,
    is_equal: bool | None,
) -> dict[str, Any]:
    """What the command says at the end; no spikes of a network that has none."""
    durations = run.durations.summary()
    return {
        **answer.as_dict(),
        "label": label,
        **answer.all_as_dict(),
        "steps": run.num_steps,
        "skipped": skipped,
        "microseconds_per_step": {name: durations[name] for name in ("p50", "p99")},
        "spikes": list(run.spikes) if network.is_spiking else None,
        "neurons": list(run.neurons),
        "equals_whole_sequence": is_equal,
    }


def step_facts(result: dict[str, Any], text: str, *, is_last: bool) -> list[tuple[str, ...]]:
    """What `as_result` says, in words; text: of the answer. is_last: whether there were answers before."""
    name = "decision" if "decision" in result else "answer"
    steps, speed = result["steps"], result["microseconds_per_step"]
    steps = steps if isinstance(steps, list) else [steps]
    lost = f", {result['skipped']:,} lines skipped" if result["skipped"] else ""
    facts: list[tuple[str, ...]] = [
        (f"last {name}" if is_last else name, f"{text}{verdict(result)}"),
        ("steps", f"{' and '.join(map(str, steps))}{lost}, {speed['p50']:.0f} us each (p99 {speed['p99']:.0f} us)"),
    ]
    if result["spikes"] is not None:
        possible, total = sum(steps) * sum(result["neurons"]), sum(result["spikes"])
        facts.append(("spikes", f"{total} of {possible} possible ({total / possible:.1%})"))
    return facts
