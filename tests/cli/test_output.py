"""What commands print on terminals of 40, 80 and 140 columns, in colour, plain and ASCII, and into a pipe."""

import contextlib
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.text import Text

from event_samples import random_events
from longspike._core.characters import is_c_locale, prepare_output
from longspike._studies.transitions import TransitionSettings, study_transitions
from longspike.cli import data, events, info, recipes, stream_events, stream_steps, study
from longspike.cli.event_view import EventPicture
from longspike.cli.main import main
from longspike.cli.output import note, print_facts, print_line, print_table
from longspike.cli.panel import LivePanel
from longspike.cli.progress import count_bars, download_bars
from longspike.events import write

WIDTHS, ENCODINGS = (40, 80, 140), ("utf-8", "ascii", "latin-1")
STEPS = {
    "decision": "eight", "probability": 0.4, "label": "three", "steps": 64, "spikes": [3, 4], "neurons": [6, 6],
    "microseconds_per_step": {"p50": 12.3, "p99": 45.6}, "equals_whole_sequence": True, "skipped": 2,
}  # fmt: skip
EVENTS = {
    "decision": "owl", "probability": 0.4, "label": "cat", "decisions": [], "format": "evt3", "sensor_size": [40, 30],
    "duration_us": 500_000, "events": 2500, "packets": 3, "late": 0, "far": 3, "clock_jumps": 4, "skipped": 2, "cropped": 1,
    "steps": 400, "ticks": 9,
    "wall_s": 0.1, "stream_s": 0.02, "events_per_s": 1e6, "us_per_event": 0.9, "process_memory_bytes": 1 << 28,
    "latency_us": {"p50": 1.0, "p99": 2.0, "max": 3.0}, "stream_memory_bytes": 1 << 20, "equals_whole_recording": False,
    "realtime": {"factor": 2.0, "lateness_us": {"p50": None}, "end_to_end_us": {"p50": 1.0, "p99": 2.0, "max": 3.0}},
    "layers": [{"name": f"memory {k}", "rate": 0.01 * k} for k in range(9)],
}  # fmt: skip
BENCH = [
    ("longspike, channels last", "1.23 (1.20 .. 1.31)", "0.123", "8.1", "55 % (50 .. 60)", "1.00x"),
    ("torch loop", "123 (120 .. 131)", "12.3", "", "1 % (1 .. 1)", "100x (98 .. 104)"),
    ("memory traffic", "0.6 (0.6 .. 0.7)", "0.06", "16", "", ""),
]
BENCH_HEADER = ("", "ms, median (min .. max)", "ns/element", "GFLOP/s, as if dense", "share of the limit", "times ours")


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str, *, is_terminal: bool = True) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n", write_through=True)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def text(self) -> str:
        return self.buffer.getvalue().decode(self.encoding, "surrogateescape")  # type: ignore[attr-defined]


