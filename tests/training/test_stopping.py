"""Signals, schedulers and second processes: a run saves and says so, or is refused before it begins."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from lightning.fabric.utilities.rank_zero import rank_zero_only

from longspike.errors import ConfigError, InterruptedRunError, RunFolderError
from longspike.training import fit
from longspike.training.exclusive import RunLock, check_alone
from longspike.training.stopping import NAMES, StopRequest
from training.conftest import CONFIG, small_model, train_loader, val_loader


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def run(run_dir: Path, *, at: int, action: Any) -> None:
    fit(small_model(), train_loader(at=at, action=action), val_loader(), CONFIG, run_dir=run_dir)


@pytest.mark.parametrize("name", NAMES)
def test_a_signal_is_remembered_and_the_handlers_come_back(name: str) -> None:
    number = signal.Signals[name]
    before = signal.getsignal(number)
    with StopRequest() as request:
        send(number)
        send(signal.SIGTERM)
        assert request.number == number
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
    assert signal.getsignal(number) == before


def test_what_is_ignored_or_handled_by_the_program_is_left_alone() -> None:
    seen: list[int] = []
    ours = {signal.SIGINT: signal.SIG_IGN, signal.SIGHUP: signal.SIG_IGN, signal.SIGTERM: lambda n, _: seen.append(n)}
    before = {number: signal.signal(number, handler) for number, handler in ours.items()}
    try:
        with StopRequest() as request:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as Lightning puts its own there
            request.install()
            for number in ours:
                send(number)
            assert not request.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert seen == [signal.SIGTERM]


SCRIPT = """
import os, signal, sys
from longspike.training import InterruptedRunError, fit
from training.conftest import CONFIG, small_model, train_loader, val_loader

def end():
    os.kill(os.getpid(), signal.SIGTERM)

try:
    fit(small_model(), train_loader(at=2, action=end), val_loader(), CONFIG, run_dir=sys.argv[1])
except InterruptedRunError as stop:
    if sys.argv[2] == "caught":
        raise SystemExit(128 + stop.signal_number) from None
    raise
"""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "code"), [("caught", 143), ("not caught", 1)])
def test_a_script_that_a_signal_ended_exits_as_it_says(kind: str, code: int, run_dir: Path) -> None:
    """docs/howto/recipes.md shows how to exit as the command line does."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    words = [sys.executable, "-c", SCRIPT, str(run_dir), kind]
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert (run_dir / "last.ckpt").is_file()
    assert ("InterruptedRunError: stopped by SIGTERM after step" in done.stderr) is (kind != "caught")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_stopped_run_says_by_what_and_leaves_nothing_elsewhere(
    name: str, run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a scheduler's variables make Lightning write into, and read from, the working directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "hpc_ckpt_1.ckpt").write_bytes(b"of another run")
    monkeypatch.chdir(elsewhere)
    for variable, value in {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "mine"}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(rank_zero_only, "rank", 3)  # as SLURM_PROCID=3 sets it
    number = signal.Signals[name]
    with pytest.raises(InterruptedRunError, match=rf"stopped by {name} after step 5; .*last\.ckpt") as caught:
        run(run_dir, at=4, action=lambda: (send(number), send(number)))
    assert (caught.value.signal_number, caught.value.step) == (number, 5)
    assert [path.name for path in elsewhere.iterdir()] == ["hpc_ckpt_1.ckpt"]
    assert {path.name for path in run_dir.iterdir()} == {"last.ckpt", "logs"}
    assert list((run_dir / "logs" / "tensorboard").rglob("events*"))


@pytest.mark.slow
def test_sigterm_before_lightning_s_handler_is_replaced(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning leaves with SystemExit and no code, which a shell takes for success."""
    monkeypatch.setattr(StopRequest, "install", lambda self, install=StopRequest.install: self.number or install(self))
    loader = train_loader()
    monkeypatch.setattr("longspike.training.callbacks.Interruption.on_train_batch_end", lambda *_: None)
    monkeypatch.setattr("longspike.training.callbacks.Interruption.on_train_start", lambda *_: send(signal.SIGTERM))
    with pytest.raises(InterruptedRunError, match="stopped by SIGTERM"):
        fit(small_model(), loader, val_loader(), CONFIG, run_dir=run_dir)


def test_one_of_several_processes_is_refused(monkeypatch: pytest.MonkeyPatch, run_dir: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(ConfigError, match=r"one of 2 processes .*\(WORLD_SIZE=2, RANK=1\).*Start it without torchrun"):
        fit(small_model(), train_loader(), val_loader(), CONFIG, run_dir=run_dir)
    assert not run_dir.exists()


def test_idle_tasks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")
    with pytest.warns(UserWarning, match=r"4 tasks \(SLURM_NTASKS=4\).*Ask for --ntasks=1"):
        check_alone()
    monkeypatch.setenv("SLURM_NTASKS", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_alone()


def test_a_lock_is_exclusive_names_its_owner_and_goes(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("left by a process that was killed, with a longer text than the next owner's")
    with RunLock(tmp_path):
        text = (tmp_path / ".lock").read_text()
        assert text.startswith(f"process {os.getpid()} on ")
        assert "killed" not in text
        with pytest.raises(RunFolderError, match=text), RunLock(tmp_path):
            pass
    with RunLock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
