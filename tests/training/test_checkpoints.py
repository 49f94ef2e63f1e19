"""Checkpoint files: whole or absent, and never executed."""

import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from longspike.errors import CheckpointError
from longspike.training.checkpoints import AtomicCheckpointIO, Checkpointing, read_checkpoint
from longspike.training.module import TrainingModule
from longspike.training.tally import Score
from training.conftest import CONFIG, small_model


def test_round_trip_leaves_no_stray(tmp_path: Path) -> None:
    io = AtomicCheckpointIO()
    io.save_checkpoint({"state_dict": {"x": torch.arange(3)}}, tmp_path / "last.ckpt")
    assert io.load_checkpoint(tmp_path / "last.ckpt")["state_dict"]["x"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    io.remove_checkpoint(tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    io = AtomicCheckpointIO()
    io.save_checkpoint({"state_dict": {}, "x": 1}, tmp_path / "last.ckpt")
    with pytest.raises((AttributeError, pickle.PicklingError)):
        io.save_checkpoint({"x": lambda: None}, tmp_path / "last.ckpt")
    assert io.load_checkpoint(tmp_path / "last.ckpt") == {"state_dict": {}, "x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_named_with_the_file() -> None:
    """PyTorch says "enforce fail" in its place."""
    with pytest.raises(OSError, match=r"/dev/full: No space left on device\. Free some space"):
        AtomicCheckpointIO().save_checkpoint({"state_dict": {"x": torch.zeros(9999)}}, "/dev/full")


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(torch, "load", refuse)  # a file's rights mean nothing to root
    with pytest.raises(CheckpointError, match=r"last\.ckpt cannot be read: Permission denied\. Allow it"):
        read_checkpoint(tmp_path / "last.ckpt")


class Malicious:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (pytest.fail, ("the pickle was executed",))


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    torch.save({"x": Malicious()}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint of longspike"):
        read_checkpoint(tmp_path / "last.ckpt")


def test_damage_and_absence_are_named(tmp_path: Path) -> None:
    (tmp_path / "cut.ckpt").write_bytes(b"PK\x03\x04 not much")
    with pytest.raises(CheckpointError, match=r"cut\.ckpt is damaged.*--overwrite"):
        read_checkpoint(tmp_path / "cut.ckpt")
    with pytest.raises(CheckpointError, match=r"absent\.ckpt does not exist"):
        read_checkpoint(tmp_path / "absent.ckpt")


def test_of_equal_epochs_the_first_is_kept(tmp_path: Path) -> None:
    module = TrainingModule(small_model(), CONFIG, num_steps=1)
    saved: list[str] = []
    checkpointing = Checkpointing(tmp_path, every_steps=None)
    for epoch, accuracy in enumerate((0.5, 0.5, 0.75, 0.75)):
        found = Score(loss=0.5, metrics={"accuracy": accuracy}, layer_rates=(), rate=None, num_samples=9)
        module.val_tally = SimpleNamespace(score=lambda found=found: found)
        trainer = SimpleNamespace(
            current_epoch=epoch, lightning_module=module, save_checkpoint=lambda path, **_: saved.append(path.name)
        )
        checkpointing.on_train_epoch_end(trainer, module)
    assert checkpointing.best_epoch == 3
    assert saved == ["best.ckpt", "last.ckpt", "last.ckpt", "best.ckpt", "last.ckpt", "last.ckpt"]


def test_the_last_batch_of_an_epoch_is_left_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(Checkpointing, "save_last", lambda self, trainer: saved.append(trainer.global_step))
    checkpointing = Checkpointing(tmp_path, every_steps=3)
    for step in range(1, 13):
        trainer = SimpleNamespace(global_step=step, is_last_batch=step % 6 == 0)
        checkpointing.on_train_batch_end(trainer, None, None, None, 0)  # type: ignore[arg-type]
    assert saved == [3, 9]


@pytest.mark.parametrize(("selection", "best"), [("accuracy", 1), ("task", 1), ("loss", 3)])
def test_what_best_means(selection: str, best: int) -> None:
    scores = [
        Score(loss=loss, metrics={"accuracy": accuracy}, layer_rates=(), rate=None, num_samples=9)
        for accuracy, loss in ((0.8, 0.5), (0.9, 0.6), (0.9, 0.7), (0.7, 0.4))
    ]
    assert scores.index(max(scores, key=lambda score: score.rank(selection))) == best
