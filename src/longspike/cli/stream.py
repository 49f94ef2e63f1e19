"""`longspike stream`: a saved model fed as its input arrives."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from longspike.cli.output import note
from longspike.cli.waiting import Waiting
from longspike.errors import ConfigError

if TYPE_CHECKING:
    from longspike.data import OwnData

_FEEDS = {
    "SpikeSSM": "stream_steps",
    "SpikeLM": "stream_steps",
    "SpikeSSMPair": "stream_pair",
    "Flames": "stream_events",
}
"""By kind of network: the file, and the function in it, that feeds it."""
_OPTIONS = {
    "SpikeSSM": ("pace", "every", "normalised"),
    "Flames": (
        *("packet_events", "packet_us", "realtime", "decide_us", "max_gap_us", "fit"),
        *("format", "columns", "time_unit"),
    ),
}


def stream(
    model: Annotated[Path, tyro.conf.arg(metavar="MODEL")],
    source: Annotated[str, tyro.conf.arg(metavar="INPUT")],
    second: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[SECOND]")] = None,
    *,
    pace: float | None = None,
    every: int | None = None,
    packet_events: int | None = None,
    packet_us: int | None = None,
    realtime: Annotated[float | None, tyro.conf.arg(metavar="[FACTOR]")] = None,
    decide_us: int | None = None,
    max_gap_us: int | None = None,
    fit: Literal["scale", "crop"] | None = None,
    format: str | None = None,  # noqa: A002
    columns: str | None = None,
    time_unit: Literal["s", "ms", "us", "ns"] | None = None,
    on_error: Literal["raise", "skip"] | None = None,
    normalised: bool = False,
    check: bool = False,
    data_root: Path | None = None,
    json: bool = False,
) -> int:
    """Feed a saved model step by step, or with events, and watch it decide.

    A SpikeSSM takes raw values from a file or stdin (one step a line), normalised here as its training data was; one that
    reads texts takes a text, which its vocabulary turns into tokens. A SpikeSSMPair takes two inputs, one for each side of
    the pair, which it reads in turns. FLAMES takes the events of a recording, packet by
    packet. Memory does not grow, however long it runs, and decisions are printed as they are made.

    Args:
        model: Folder of a saved model, e.g. runs/digits/model.
        source: A recording (.raw, .aedat4, .es, .dat, .bin, .npz, .csv, ...) for FLAMES; a .npy or .csv file of
            (steps, d_input) values, a .wav file (one value a step), a file of text, or - for stdin for a SpikeSSM, and for
            one that was trained on own data any file like them, as FILE:7 if it holds several samples; a test sample as
            digits:7 or event-digits:7 for either. For a SpikeSSMPair the first side, or both as novel-pairs:7.
        second: SpikeSSMPair: the second side, if the first input does not hold both.
        pace: SpikeSSM: steps per second to slow down to, for watching; as fast as it goes if not given.
        every: SpikeSSM: print a decision every so many steps, each about the steps since the one before; without it there
            is one, about everything, and from stdin a line after every step says what it is so far. Of a SpikeSSMPair each
            is about everything so far.
        packet_events: FLAMES: events pushed at a time; 1000 if not given.
        packet_us: FLAMES: push the events of so many microseconds at a time instead.
        realtime: FLAMES: push each packet when its last event is due, at FACTOR times the recording's pace (1 if
            FACTOR is left out), and measure how late decisions come. A packet is then a step of the model, or as many as
            make a millisecond of real time, if it is not given.
        decide_us: FLAMES: print a decision every so many microseconds of the recording, each about the events since the
            one before; without it there is one, about everything.
        max_gap_us: FLAMES: an event whose time is further than this from the latest step is dropped and counted as far,
            unless 32 in a row agree that the clock has jumped; 10,000,000 (10 s) if not given.
        fit: FLAMES: for a recording of another sensor size. scale: x * width // recording_width, all events are kept.
            crop: the centre.
        format: FLAMES: the format of a recording whose content does not say it, as for `longspike events`.
        columns: FLAMES: names of the columns of a text in their order, e.g. t,x,y,p, if it does not say them.
        time_unit: FLAMES: of times that are no whole microseconds, if the recording does not say it.
        on_error: raise at the first faulty record of a recording or line of stdin, or skip and count them; raise if not
            given.
        normalised: SpikeSSM: the values of the file or stdin are normalised already, and in the order that the model
            reads.
        check: Also run the whole input at once and fail unless the result is equal, bit for bit.
        data_root: Data folder; LONGSPIKE_DATA or ~/.cache/longspike/data if not given.
        json: Print the result as JSON; where decisions are printed, a JSON document a line, of which the last is the
            result.
    """
    with Waiting(f"{model}: loading"):
        import torch

        from longspike.models import load

        network: Any = load(model)
    torch.set_num_threads(1)  # one step is too little work to share
    kind = _checked_kind(network, model, second)
    options: dict[str, Any] = {
        "pace": pace,
        "every": every,
        "normalised": normalised or None,
        "packet_events": packet_events,
        "packet_us": packet_us,
        "realtime": realtime,
        "decide_us": decide_us,
        "max_gap_us": max_gap_us,
        "fit": fit,
        "format": format,
        "columns": columns,
        "time_unit": time_unit,
    }
    other = "SpikeSSM" if kind == "Flames" else "Flames"
    _refuse({name: options.pop(name) for name in _OPTIONS[other]}, other, model)
    sources = (source,) if second is None else (source, second)
    _say_if_nameless(network)
    options |= {"own": _own_data(model)} if _FEEDS[kind] == "stream_steps" else {}
    return getattr(import_module(f"longspike.cli.{_FEEDS[kind]}"), _FEEDS[kind])(  # type: ignore[no-any-return]
        network,
        sources if kind == "SpikeSSMPair" else source,
        title=f"{model} <- {', '.join(sources)}",
        names=list(network.class_names),
        on_error=on_error,
        check=check,
        data_root=data_root,
        json=json,
        **options,
    )


def _checked_kind(network: Any, model: Path, second: str | None) -> str:
    """The name of the network's class; ConfigError for one that cannot be fed, or not with a second input."""
    kind = type(network).__name__
    if kind not in _FEEDS:
        way = "predict" if getattr(network, "step", None) is None else "step"
        raise ConfigError(f"{model} is a {kind}; `longspike stream` feeds {' and '.join(_FEEDS)}. Use {kind}.{way}.")
    if second is not None and kind != "SpikeSSMPair":
        raise ConfigError(f"SECOND {second}: only for a SpikeSSMPair, which {model} is not. Leave it out.")
    return kind


def _own_data(model: Path) -> "OwnData | None":
    """The own data that a model was trained on, by which files are read."""
    from longspike.data.own import own_data_of
    from longspike.models import checkpoint

    return own_data_of(checkpoint.read_description(checkpoint.model_folder(model))["metadata"])


def _say_if_nameless(network: Any) -> None:
    if network.task.has_classes and network.input_spec.class_names != network.class_names:
        note("the model has no names of its classes: they are shown by their numbers")


def _refuse(options: dict[str, Any], kind: str, model: Path) -> None:
    """Raise if an option was given that has no effect on this kind of model."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(f"{', '.join(given)}: only for a {kind}, which {model} is not. Leave it out.")