def shown(
    monkeypatch: pytest.MonkeyPatch,
    show: Callable[[], object],
    *,
    width: int = 80,
    encoding: str = "utf-8",
    is_terminal: bool = True,
    is_error: bool = False,
    **environment: str,
) -> str:
    """What `show` writes to a stdout, or stderr, of this kind."""
    for name in ("NO_COLOR", "FORCE_COLOR", "LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"COLUMNS": str(width), "LINES": "30", "TERM": "xterm-256color", **environment}.items():
        monkeypatch.setenv(name, value)
    streams = [Terminal(encoding, is_terminal=is_terminal) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        prepare_output()
        show()
    return streams[is_error].text()


def plain(text: str) -> str:
    """Without the sequences that set colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture
def prints(tmp_path: Path) -> dict[str, Callable[[], object]]:
    """Every command that prints a table or facts."""
    write(tmp_path / "r.raw", random_events(500, (40, 30), duration_us=100_000, seed=5), sensor_size=(40, 30))
    transitions = study_transitions(TransitionSettings(d_state=2, ranks=(1,), points_per_decade=1, num_spikes=3))

    def print_study() -> None:
        header, *rows = study._transition_rows(transitions)
        print_table(rows, header=header)

    return {
        "recipes": lambda: recipes.recipes(),
        "recipe": lambda: recipes.recipes("digits"),
        "data": lambda: data.data("list"),
        "status": lambda: data.data("status", data_root=tmp_path),
        "info": lambda: info.info(),
        "events": lambda: events.events("info", tmp_path / "r.raw"),
        "steps": lambda: print_facts(stream_steps.step_facts(STEPS, "eight (40.0%)", is_last=False)),
        "stream": lambda: print_facts(stream_events._facts(EVENTS, "decision")),
        "bench": lambda: print_table(BENCH, header=BENCH_HEADER, title="neuron, forward", indent=2),
        "study": print_study,
        "evaluation": lambda: print_facts(
            [("accuracy", "94.72 %", "360 samples"), (), ("energy, full", "1.34 µJ a sample", "3.2x below dense")],
            title="digits, test split",
            remark="dense: the same network with GELU; energy is computed, not measured",
        ),
    }


NAMES = ("recipes", "recipe", "data", "status", "info", "events", "steps", "stream", "bench", "study", "evaluation")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_tables_fit_every_terminal(
    name: str, encoding: str, prints: dict[str, Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word is broken, and no line is longer than the terminal unless it is one word."""
    piped = shown(monkeypatch, prints[name], encoding=encoding, is_terminal=False)
    assert "\x1b" not in piped
    for width in WIDTHS:
        text = plain(shown(monkeypatch, prints[name], width=width, encoding=encoding))
        found = {word.rstrip(":") for word in text.split()}
        assert {word.rstrip(":") for word in piped.split()} <= found
        for line in text.splitlines():
            assert len(line) <= width or len(line.split()) == 1, line
            assert line == line.rstrip()


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_gets_whole_lines(
    name: str, prints: dict[str, Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many lines as there are rows, whatever COLUMNS says."""
    narrow = shown(monkeypatch, prints[name], width=30, is_terminal=False)
    assert narrow == shown(monkeypatch, prints[name], width=300, is_terminal=False)
    wide = plain(shown(monkeypatch, prints[name], width=1000))
    assert narrow == wide


def test_columns_where_they_fit_and_a_stack_where_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def show() -> None:
        print_table([("one", "a b c d e f g", "short"), ("twenty-two", "h i", "")], header=("name", "letters", "size"))

    assert plain(shown(monkeypatch, show, width=40)).splitlines() == [
        "name        letters        size",
        "one         a b c d e f g  short",
        "twenty-two  h i",
    ]
    assert plain(shown(monkeypatch, show, width=20)).splitlines() == [
        "name: one",
        "  letters: a b c d e",
        "    f g",
        "  size: short",
        "name: twenty-two",
        "  letters: h i",
    ]


def test_the_widest_column_folds_first(monkeypatch: pytest.MonkeyPatch) -> None:
    text = plain(shown(monkeypatch, lambda: print_facts([("name", "word " * 12, "remark")]), width=48))
    assert text.splitlines()[0] == "name  word word word word word word word  remark"
    assert text.splitlines()[1] == "      word word word word word"


def test_colours_are_left_out_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def show() -> None:
        print_table([("a", "b")])

    assert "\x1b[1m" in shown(monkeypatch, show)
    for environment in ({"TERM": "dumb"}, {"TERM": "unknown"}):
        assert shown(monkeypatch, show, **environment) == "a  b\n"
        assert shown(monkeypatch, lambda: print_line("one two"), width=5, **environment) == "one\ntwo\n"
    assert not re.search(r"\x1b\[[0-9;]*3\d", shown(monkeypatch, show, NO_COLOR="1"))


def test_remarks_fold_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "  error: there is no such thing in here"
    assert (
        shown(monkeypatch, lambda: note(text), width=20, is_error=True)
        == "  error: there is no\n  such thing in here\n"
    )
    assert shown(monkeypatch, lambda: note(text), width=20, is_error=True, is_terminal=False) == text + "\n"
    assert shown(monkeypatch, lambda: print_line("a" * 30), width=20) == "a" * 30 + "\n"


def test_what_an_encoding_lacks_is_written_in_plain_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    def show() -> None:
        print_line("3 µJ │ 2 → 3 … \udcff é")

    assert shown(monkeypatch, show, encoding="utf-8", is_terminal=False).startswith("3 µJ │ 2 → 3 … ")
    streams = {"ascii": r"3 uJ | 2 > 3 . ", "latin-1": "3 µJ | 2 > 3 . "}
    for encoding, start in streams.items():
        stream = Terminal(encoding, is_terminal=False)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            prepare_output()
            show()
        assert stream.buffer.getvalue() == (  # type: ignore[attr-defined]
            start.encode(encoding) + b"\xff " + (b"\\xe9" if encoding == "ascii" else b"\xe9") + b"\n"
        )


@pytest.mark.parametrize(
    ("environment", "is_c"),
    [
        ({}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),  # what Python makes of LANG=C
        ({"LANG": "C", "LC_CTYPE": "de_DE.UTF-8"}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "POSIX"}, True),
    ],
)
def test_the_c_locale_is_known(environment: dict[str, str], is_c: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_c_locale(environment) is is_c
    text = shown(monkeypatch, lambda: print_line("µ"), **environment)
    assert text == ("u\n" if is_c else "µ\n")
    assert shown(monkeypatch, lambda: print_line("µ"), is_terminal=False, **environment) == "µ\n"


@pytest.mark.parametrize("words", [["--help"], ["recipes", "--help"], ["trian"]])
def test_help_and_errors_can_be_written_in_ascii(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def show() -> None:
        with contextlib.suppress(SystemExit):
            main(words)

    monkeypatch.setattr("longspike.cli.main.prepare_process", lambda: None)
    text = shown(monkeypatch, show, encoding="ascii", is_error=words == ["trian"])
    assert "recipes" in text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_panel_fits(width: int, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"class {k}" for k in range(12)]

    def show() -> None:
        with LivePanel("model <- input", names, per_second=1) as panel:
            assert panel.is_on
            assert (panel.is_due(), panel.is_due()) == (True, False)
            rows = stream_steps.spike_rows(0, torch.ones(300), panel.width)
            picture = EventPicture((40, 30), columns=30, rows=5)
            beside = picture.render(has_colours=panel.has_colours)
            panel.show(torch.arange(12.0) / 66, *rows, subtitle="step 3", beside=beside)

    text = plain(shown(monkeypatch, show, width=width, encoding=encoding, is_error=True))
    lines = [line for line in re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "\n", text).splitlines() if line.strip()]
    assert {len(line) for line in lines} <= {*range(1, width + 1)}
    assert any("class 11" in line and "16.7%" in line for line in lines)
    assert any("layer 1: 300 of 300 fire" in line for line in lines)
    assert (
        shown(monkeypatch, lambda: LivePanel("t", names, per_second=1).show(torch.ones(2), subtitle=""), TERM="dumb")
        == ""
    )


def test_a_picture_without_colours_has_shades() -> None:
    picture = EventPicture((4, 4), columns=4, rows=2)
    picture.add(random_events(50, (2, 4), duration_us=100, seed=1))
    text = picture.render(has_colours=False)
    assert isinstance(text, Text)
    assert [line[2:] for line in text.plain.split("\n")] == ["  ", "  "]
    assert "@" in text.plain


@pytest.mark.parametrize("width", WIDTHS)
def test_progress_fits(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for bars, name in ((count_bars, "evaluating"), (download_bars, "t10k-images-idx3-ubyte.gz")):

        def show(bars: Callable = bars, name: str = name) -> None:
            with bars() as shown_bars:
                shown_bars.update(name, 5_000_000, 10_000_000)
                shown_bars._drawn.refresh()

        text = plain(shown(monkeypatch, show, width=width, is_error=True))
        lines = [line for line in re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\r", "\n", text).splitlines() if line.strip()]
        assert any(name in line for line in lines)
        assert max(map(len, lines)) <= width
        assert shown(monkeypatch, show, width=width, is_error=True, is_terminal=False) == ""
