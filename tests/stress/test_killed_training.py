"""Trainings killed with SIGKILL inside the saving of a checkpoint: a resume always works, and ends with the same bits."""

import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from longspike.training import fit
from longspike.training.checkpoints import AtomicCheckpointIO, read_checkpoint
from training.conftest import CONFIG, small_model, train_loader, val_loader

NUM_KILLS = 100
BEGIN, END = b"<", b">"


def train(run_dir: Path, pipe: int) -> None:
    """Train or go on, and tell when a save begins and ends."""
    save = AtomicCheckpointIO.save_checkpoint

    def told(*args: object, **options: object) -> None:
        os.write(pipe, BEGIN)
        save(*args, **options)  # type: ignore[arg-type]
        os.write(pipe, END)

    AtomicCheckpointIO.save_checkpoint = told  # type: ignore[method-assign]
    torch.set_num_threads(1)
    fit(
        small_model(),
        train_loader(),
        val_loader(),
        replace(CONFIG, checkpoint_every_steps=1),
        run_dir=run_dir,
        resume=True,
    )


def started(run_dir: Path) -> tuple[int, int]:
    """A child process that trains, and the pipe that it tells of its saves."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            train(run_dir, theirs)
            code = 0
        finally:
            os._exit(code)
    os.close(theirs)
    return child, ours


def told(pipe: int) -> Iterator[bytes]:
    while byte := os.read(pipe, 1):
        yield byte


def killed_in_a_save(run_dir: Path, draw: random.Random) -> bool | None:
    """Whether the kill met a save; None if the training came to its end first."""
    child, pipe = started(run_dir)
    wanted, last = draw.randrange(6), b""
    for last in told(pipe):
        wanted -= last == BEGIN
        if wanted < 0:
            time.sleep(draw.uniform(0, 0.004))
            os.kill(child, signal.SIGKILL)
            break
    last = [last, *told(pipe)][-1]
    os.close(pipe)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        return None
    return last == BEGIN


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(run_dir / "last.ckpt")["state_dict"]


def test_a_hundred_kills_inside_saves(tmp_path: Path) -> None:
    child, pipe = started(tmp_path / "whole")
    list(told(pipe))
    assert os.waitpid(child, 0)[1] == 0
    expected = weights(tmp_path / "whole")
    draw, num_kills, num_others, num_runs = random.Random(7), 0, 0, 0
    while num_kills < NUM_KILLS:
        run_dir = tmp_path / str(num_runs)
        while (is_inside := killed_in_a_save(run_dir, draw)) is not None:
            num_kills += is_inside
            num_others += not is_inside
        num_runs += 1
        found = weights(run_dir)
        assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
        assert {path.name for path in run_dir.iterdir()} == {"last.ckpt", "best.ckpt", "logs", "model"}
    print(f"{num_kills} kills inside saves and {num_others} between them, over {num_runs} runs")
