"""A run that is killed anywhere and resumed ends with the same bits."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from longspike.data import BatchLoader
from longspike.errors import CheckpointError, ConfigError
from longspike.training import FitResult, InterruptedRunError, Progress, fit
from longspike.training.checkpoints import read_checkpoint
from training.conftest import CONFIG, NUM_BATCHES, interrupt, small_model, train_loader, val_loader

pytestmark = pytest.mark.slow


class CrashError(Exception):
    """Stands in for anything that ends a process."""


def crash() -> None:
    raise CrashError


def resume(run_dir: Path) -> FitResult:
    return fit(small_model(), train_loader(), val_loader(), CONFIG, run_dir=run_dir, resume=True)


def tensors(tree: object, prefix: str = "") -> dict[str, Tensor]:
    """Every tensor in a checkpoint's weights and optimiser."""
    if isinstance(tree, Tensor):
        return {prefix: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return {name: x for key, value in items for name, x in tensors(value, f"{prefix}/{key}").items()}


def final(run_dir: Path) -> dict[str, Tensor]:
    saved = read_checkpoint(run_dir / "last.ckpt")
    return tensors({"weights": saved["state_dict"], "optimizer": saved["optimizer_states"]})


def assert_same_bits(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    different = [name for name in a if not torch.equal(a[name], b[name])]
    assert not different


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], FitResult]:
    run_dir = tmp_path_factory.mktemp("uninterrupted")
    result = fit(small_model(), train_loader(), val_loader(), CONFIG, run_dir=run_dir)
    return final(run_dir), result


# The first batch; before and after a save inside an epoch; an epoch's last batch, the next one's first; the very last.
@pytest.mark.parametrize("at", [0, 1, 3, 4, NUM_BATCHES - 1, NUM_BATCHES, NUM_BATCHES + 4, 3 * NUM_BATCHES - 1])
def test_crash_and_resume(at: int, run_dir: Path, uninterrupted: tuple[dict[str, Tensor], FitResult]) -> None:
    with pytest.raises(CrashError):
        fit(small_model(), train_loader(at=at, action=crash), val_loader(), CONFIG, run_dir=run_dir)
    result = resume(run_dir)
    assert_same_bits(final(run_dir), uninterrupted[0])
    assert (result.val, result.best_epoch) == (uninterrupted[1].val, uninterrupted[1].best_epoch)


def test_several_crashes(run_dir: Path, uninterrupted: tuple[dict[str, Tensor], FitResult]) -> None:
    for at in (3, 5, 9, 15):
        with pytest.raises(CrashError):
            fit(small_model(), train_loader(at=at, action=crash), val_loader(), CONFIG, run_dir=run_dir, resume=True)
    resume(run_dir)
    assert_same_bits(final(run_dir), uninterrupted[0])


def test_kill_minus_nine_and_resume(run_dir: Path, uninterrupted: tuple[dict[str, Tensor], FitResult]) -> None:
    code = (
        "from training.conftest import *; from longspike.training import fit\n"
        f"fit(small_model(), train_loader(at=11, action=kill), val_loader(), CONFIG, run_dir={str(run_dir)!r})"
    )
    tests = Path(__file__).parents[1]
    outcome = subprocess.run([sys.executable, "-c", code], cwd=tests, capture_output=True, text=True, check=False)
    assert outcome.returncode == -9, outcome.stderr
    assert (run_dir / "last.ckpt").exists()
    assert not (run_dir / "model").exists()
    resume(run_dir)
    assert_same_bits(final(run_dir), uninterrupted[0])


