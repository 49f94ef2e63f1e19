"""`longspike bench`: its flags, its report, and its refusal to time what is wrong."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cli.conftest import Run
from longspike.bench import baselines, growth, language_head, limits, overhead, report
from longspike.kernels import native
from longspike.layers.block import SpikingBlock

needs_extension = pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
BROKEN = {
    "lif_forward": "neuron's spikes",
    "lif_backward": "neuron's gradients",
    "lif_speculative": "speculative neuron's spikes",
    "s4d_forward": "scan's outputs",
    "s4d_backward": "scan's gradients",
    "linear": "mixing's outputs",
    "glu_forward": "gate's outputs",
    "glu_backward": "gate's gradients",
    "block_forward": "block's spike counts",
    "block_backward": "block's gradients",
}


def poisoned(allocate: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def fresh(*args: Any, **options: Any) -> Tensor:
        x = allocate(*args, **options)
        return x.fill_(float("nan")) if x.is_floating_point() else x

    return fresh


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that take no time, and no library that has to be imported."""
    monkeypatch.setattr(report, "LIMIT_BYTES", 1 << 16)
    monkeypatch.setattr(limits, "FMA_ITEMS", 1)
    monkeypatch.setattr(overhead, "CALLS", 2)
    monkeypatch.setattr(growth, "LENGTHS", (4, 16))
    monkeypatch.setattr(growth, "CHANNELS", (1, 3))
    monkeypatch.setattr(growth, "AT_CHANNELS", (2, 5))
    monkeypatch.setattr(growth, "AT_THREADS", (2, 7, 3))
    monkeypatch.setattr(language_head, "VOCABULARIES", {20: (4, 10)})
    ours = {name: baselines.BASELINES[name] for name in ("longspike", "torch loop")}
    monkeypatch.setattr("longspike.bench.neuron.BASELINES", ours)


@needs_extension
@pytest.mark.usefixtures("small")
def test_a_measurement_goes_on_for_its_file_where_nobody_reads_the_tables(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(stored: object) -> None:
        raise BrokenPipeError(32, "nobody reads the output")

    monkeypatch.setattr("longspike.cli.bench._print_table", unread)
    words = ["bench", "--what", "mixing", "--shape", "1,4,8", "--shape", "1,2,3", "--rounds", "1"]
    assert cli(*words, "--output", str(tmp_path / "b.json"))[0] == 1
    assert len(json.loads((tmp_path / "b.json").read_text())["tables"]) >= 1
    assert cli(*words)[0] == 1


def test_flags(cli: Run) -> None:
    code, out, _ = cli("bench", "--help")
    assert code == 0
    flags = re.findall(r"^. (--[a-z-]+)", out, flags=re.MULTILINE)
    assert flags == ["--what", "--shape", "--rounds", "--lead-in", "--output", "--json"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--shape", "2,3"), r"--shape must be BATCH,SEQLEN,CHANNELS, three positive integers; got '2,3'"),
        (("--shape", "2,0,3"), r"three positive integers; got '2,0,3'"),
        (("--shape",), r"--shape needs a value, BATCH,SEQLEN,CHANNELS"),
        (("--rounds", "0"), r"--rounds must be 1 or more and --lead-in 0 or more; got 0 and 1"),
    ],
)
def test_wrong_options(cli: Run, words: tuple[str, ...], message: str) -> None:
    code, out, err = cli("bench", *words)
    assert (code, out) == (2, "")
    assert re.search(message, err)


@needs_extension
@pytest.mark.parametrize("stem", BROKEN)
def test_nothing_is_timed_while_a_kernel_is_wrong(cli: Run, monkeypatch: pytest.MonkeyPatch, stem: str) -> None:
    """The kernel `stem` does nothing, and fresh memory is full of NaN."""
    kernel = native.kernel
    monkeypatch.setattr(native, "kernel", lambda name, dtype: (lambda *_: 0) if name == stem else kernel(name, dtype))
    for home, name in ((torch, "empty"), (torch, "empty_like"), (torch.Tensor, "new_empty"), (native, "empty")):
        monkeypatch.setattr(home, name, poisoned(getattr(home, name)))
    code, out, err = cli("bench", "--what", "mixing", "--shape", "1,4,8", "--rounds", "1", "--json")
    assert (code, out) == (1, "")
    assert f"bench: the {BROKEN[stem]} differ from the reference; nothing was timed" in err


def test_nothing_is_timed_while_a_block_adds_up_wrongly(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = SpikingBlock.forward
    monkeypatch.setattr(SpikingBlock, "forward", lambda self, x, *state: (1.01 * forward(self, x, *state)[0], None))
    code, out, err = cli("bench", "--what", "block", "--shape", "1,4,8", "--rounds", "1")
    assert (code, out) == (1, "")
    assert "the block's outputs differ" in err


@pytest.mark.slow
@needs_extension
@pytest.mark.usefixtures("small")
def test_the_report_holds_every_table_with_command_machine_and_versions(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    code, out, _ = cli("bench", "--shape", "2,5,4", "--rounds", "1", "--json", "--output", str(file))
    assert code == 0
    stored = json.loads(file.read_text())
    assert stored == json.loads(out)
    assert stored["command"] == "longspike bench --what all --shape 2,5,4 --rounds 1 --lead-in 1"
    assert {"longspike", "torch"} <= set(stored["versions"])
    assert stored["machine"]["cores"] >= 1
    whats = [table["what"] for table in stored["tables"]]
    timed = ["limits", "neuron", "ssm", "mixing", "block", "small-block", "language-head", "overhead"]
    assert list(dict.fromkeys(whats)) == timed
    assert list(dict.fromkeys(line["by"] for line in stored["growth"])) == ["length", "channels", "threads"]
    training = next(table for table in stored["tables"] if table["title"] == "neuron, training step")
    rows = {row["name"]: row for row in training["rows"]}
    assert rows["longspike"]["times_ours"] == [1, 1, 1]
    assert rows["longspike"]["share"][0] > 0
    assert rows["longspike"]["kept"] == pytest.approx(
        4 * (24 + 24 + 16) / 40
    )  # states saved and at the start, parameters
    assert rows["torch loop"]["kept"] >= 4


@needs_extension
@pytest.mark.usefixtures("small")
def test_one_benchmark_is_printed_as_a_table(cli: Run) -> None:
    code, out, err = cli("bench", "--what", "mixing", "--shape", "2,5,4", "--rounds", "2")
    assert code == 0
    assert re.search(r"mixing by set bits, forward, 10 rows of 4 spikes to 8 features", out)
    assert re.search(
        r"ms, median \(min \.\. max\) +ns/element +GFLOP/s, as if dense +share of the limit +times ours", out
    )
    assert re.search(r"torch linear, 8 % +[\d.]+ \([\d.]+ \.\. [\d.]+\)", out)
    assert "neuron" not in out
    assert "  mixing at 2x5x4, forward, warm-up\n  mixing at 2x5x4, forward, round 1 of 2\n" in err  # progress
