"""`longspike stream` for a SpikeSSM: fed step by step."""

import sys
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from longspike.cli.output import note, print_json_line, print_now
from longspike.cli.panel import LivePanel
from longspike.cli.stream_result import compared, finish, verdict
from longspike.cli.waiting import Waiting
from longspike.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from longspike.data import OwnData
    from longspike.models import InputSpec, SpikeSSM
    from longspike.streaming import StepRun, StepSource

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

    _check_options(network, source, pace, every, on_error, normalised)
    is_live = source == "-" and every is None
    with Waiting(f"{source}: loading"):
        feed = _open(network, source, on_error=on_error, is_normalised=normalised is True, data_root=data_root, own=own)
    first = torch.zeros(2, dtype=torch.int64) if network.reads_tokens else torch.zeros(2, network.config.d_input)
    SequenceStream(network).push(first)  # the first call loads things; it is no step
    live, whole = SequenceStream(network), WholeSequence(network) if check else None
    last: tuple[Tensor, ...] = ()

    def tell(decision: "StepDecision") -> None:
        if json:
            print_json_line({"step": decision.step, **decision.answer.as_dict()})
        else:
            print_now(f"{decision.step:12,}  {decision.answer.text}")

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
    result = _as_dict(run, live.answer(), label, feed.skipped, is_equal)
    if not network.config.neuron.is_spiking:
        result["spikes"] = None
    facts = _facts(result, live.answer().text, is_last=every is not None)
    return finish(result, facts, is_equal=is_equal, as_json=json, follows_lines=every is not None or is_live)


def _open(
    network: "SpikeSSM",
    source: str,
    *,
    on_error: str | None,
    is_normalised: bool,
    data_root: Path | None,
    own: "OwnData | None",
) -> "StepSource":
    """The steps of `source`, for a network of values or of tokens."""
    from longspike.streaming import open_steps, open_tokens

    d_input, spec = network.config.d_input, network.input_spec
    if network.reads_tokens:
        lines = _stdin_text() if source == "-" else ()
        return open_tokens(source, d_input=d_input, lines=lines, data_root=data_root, vocabulary=spec.vocabulary)
    feed = open_steps(
        source,
        d_input=d_input,
        lines=_stdin(d_input) if source == "-" else (),
        on_error=on_error or "raise",
        data_root=data_root,
        input_spec=_input_spec(network, source, is_normalised, own),
        own=own,
    )
    if spec.scale is None and not is_normalised and _is_raw(source, own):
        note("the model does not say how its data was normalised: values are taken as they are")
    if feed.steps_per_second is not None and (remark := spec.pace_remark(feed.steps_per_second)):
        note(remark)
    return feed


def _check_options(
    network: "SpikeSSM",
    source: str,
    pace: float | None,
    every: int | None,
    on_error: str | None,
    normalised: bool | None,
) -> None:
    if pace is not None and pace <= 0:
        raise ConfigError(f"--pace must be positive; got {pace:g}.")
    if every is not None and every < 1:
        raise ConfigError(f"--every must be at least 1; got {every}.")
    if network.reads_tokens and (normalised or on_error is not None):
        given = "--normalised" if normalised else f"--on-error {on_error}"
        raise ConfigError(f"{given} has no effect: it is about numbers, and the model reads tokens. Leave it out.")
    if on_error is not None and source != "-":
        raise ConfigError(f"--on-error {on_error} has no effect: it is about lines from stdin. Leave it out.")


def _is_raw(source: str, own: "OwnData | None") -> bool:
    """Whether the values come from a file or stdin, not from a data set, which knows its normalisation."""
    from longspike.data.own import split_index
    from longspike.streaming.step_source import FILES

    is_file = own is not None and split_index(source)[0].exists()
    return source == "-" or is_file or source.endswith(FILES)


def _input_spec(network: "SpikeSSM", source: str, is_normalised: bool, own: "OwnData | None") -> "InputSpec":
    """How the values of `source` become the network's input; with a word on stderr where that is not known."""
    if is_normalised and not _is_raw(source, own):
        raise ConfigError(f"--normalised has no effect on {source}: it is about files and stdin. Leave it out.")
    spec = network.input_spec
    return replace(spec, scale=None, shift=None, permutation=None) if is_normalised else spec


def _stdin(d_input: int) -> "Iterator[str]":
    """Its lines as they come, whatever bytes are in them."""
    from longspike.streaming import bounded_lines

    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    return bounded_lines(sys.stdin, d_input=d_input)


def _stdin_text() -> "Iterator[str]":
    """Its text as it comes, a line or a part of a long one at a time, in UTF-8 whatever bytes are in it."""
    from longspike.streaming import LINE_CHARACTERS

    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace", newline="")
    return iter(lambda: sys.stdin.readline(LINE_CHARACTERS), "")


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


def _as_dict(run: "StepRun", answer: Any, label: str | None, skipped: int, is_equal: bool | None) -> dict[str, Any]:
    durations = run.durations.summary()
    return {
        **answer.as_dict(),
        "label": label,
        **answer.all_as_dict(),
        "steps": run.num_steps,
        "skipped": skipped,
        "microseconds_per_step": {name: durations[name] for name in ("p50", "p99")},
        "spikes": list(run.spikes),
        "neurons": list(run.neurons),
        "equals_whole_sequence": is_equal,
    }


def _facts(result: dict[str, Any], text: str, *, is_last: bool) -> list[tuple[str, ...]]:
    name = "decision" if "decision" in result else "answer"
    speed = result["microseconds_per_step"]
    lost = f", {result['skipped']:,} lines skipped" if result["skipped"] else ""
    facts: list[tuple[str, ...]] = [
        (f"last {name}" if is_last else name, f"{text}{verdict(result)}"),
        ("steps", f"{result['steps']}{lost}, {speed['p50']:.0f} us each (p99 {speed['p99']:.0f} us)"),
    ]
    if result["spikes"] is not None:
        possible, total = result["steps"] * sum(result["neurons"]), sum(result["spikes"])
        facts.append(("spikes", f"{total} of {possible} possible ({total / possible:.1%})"))
    return facts