@pytest.mark.parametrize("at", [2, NUM_BATCHES - 1, NUM_BATCHES + 2])
def test_interrupt_saves_and_resumes(
    at: int, run_dir: Path, uninterrupted: tuple[dict[str, Tensor], FitResult]
) -> None:
    with pytest.raises(InterruptedRunError, match=r"stopped after step \d+; .*last\.ckpt") as caught:
        fit(small_model(), train_loader(at=at, action=interrupt), val_loader(), CONFIG, run_dir=run_dir)
    assert caught.value.step == at + 1
    seen: list[Progress] = []
    fit(small_model(), train_loader(), val_loader(), CONFIG, run_dir=run_dir, resume=True, progress=seen.append)
    assert seen[-1].steps_per_second * seen[-1].seconds == pytest.approx(3 * NUM_BATCHES - at - 1)
    assert_same_bits(final(run_dir), uninterrupted[0])


def test_a_second_interrupt_stops_at_once(run_dir: Path) -> None:
    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        fit(small_model(), train_loader(at=4, action=twice), val_loader(), CONFIG, run_dir=run_dir)


def test_a_finished_run_resumes_to_itself(run_dir: Path) -> None:
    first = fit(small_model(), train_loader(), val_loader(), CONFIG, run_dir=run_dir)
    again = resume(run_dir)
    assert (again.val, again.best_epoch) == (first.val, first.best_epoch)


def test_another_loader_is_refused(run_dir: Path) -> None:
    with pytest.raises(CrashError):
        fit(small_model(), train_loader(at=3, action=crash), val_loader(), CONFIG, run_dir=run_dir)
    other = BatchLoader(train_loader().split, batch_size=5, shuffle=True, seed=CONFIG.seed)
    with pytest.raises(ConfigError, match=r"`train_loader` must be the one .* batch_size=6; got batch_size=5"):
        fit(small_model(), other, val_loader(), replace(CONFIG, batch_size=5), run_dir=run_dir, resume=True)


def edit(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Rewrite a checkpoint as `change` returns it, or as it leaves it."""
    saved = torch.load(file, weights_only=True)
    changed = change(saved)
    torch.save(saved if changed is None else changed, file)


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "list": (lambda d: edit(d / "last.ckpt", lambda _: [1]), r"last\.ckpt is damaged .*no weights in it"),
    "empty": (lambda d: edit(d / "last.ckpt", lambda _: {}), r"last\.ckpt is damaged .*no weights in it"),
    "cut": (lambda d: (d / "last.ckpt").write_bytes((d / "last.ckpt").read_bytes()[:900]), r"last\.ckpt is damaged"),
    "keys": (lambda d: edit(d / "last.ckpt", lambda s: s.pop("loops") and None), r"not complete; loops is missing"),
    "best": (
        lambda d: edit(d / "last.ckpt", lambda s: s.update(callbacks={})),
        "does not say which epoch was the best",
    ),
    "shape": (lambda d: edit(d / "last.ckpt", grow), r"these weights differ: decoder\.bias"),
    "moments": (lambda d: edit(d / "last.ckpt", lambda s: s.update(optimizer_states=[{}])), "does not fit this run"),
    "no best.ckpt": (lambda d: (d / "best.ckpt").unlink(), r"best\.ckpt does not exist"),
    "other best.ckpt": (lambda d: edit(d / "best.ckpt", grow), r"best\.ckpt does not fit the network"),
}


def grow(saved: dict[str, Any]) -> None:
    saved["state_dict"]["model.decoder.bias"] = torch.zeros(3)


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_run_is_named_before_it_trains(kind: str, stopped: Path, run_dir: Path) -> None:
    damage, message = DAMAGE[kind]
    shutil.copytree(stopped, run_dir)
    damage(run_dir)
    asked: list[int] = []
    loader = train_loader(at=NUM_BATCHES + 4, action=lambda: asked.append(1))
    with pytest.raises(CheckpointError, match=message + ".*train again with --overwrite"):
        fit(small_model(), loader, val_loader(), CONFIG, run_dir=run_dir, resume=True)
    assert asked == []


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was ended in its second epoch."""
    run_dir = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(CrashError):
        fit(small_model(), train_loader(at=NUM_BATCHES + 4, action=crash), val_loader(), CONFIG, run_dir=run_dir)
    return run_dir
