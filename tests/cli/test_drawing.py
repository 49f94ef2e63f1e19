"""What is redrawn on a terminal: bars that keep their width, lines that stay whole above them, stages, the live panel."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cli.test_output import ENCODINGS, WIDTHS, plain, shown
from longspike.cli.main import main
from longspike.cli.output import print_line, print_table
from longspike.cli.panel import LivePanel
from longspike.cli.progress import TrainingProgress
from longspike.cli.waiting import Stages, Waiting
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.training import Progress, Score


def drawn(text: str) -> list[str]:
    """The lines that a terminal was given, one after the other, without what moves the cursor."""
    return [line.rstrip() for line in re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\r", "\n", text).splitlines() if line.strip()]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_training_fits_and_its_lines_stay_whole(width: int, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line an epoch above a bar that keeps its width, even at the end of a long training."""
    score = Score(loss=2.3281, metrics={"accuracy": 0.2222}, rate=0.0404, layer_rates=(0.04,), num_samples=9)
    state = Progress(
        epoch=199, num_epochs=200, step=123_400, num_steps=123_456, train=score, val=score, seconds=36_000.0,
        steps_per_second=1234.5,
    )  # fmt: skip

    def show() -> None:
        with TrainingProgress("digits: the demo", waiting="digits: reading digits") as progress:
            progress.update(replace(state, val=None))
            progress.update(state)
            progress._bars._drawn.refresh()

    lines = drawn(plain(shown(monkeypatch, show, width=width, encoding=encoding, is_error=True)))
    assert any("digits: reading digits" in line for line in lines)
    assert all(len(line) <= width for line in lines)
    bars = {len(match[0]) for line in lines for match in re.finditer(r"[\u2500-\u257f-]{8,}", line)}
    assert bars
    assert bars <= {11, 12}  # half a cell is a blank in ASCII
    said = " ".join(lines)
    assert " ".join(said.split()).count("val loss 2.328, accuracy 22.2%, firing 4.0%") == 1
    piped = shown(monkeypatch, show, width=width, is_error=True, is_terminal=False)
    assert piped.splitlines() == [
        "digits: the demo",
        "epoch 199/200  10:00:00  loss 2.328, val loss 2.328, accuracy 22.2%, firing 4.0%  (0:00 left)",
    ]


def test_a_stream_says_what_it_is_waiting_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SpikeSSM(SpikeSSMConfig(d_model=6, num_layers=1, d_state=4)).save(tmp_path / "m")
    np.save(tmp_path / "x.npy", np.zeros(9, np.float32))
    words = ["stream", str(tmp_path / "m"), str(tmp_path / "x.npy"), "--check", "--normalised"]
    text = plain(shown(monkeypatch, lambda: main(words), width=200, is_error=True))
    said = [f"{tmp_path / 'm'}: loading", f"{tmp_path / 'x.npy'}: loading", "comparing with the whole at once"]
    places = [text.index(words) for words in said]
    assert places == sorted(places)
    piped = shown(monkeypatch, lambda: main(words), is_error=True, is_terminal=False)
    assert "loading" not in piped


def test_what_is_printed_goes_above_what_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """On one terminal; a file that stdout leads to gets what is printed, and nothing of the rest."""

    def show() -> None:
        with Waiting("loading"):
            print_line("a result")
            print_table([("a", "b")])
        print_line("afterwards")

    assert "a result" in plain(shown(monkeypatch, show, is_error=True))
    assert shown(monkeypatch, show).endswith("afterwards\n")
    assert shown(monkeypatch, show, is_terminal=False) == "a result\na  b\nafterwards\n"
    assert shown(monkeypatch, show, is_terminal=False, is_error=True) == ""


def test_stages_are_a_line_each_in_a_pipe_and_one_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def show() -> None:
        with Stages() as stages:
            for stage, running in (
                ("growth, round 1 of 2", "scan, length 4"),
                ("growth, round 1 of 2", "neuron"),
                ("end", ""),
            ):
                stages.show(stage, running)

    assert shown(monkeypatch, show, is_error=True, is_terminal=False) == "  growth, round 1 of 2\n  end\n"
    lines = drawn(plain(shown(monkeypatch, show, is_error=True)))
    assert any(line.endswith("growth, round 1 of 2: scan, length 4") for line in lines)
    assert lines[-1].endswith("end")


def test_bars_of_the_panel_keep_their_width(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a gesture with a name as long as the terminal is wide", "clap"]

    def show() -> None:
        with LivePanel("t", names, per_second=1) as panel:
            panel.show(torch.tensor([0.75, 0.25]), subtitle="")

    text = plain(shown(monkeypatch, show, width=40, is_error=True))
    assert "\u2588" * 6 + "\u00b7" * 2 in text
    assert "a gesture with a nam\u2026" in text or "a gesture with a na\u2026" in text
