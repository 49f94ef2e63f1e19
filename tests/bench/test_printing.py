"""Benchmarks that are programs of their own print to whatever stdout is, and write their report."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from longspike.bench.record import printing

PROGRAMS = ("events", "events.decoding", "events.roofline", "exactness", "gpu")


def test_characters_that_stdout_lacks_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    with printing():
        print("3 µs × 2")
    assert written.getvalue() == b"3 us x 2\n"


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_prints_so(program: str) -> None:
    folder = Path(__file__).parents[2] / "src" / "longspike" / "bench"
    places = (folder / f"{program.replace('.', '/')}.py", folder / program / "__main__.py")
    text = next(place for place in places if place.is_file()).read_text(encoding="utf-8")
    assert text.endswith('if __name__ == "__main__":\n    with printing():\n        main()\n')


@pytest.mark.parametrize("stdout", ["closed", "full", "without a reader"])
def test_a_report_is_written_whatever_becomes_of_stdout(stdout: str, tmp_path: Path) -> None:
    words = ["-m", "longspike.bench.events.decoding", "--events", "500", "--rounds", "2", "--output"]
    read, write = os.pipe()
    os.close(read)
    target = {"full": "> /dev/full", "closed": ">&-", "without a reader": f">&{write}"}[stdout]
    command = f'exec "$@" {target}'
    run = subprocess.run(
        ["bash", "-c", command, "-", sys.executable, *words, str(tmp_path / "r.json")],
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(write,),
    )
    os.close(write)
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads((tmp_path / "r.json").read_text())["rows"]
