"""What `longspike stream` is fed with, step by step: files, stdin and samples of data sets."""

import sys
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from longspike.cli.output import note
from longspike.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from longspike.data import OwnData
    from longspike.models import InputSpec, SpikeSSM, SpikeSSMPair
    from longspike.streaming import StepSource


def open_source(
    network: "SpikeSSM | SpikeSSMPair",
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


def check_options(
    network: "SpikeSSM | SpikeSSMPair",
    sources: tuple[str, ...],
    pace: float | None,
    every: int | None,
    on_error: str | None,
    normalised: bool | None,
) -> None:
    """Raise ConfigError for an option that is out of range, or has no effect on this network and these sources."""
    if pace is not None and pace <= 0:
        raise ConfigError(f"--pace must be positive; got {pace:g}.")
    if every is not None and every < 1:
        raise ConfigError(f"--every must be at least 1; got {every}.")
    if network.reads_tokens and (normalised or on_error is not None):
        given = "--normalised" if normalised else f"--on-error {on_error}"
        raise ConfigError(f"{given} has no effect: it is about numbers, and the model reads tokens. Leave it out.")
    if on_error is not None and "-" not in sources:
        raise ConfigError(f"--on-error {on_error} has no effect: it is about lines from stdin. Leave it out.")


def _is_raw(source: str, own: "OwnData | None") -> bool:
    """Whether the values come from a file or stdin, not from a data set, which knows its normalisation."""
    from longspike.data.own import split_index
    from longspike.streaming.step_source import FILES

    is_file = own is not None and split_index(source)[0].exists()
    return source == "-" or is_file or source.endswith(FILES)


def _input_spec(
    network: "SpikeSSM | SpikeSSMPair", source: str, is_normalised: bool, own: "OwnData | None"
) -> "InputSpec":
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
