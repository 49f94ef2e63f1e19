"""What was found in people's own data, as rows for a table, each with the option that says it otherwise."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longspike.data import OwnData

KINDS = {
    "wide": "a table, a row a sample",
    "long": "a table, a row a step",
    "arrays": "arrays of NumPy",
    "ts": "a .ts file",
    "folder": "a folder of files",
    "events": "recordings of events, a folder per class",
    "text": "a text",
}
MOST_NAMES = 6
Fact = tuple[str, str, str]


def own_facts(own: "OwnData") -> list[Fact]:
    """Name, what was found, and the option that says another."""
    reading = own.reading
    parts = own.unit if reading.kind == "text" else "pieces" if reading.window else "samples"
    counts = f"{own.num_train:,} to train, {own.num_val:,} to validate, {own.num_test:,} to test"
    facts = [
        ("data", KINDS[reading.kind or "events"], "--kind"),
        *_columns(own),
        *_answers(own),
        (parts, counts, "--test-share, --val-share"),
        ("division", own.division, _division_options(own)),
    ]
    facts += [("test samples", Path(reading.test).name, "--test")] if reading.test else []
    if own.sensor_size is not None:
        return [*facts, ("sensor", "{} x {} pixels".format(*own.sensor_size), "--sensor-size")]
    if reading.kind == "text":
        return [*facts, ("what comes next", f"one of {own.num_tokens:,} {own.unit}", "--unit"), *_marks(own)]
    steps = f"{own.longest:,}" if own.shortest == own.longest else f"{own.shortest:,} to {own.longest:,}"
    pace = "" if own.steps_per_second is None else f", {own.steps_per_second:g} a second"
    facts.append(("steps", f"{steps} a sample{pace}", "--frame" if reading.frame else ""))
    facts.append(("values a step", _channels(own), "--channels" if reading.kind == "wide" else "--values"))
    facts.append(("normalised", _normalised(own), "--normalise"))
    facts += [("left out", _names(own.left_out), "")] if own.left_out else []
    return facts


def _marks(own: "OwnData") -> list[Fact]:
    words = {"apart": "words of their own", "kept": "as they are in the text", None: ""}
    return [("marks", words[own.reading.marks], "--marks")] if own.reading.marks else []


def _answers(own: "OwnData") -> list[Fact]:
    if own.task == "forecasting":
        return [("forecast", _names(own.class_names), "--horizon")]
    if own.task == "regression":
        mean, deviation = -own.target_shift / own.target_scale, 1 / own.target_scale
        return [("learnt", f"{own.class_names[0]}: mean {mean:.4g}, deviation {deviation:.4g}", "")]
    return [("classes", _names(own.class_names), "")] if own.class_names else []


def _division_options(own: "OwnData") -> str:
    if own.reading.kind == "text":
        return ""
    return "--window" if own.reading.window else "--group, --split-seed"


def _columns(own: "OwnData") -> list[Fact]:
    reading = own.reading
    found = [("label", reading.label, "--label")]
    found += [("sample", reading.sample, "--sample"), ("order of steps", reading.time, "--time")]
    return [
        (name, f"column {value!r}" if reading.kind in ("wide", "long") else value, option)
        for name, value, option in found
        if value
    ]


def _names(names: tuple[str, ...]) -> str:
    shown = names if len(names) <= MOST_NAMES else (*names[: MOST_NAMES - 1], "...")
    return f"{len(names)}: {', '.join(shown)}"


def _channels(own: "OwnData") -> str:
    if own.reading.kind != "wide":
        return _names(own.channel_names)
    columns = own.reading.values or ()
    return f"{own.d_input}, from the columns {columns[0]!r} to {columns[-1]!r}"


def _normalised(own: "OwnData") -> str:
    words = {"none": "no", "all": "all values together", "channel": "each channel by itself"}
    return words[own.reading.normalise or "none"]
