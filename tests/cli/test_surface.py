"""The commands and their flags, compared with a list that is changed on purpose."""

import re
import subprocess
import sys
import time

import pytest

import longspike
from cli.conftest import Run
from longspike.cli.commands import command_names

FLAGS = {
    "train": ["--set", "--from", "--run-dir", "--resume", "--overwrite", "--json", "--data-root"],
    "sweep": ["--grid", "--seeds", "--seconds", "--set", "--run-dir", "--data-root", "--json"],
    "recipes": ["--json"],
    "data": ["--samples", "--data-root", "--json"],
    "events": ["--to", "--format", "--sensor-size", "--columns", "--time-unit", "--on-error", "--json"],
    "predict": ["--json"],
    "generate": ["--prompt", "--tokens", "--temperature", "--top-k", "--top-p", "--seed", "--json"],
    "stream": [
        "--pace",
        "--every",
        "--packet-events",
        "--packet-us",
        "--realtime",
        "--decide-us",
        "--max-gap-us",
        "--fit",
        "--format",
        "--columns",
        "--time-unit",
        "--on-error",
        "--normalised",
        "--check",
        "--data-root",
        "--json",
    ],
    "study": ["--quick", "--seed", "--output", "--json"],
    "info": ["--json"],
}
ELSEWHERE = {"evaluate", "bench"}
"""Commands whose flags have snapshots of their own."""


def test_commands() -> None:
    assert set(command_names()) - ELSEWHERE == set(FLAGS)


@pytest.mark.parametrize("name", FLAGS)
def test_flags(name: str, cli: Run) -> None:
    code, out, _ = cli(name, "--help")
    assert code == 0
    assert re.findall(r"^. (--[a-z-]+)", out, flags=re.MULTILINE) == FLAGS[name]


def test_help_names_every_command_with_a_summary(cli: Run) -> None:
    code, out, _ = cli("--help")
    assert code == 0
    for name in command_names():
        assert re.search(rf"• {name} +[A-Z]", out)


def test_the_version(cli: Run) -> None:
    assert cli("--version") == (0, f"{longspike.__version__}\n", "")


def test_no_command_and_unknown_flags_are_wrong_usage(cli: Run) -> None:
    assert cli()[0] == 2
    assert cli("train", "digits", "--frobnicate")[0] == 2
    assert cli("train")[0] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("stream", "MODEL and INPUT are missing"),
        ("stream somewhere", "INPUT is missing"),
        ("train --resume", "RECIPE is missing"),
        ("data", "one of list, status, download, generate, path is missing"),
        ("data lst", "ACTION must be one of list, status, download, generate, path; got 'lst'"),
        ("data list digits more", "'more' is one word too many"),
        ("info --jsn", "there is no option --jsn. Did you mean --json?"),
        ("train digits --training.epocs 5", "there is no option --training.epocs. Did you mean --training.epochs?"),
        ("train digits --training.epochs", "--training.epochs needs a value"),
        ("events info f --on-error ignore", "--on-error must be one of raise, skip; got 'ignore'"),
        ("events info f --sensor-size 3", "--sensor-size must be two whole numbers; got '3'"),
        ("events info f --sensor-size a b", "--sensor-size must be two whole numbers; got 'a', 'b'"),
        ("evaluate m --limit two", "--limit must be a whole number; got 'two'"),
        ("stream m x --pace fast", "--pace must be a number; got 'fast'"),
        ("study rank --seed -1", "--seed must be at least 0 and below 2^63; got -1"),
    ],
)
def test_wrong_usage_is_one_line_with_the_remedy(words: str, message: str, cli: Run) -> None:
    """What tyro draws as a box of up to 14 lines, in whatever width."""
    code, out, err = cli(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert len(err.splitlines()) == 1
    assert len(err) < 300
    assert err.endswith(f"`longspike {words.split()[0]} --help` lists what there is.\n") or "--seed" in words


def test_an_unknown_command_gets_a_hint(cli: Run) -> None:
    code, out, err = cli("trian")
    assert (code, out) == (2, "")
    assert re.match(r"error: there is no command 'trian'\. Did you mean 'train'\? The commands are: train", err)


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys; from longspike.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'lightning', 'numpy'} & set(sys.modules), 'heavy'"
    )
    start = time.monotonic()
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert time.monotonic() - start < 5  # under half a second on an idle machine; this one may be busy
