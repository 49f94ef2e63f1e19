"""`longspike stream` for a SpikeSSMPair: two sequences fed step by step, in turns."""

from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from longspike.cli.panel import LivePanel
from longspike.cli.stream_result import compared, finish
from longspike.cli.stream_sources import check_options, open_source
from longspike.cli.stream_steps import REFRESH_PER_SECOND, as_result, spike_rows, step_facts, tell_decision
from longspike.cli.waiting import Waiting
from longspike.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from longspike.models import SpikeSSMPair
    from longspike.streaming import PairStream, StepSource


def stream_pair(
    network: "SpikeSSMPair",
    sources: tuple[str, ...],
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
) -> int:
    """Feed a `SpikeSSMPair` step by step, one of each side in turn; see `longspike.cli.stream.stream`."""
    import torch

    from longspike.streaming import PairStream, StepDecision, WholePair, feed_pair

    check_options(network, sources, pace, every, on_error, normalised)
    is_live = "-" in sources and every is None
    with Waiting(f"{', '.join(sources)}: loading"):
        feeds = _open(network, sources, on_error=on_error, is_normalised=normalised is True, data_root=data_root)
    live, whole = PairStream(network), WholePair(network) if check else None
    first = torch.zeros(2, dtype=torch.int64) if network.reads_tokens else torch.zeros(2, network.config.d_input)
    PairStream(network).push(first, side="first")  # the first call loads things; it is no step
    tell = partial(tell_decision, as_json=json)
    fired: dict[str, tuple[Tensor, ...]] = {}
    with LivePanel(title, names, per_second=REFRESH_PER_SECOND) as panel:

        def show(side: str, x: "Tensor", spikes: "tuple[Tensor, ...]") -> None:
            fired[side] = spikes
            if whole is not None:
                whole.add(side, x, spikes)
            if is_live and len(fired) == 2:
                tell(StepDecision(max(live.num_steps), live.answer()))
            if len(fired) == 2 and panel.is_due():
                _draw(panel, live, feeds, fired)

        sides = [_at_least_one(feed, k, sources) for k, feed in enumerate(feeds)]
        run = feed_pair(live, *sides, pace=pace, every=every, on_step=show, on_decision=tell)
        _draw(panel, live, feeds, fired)
    is_equal = None if whole is None else compared(whole.is_equal)
    label = None if feeds[0].label is None else names[feeds[0].label]
    skipped = sum(feed.skipped for feed in feeds)
    result = as_result(network, run, live.answer(), label=label, skipped=skipped, is_equal=is_equal)
    result["steps"] = list(live.num_steps)
    facts = step_facts(result, live.answer().text, is_last=every is not None)
    return finish(result, facts, is_equal=is_equal, as_json=json, follows_lines=every is not None or is_live)


def _open(
    network: "SpikeSSMPair",
    sources: tuple[str, ...],
    *,
    on_error: str | None,
    is_normalised: bool,
    data_root: Path | None,
) -> "tuple[StepSource, StepSource]":
    """The steps of both sides, of a pair of a data set or of two files."""
    from longspike.streaming import open_pair

    if len(sources) == 1 and ":" in sources[0]:
        options = {"d_input": network.config.d_input, "is_tokens": network.reads_tokens, "data_root": data_root}
        return open_pair(sources[0], **options)  # type: ignore[arg-type]
    if len(sources) != 2:
        raise ConfigError(
            f"a SpikeSSMPair compares two inputs; got one, {sources[0]}. Name a file for each, or a pair of a data set as "
            "novel-pairs:7."
        )
    if sources == ("-", "-"):
        raise ConfigError("stdin cannot be both sides of a pair. Name a file for one of them.")
    options = {"on_error": on_error, "is_normalised": is_normalised, "data_root": data_root, "own": None}
    first, second = (open_source(network, source, **options) for source in sources)  # type: ignore[arg-type]
    return first, second


def _at_least_one(feed: "StepSource", side: int, sources: tuple[str, ...]) -> "Iterator[Tensor]":
    """The steps of a side; ConfigError if there is none."""
    first = next(feed.steps, None)
    if first is None:
        name = sources[side].replace("-", "stdin", sources[side] == "-") if len(sources) == 2 else sources[0]
        raise ConfigError(f"{name} holds no step. Give at least one on each side.")
    return chain([first], feed.steps)


def _draw(
    panel: LivePanel, live: "PairStream", feeds: "tuple[StepSource, StepSource]", fired: "dict[str, tuple[Tensor, ...]]"
) -> None:
    """Show a moment: the answer, and of each side the step and which neurons of each layer fire, spikes (1, d_model)."""
    rows = []
    for (side, spikes), step, feed in zip(sorted(fired.items()), live.num_steps, feeds, strict=True):
        of = "" if feed.num_steps is None else f" of {feed.num_steps}"
        rows.append(Text(f"{side}: step {step}{of}", style="dim"))
        rows += [spike_rows(k, layer[-1], panel.width)[1] for k, layer in enumerate(spikes)]
    panel.show(live.answer().bars, *rows, subtitle="first and second side")
