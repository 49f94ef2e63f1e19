"""Commands in child processes under abuse: signals, closed and full channels, places that cannot be written, schedulers.

Whatever happens, a command says what happened in a sentence and never claims success for what it did not do. No cell ends
with "please report it", a traceback, or a hang.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TINY = ["model.d_model=4", "model.num_layers=1", "model.d_state=4", "training.batch_size=300", "training.epochs=2"]
LONG = [*TINY[:4], "training.epochs=100000"]
MAIN = "import sys; from longspike.cli.main import main; sys.exit(main())"
LIMIT_S = 300


@dataclass
class Place:
    """Where a cell of the table runs: a trained run, and a folder of its own."""

    folder: Path
    run: Path

    @property
    def model(self) -> Path:
        return self.run / "model"


@dataclass
class Abuse:
    """How a command is mistreated, and which exit codes are right."""

    codes: tuple[int, ...] = (0,)
    shell: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    send: int = 0
    prepare: Callable[[Place], None] = lambda place: None
    says: str = ""


COMMANDS: dict[str, Callable[[Place], list[str]]] = {
    "help": lambda p: ["train", "digits", "--help"],
    "recipes": lambda p: ["recipes"],
    "info": lambda p: ["info"],
    "data": lambda p: ["data", "list", "--json"],
    "train": lambda p: ["train", "digits", "--set", *TINY, "--run-dir", str(p.folder / "new")],
    "evaluate": lambda p: ["evaluate", str(p.model), "--limit", "20"],
    "evaluate json": lambda p: ["evaluate", str(p.model), "--limit", "20", "--json"],
    "stream": lambda p: ["stream", str(p.model), "digits:0"],
    "stream stdin": lambda p: ["stream", str(p.model), "-"],
}

QUIET: dict[str, Abuse] = {
    "nothing": Abuse(),
    "stdout closed": Abuse(shell=">&-"),
    "stdin closed": Abuse(shell="<&-"),
    "stderr closed": Abuse(shell="2>&-"),
    "all closed": Abuse(shell=">&- 2>&- <&-"),
    "stdout full": Abuse(codes=(1,), shell=">/dev/full", says="stdout cannot be written: No space left on device"),
    "stderr full": Abuse(shell="2>/dev/full"),
    "both full": Abuse(codes=(1,), shell=">/dev/full 2>/dev/full"),
    "nobody reads stdout": Abuse(shell="| true"),
    "nobody reads stderr": Abuse(shell="2> >(true)"),
    "ascii": Abuse(environment={"PYTHONIOENCODING": "ascii"}),
    "C locale": Abuse(environment={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "1 column": Abuse(environment={"COLUMNS": "1"}),
    "5 columns": Abuse(environment={"COLUMNS": "5"}),
    "deleted directory": Abuse(codes=(1,), shell="__gone__", says="the working directory has been deleted"),
    "home not writable": Abuse(
        environment={"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere", "XDG_CONFIG_HOME": "/proc/x"}
    ),
    "slurm": Abuse(
        environment={"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "job", "SLURM_PROCID": "0"}
    ),
    "slurm, 4 tasks": Abuse(
        environment={"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_JOB_NAME": "job", "SLURM_PROCID": "0"}
    ),
}


def command_line(words: list[str], abuse: Abuse) -> list[str]:
    python = " ".join(map(quote, [sys.executable, "-c", MAIN, *words]))
    if abuse.shell == "__gone__":
        return ["bash", "-c", f"mkdir gone && cd gone && rmdir ../gone && exec {python}"]
    if abuse.shell.startswith("|"):
        return ["bash", "-c", f"{python} {abuse.shell}; exit ${{PIPESTATUS[0]}}"]
    return ["bash", "-c", f"exec {python} {abuse.shell}"]


def quote(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that every cell gets a copy of."""
    run = tmp_path_factory.mktemp("trained") / "run"
    words = ["train", "digits", "--set", *TINY, "--run-dir", str(run)]
    subprocess.run([sys.executable, "-c", MAIN, *words], check=True, capture_output=True)
    return run


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Place:
    shutil.copytree(trained, tmp_path / "run")
    return Place(tmp_path, tmp_path / "run")


def check_words(text: str) -> None:
    assert "please report it" not in text, text
    assert "Traceback" not in text, text
    assert "Exception ignored" not in text, text


@pytest.mark.parametrize("abuse", QUIET)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_under_abuse(command: str, abuse: str, place: Place) -> None:
    chosen = QUIET[abuse]
    words = COMMANDS[command](place)
    outcome = subprocess.run(
        command_line(words, chosen),
        cwd=place.folder,
        env={**os.environ, **chosen.environment},
        input="0.5\n" * 64,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT_S,
        check=False,
    )
    text = outcome.stdout + outcome.stderr
    check_words(text)
    no_input = command == "stream stdin" and abuse in ("stdin closed", "all closed")
    assert outcome.returncode in ((1, 2) if no_input else chosen.codes), (outcome.returncode, text)
    if chosen.says:
        assert chosen.says in text
    if command == "train":
        assert (place.folder / "new" / "model" / "config.json").is_file()
        names = {path.name for path in (place.folder / "new").iterdir()}
        assert names == {"recipe.json", "last.ckpt", "best.ckpt", "logs", "model"}
    assert {path.name for path in place.folder.iterdir()} <= {"run", "new"}
    if command.startswith("evaluate") and outcome.returncode == 0:
        assert (place.run / "report.html").read_text().rstrip().endswith("</html>")


SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"]


def started(words: list[str], folder: Path, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + LIMIT_S
    while not file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("environment", ["plain", "slurm"])
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_in_training(name: str, environment: str, tmp_path: Path) -> None:
    """Saved, the command to go on printed, 128 + the number; and that command goes on."""
    run = tmp_path / "run"
    more = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "job"} if environment == "slurm" else {}
    process = started(["train", "digits", "--set", *LONG, "--run-dir", str(run)], tmp_path, env={**os.environ, **more})
    wait_for(run / "last.ckpt", process)
    process.send_signal(signal.Signals[name])
    out, err = process.communicate(timeout=LIMIT_S)
    check_words(out + err)
    assert process.returncode == 128 + signal.Signals[name], err
    assert re.search(r"stopped .*after step \d+", err)
    assert f"--run-dir {run} --resume" in err
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    assert not (run / "model").exists()
    assert not (run / ".lock").exists()


def test_ignored_signals_stay_ignored(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", "digits", "--set", *TINY[:4], "training.epochs=40", "--run-dir", str(run)]
    python = " ".join(map(quote, [sys.executable, "-c", MAIN, *words]))
    process = subprocess.Popen(
        ["bash", "-c", f"trap '' INT HUP; exec {python}"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(run / "last.ckpt", process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGHUP)
    err = process.communicate(timeout=LIMIT_S)[1]
    assert process.returncode == 0, err
    assert (run / "model").is_dir()


API = """
import sys
from longspike.data import BatchLoader, load
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.training import TrainingConfig, fit
bundle = load("digits")
loaders = [BatchLoader(s, batch_size=300, shuffle=True, seed=0) for s in (bundle.train, bundle.val)]
model = SpikeSSM(SpikeSSMConfig(d_model=4, num_layers=1, d_state=4))
fit(model, *loaders, TrainingConfig(epochs=100000), run_dir=sys.argv[1])
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_in_the_python_api(name: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", API, str(run)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(run / "last.ckpt", process)
    process.send_signal(signal.Signals[name])
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert "InterruptedRunError: stopped" in err
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_elsewhere(name: str, place: Place) -> None:
    """A stream that waits for input ends by the signal; Ctrl-C is a sentence."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "stream", str(place.model), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(20)
    assert process.poll() is None
    process.send_signal(signal.Signals[name])
    process.wait(timeout=LIMIT_S)
    with process:  # closes the pipes
        text = process.stdout.read() + process.stderr.read()  # type: ignore[union-attr]
    check_words(text)
    assert process.returncode == (130 if name == "SIGINT" else -signal.Signals[name]), text


def test_a_second_training_in_one_folder_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", "digits", "--set", *LONG, "--run-dir", str(run)]
    first = started(words, tmp_path)
    wait_for(run / "last.ckpt", first)
    for more in ([], ["--resume"], ["--overwrite"]):
        second = subprocess.run(
            [sys.executable, "-c", MAIN, *words, *more], capture_output=True, text=True, check=False
        )
        assert second.returncode == 2
        assert re.search(rf"being trained in by process {first.pid} on |holds a training run already", second.stderr)
    assert (run / "best.ckpt").exists()
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=LIMIT_S)
    assert first.returncode == 143


def test_two_processes_of_torchrun_are_refused(tmp_path: Path) -> None:
    for rank in ("0", "1"):
        environment = {**os.environ, "WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank}
        words = ["train", "digits", "--set", *TINY, "--run-dir", str(tmp_path / "run")]
        outcome = subprocess.run(
            [sys.executable, "-c", MAIN, *words], env=environment, capture_output=True, text=True, check=False
        )
        assert outcome.returncode == 2
        assert "Start it without torchrun" in outcome.stderr
    assert not (tmp_path / "run").exists()


FULL = 1 << 16


@pytest.mark.parametrize("command", ["train", "evaluate", "evaluate json"])
def test_a_disk_that_fills(command: str, place: Place) -> None:
    """A limit on the size of files stands for the end of the disk: no half file, and a sentence with its name."""
    python = " ".join(map(quote, [sys.executable, "-c", LIMITED, *COMMANDS[command](place)]))
    outcome = subprocess.run(["bash", "-c", python], cwd=place.folder, capture_output=True, text=True, check=False)
    check_words(outcome.stdout + outcome.stderr)
    assert re.search(r"cannot write .*: File too large", outcome.stderr), outcome.stderr
    if command == "train":
        assert outcome.returncode == 1
        assert not (place.folder / "new" / "last.ckpt").exists()
    else:
        assert not (place.run / "report.html").exists()
        assert "accuracy" in outcome.stdout


LIMITED = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
{MAIN}
"""
