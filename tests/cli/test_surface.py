"""The commands and their flags, compared with a list that is changed on purpose."""

import re
import subprocess
import sys
import time

import pytest

from cli.conftest import Run
from longspike.cli.commands import command_names

FLAGS = {
    "train": ["--set", "--run-dir", "--resume", "--overwrite", "--data-root", "--json"],
    "recipes": ["--json"],
    "data": ["--data-root", "--json"],
    "events": ["--to", "--format", "--sensor-size", "--on-error", "--json"],
    "stream": [
        "--pace",
        "--packet-events",
        "--packet-us",
        "--realtime",
        "--decide-us",
        "--fit",
        "--on-error",
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


def test_no_command_and_unknown_flags_are_wrong_usage(cli: Run) -> None:
    assert cli()[0] == 2
    assert cli("train", "digits", "--frobnicate")[0] == 2
    assert cli("train")[0] == 2


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
