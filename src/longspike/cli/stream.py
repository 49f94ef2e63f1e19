"""`longspike stream`: a saved model fed as its input arrives."""

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from longspike.errors import ConfigError

_EVENTS_ONLY = ("packet_events", "packet_us", "realtime", "decide_us", "fit", "on_error")


def stream(
    model: Annotated[Path, tyro.conf.arg(metavar="MODEL")],
    source: Annotated[str, tyro.conf.arg(metavar="INPUT")],
    *,
    pace: float | None = None,
    packet_events: int | None = None,
    packet_us: int | None = None,
    realtime: Annotated[float | None, tyro.conf.arg(metavar="[FACTOR]")] = None,
    decide_us: int | None = None,
    fit: Literal["scale", "crop"] | None = None,
    on_error: Literal["raise", "skip"] | None = None,
    check: bool = False,
    data_root: Path | None = None,
    json: bool = False,
) -> int:
    """Feed a saved model step by step, or with events, and watch it decide.

    A SpikeSSM takes values normalised as in training, from a file or stdin (one step a line); samples of a data set are
    normalised here. FLAMES takes the events of a recording, packet by packet, in bounded memory.

    Args:
        model: Folder of a saved model, e.g. runs/digits/model.
        source: A recording (.raw, .aedat4, .es, .dat, .bin, .npz, .csv, ...) for FLAMES; a .npy or .csv file of
            (steps, d_input) values or - for stdin for a SpikeSSM; a test sample as digits:7 or event-digits:7 for either.
        pace: SpikeSSM: steps per second to slow down to, for watching; as fast as it goes if not given.
        packet_events: FLAMES: events pushed at a time; 1000 if not given.
        packet_us: FLAMES: push the events of so many microseconds at a time instead.
        realtime: FLAMES: push each packet when its last event is due, at FACTOR times the recording's pace (1 if
            FACTOR is left out), and measure how late decisions come.
        decide_us: FLAMES: print a decision every so many microseconds of the recording, each about the events since the
            one before; without it there is one, about everything.
        fit: FLAMES: for a recording of another sensor size. scale: x * width // recording_width, all events are kept.
            crop: the centre.
        on_error: FLAMES: raise at the first faulty record of the file, or skip and count them; raise if not given.
        check: Also run the whole input at once and fail unless the result is equal, bit for bit.
        data_root: Data folder; LONGSPIKE_DATA or ~/.cache/longspike/data if not given.
        json: Print the result as JSON.
    """
    import torch

    from longspike.models import Flames, SpikeSSM, load
    from longspike.models.checkpoint import class_names

    network = load(model)
    torch.set_num_threads(1)  # one step is too little work to share
    shared: dict[str, Any] = {"title": f"{model} <- {source}", "check": check, "data_root": data_root, "json": json}
    events_only: dict[str, Any] = dict(
        zip(_EVENTS_ONLY, (packet_events, packet_us, realtime, decide_us, fit, on_error), strict=True)
    )
    if isinstance(network, SpikeSSM):
        from longspike.cli.stream_steps import stream_steps

        _refuse(events_only, "FLAMES over events", model)
        names = class_names(model, network.config.num_outputs)
        return stream_steps(network, source, names=names, pace=pace, **shared)
    if not isinstance(network, Flames):
        kind = type(network).__name__
        raise ConfigError(f"{model} is a {kind}; `longspike stream` feeds SpikeSSM and Flames. Use {kind}.step.")
    from longspike.cli.stream_events import stream_events

    _refuse({"pace": pace}, "a SpikeSSM", model)
    names = class_names(model, network.config.num_outputs)
    return stream_events(network, source, names=names, **events_only, **shared)


def _refuse(options: dict[str, Any], kind: str, model: Path) -> None:
    """Raise if an option was given that has no effect on this kind of model."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(f"{', '.join(given)}: only for {kind}, which {model} is not. Leave it out.")
