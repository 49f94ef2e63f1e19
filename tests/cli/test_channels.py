"""stdout and stderr that are closed, full or without a reader, warnings, and a working directory that is gone."""

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from longspike._core.guarded import Guarded
from longspike.cli.main import main
from longspike.cli.output import note

WORDS = ["data", "list"]


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process keeps its settings."""
    monkeypatch.setattr("longspike.cli.main.prepare_process", lambda: None)


@pytest.fixture
def full() -> Iterator[TextIO]:
    """A disk without space."""
    if not Path("/dev/full").exists():
        pytest.skip("the system has no /dev/full")
    with open("/dev/full", "w") as stream:
        yield stream


@pytest.fixture
def unread() -> Iterator[TextIO]:
    """A pipe whose reader is gone."""
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs, "w") as stream:
        yield stream


@pytest.mark.parametrize("words", [WORDS, ["--help"], ["recipes", "--json"]])
def test_a_full_stdout_is_a_sentence(
    words: list[str], full: TextIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", full)
    assert main(words) == 1
    assert capsys.readouterr().err == "error: stdout cannot be written: No space left on device.\n"


@pytest.mark.parametrize("words", [WORDS, ["recipes", "--help"], ["recipes", "--json"]])
def test_a_stdout_that_nobody_reads_is_no_failure(
    words: list[str], unread: TextIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", unread)
    assert main(words) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["full", "unread"])
def test_remarks_that_cannot_be_written_are_dropped(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", request.getfixturevalue(kind))
    for _ in range(3):
        note("a remark")
    assert main(["nonsense"]) == 2


def test_closed_channels_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(WORDS) == 0
    assert sys.stdin is not None


def test_a_failure_of_a_file_is_not_one_of_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("longspike.cli.main._run", fail)
    assert main(WORDS) == 1
    assert capsys.readouterr().err == "error: [Errno 28] No space left on device: 'somewhere'\n"


def test_a_warning_is_a_remark(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def warn(*_: object) -> None:
        warnings.simplefilter("always")
        warnings.warn("ask for one task", stacklevel=1)

    monkeypatch.setattr("longspike.cli.main._run", warn)
    assert main(WORDS) == 0
    assert capsys.readouterr().err == "warning: ask for one task\n"


def test_a_deleted_working_directory_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> str:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "getcwd", fail)
    assert main(WORDS) == 1
    assert capsys.readouterr().err == "error: the working directory has been deleted. Change to one that exists.\n"


def test_a_terminal_of_a_few_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "5")
    assert main(["info", "--help"]) == 0
    assert "Show versions" in capsys.readouterr().out


def test_a_guard_keeps_the_first_failure(full: TextIO) -> None:
    guarded = Guarded(full, drops=False)
    with pytest.raises(OSError, match="No space left"):
        guarded.write("x" * 99_999)
    guarded.write("x" * 99_999)  # to nowhere
    assert guarded.failure is not None
    assert guarded.failure.errno == 28
