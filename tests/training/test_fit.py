"""A whole run: what it leaves behind, and how it ends early."""

import csv
import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import longspike
from longspike.data import Batch, BatchLoader
from longspike.errors import FileWriteError
from longspike.models import InputSpec, SpikeSSM, checkpoint
from longspike.models.observation import Classification
from longspike.training import (
    DivergedError,
    Progress,
    RunFolderError,
    classification_loss,
    fit,
    rate_penalty,
    schedule_factor,
    score,
)
from longspike.training.module import TrainingModule
from longspike.training.seeding import seed_generators, step_seed
from training.conftest import CONFIG, NUM_BATCHES, small_model, small_split, train_loader, val_loader

pytestmark = pytest.mark.slow


def test_a_run_leaves_a_model_checkpoints_and_logs(run_dir: Path) -> None:
    seen: list[Progress] = []
    model = small_model()
    result = fit(model, train_loader(), val_loader(), CONFIG, run_dir=run_dir, metadata={"a": 1}, progress=seen.append)
    assert {path.name for path in run_dir.iterdir()} == {"last.ckpt", "best.ckpt", "logs", "model"}
    assert result.num_steps == CONFIG.epochs * NUM_BATCHES
    ends = [state for state in seen if state.val is not None]
    assert [state.epoch for state in ends] == [1, 2, 3]
    best = max(ends, key=lambda state: (state.val.accuracy, -state.val.loss))
    assert (result.best_epoch, result.val) == (best.epoch, best.val)
    assert [state.train.num_samples for state in ends] == [40, 40, 40]  # of the last steps, not of all
    saved = longspike.load(result.model_path)
    assert all(torch.equal(a, b) for a, b in zip(saved.parameters(), model.parameters(), strict=True))
    assert score(saved, val_loader()).accuracy == result.val.accuracy
    assert saved.input_spec == InputSpec(scale=1.0, shift=0.0)
    metadata = checkpoint.read_description(result.model_path)["metadata"]
    assert metadata["a"] == 1
    assert metadata["result"]["best_epoch"] == result.best_epoch
    with next((run_dir / "logs" / "csv").rglob("metrics.csv")).open() as file:
        rows = list(csv.DictReader(file))
    assert {"step", "train/loss", "train/rate_layer1", "val/accuracy", "val/rate", "lr"} <= rows[0].keys()
    rates = {int(row["step"]): float(row["lr"]) for row in rows if row["lr"]}
    factors = {step: schedule_factor(step, num_steps=21, warmup_fraction=0.1) for step in (7, 14, 21)}
    assert rates == pytest.approx({step: CONFIG.lr * factor for step, factor in factors.items()}, abs=1e-12)
    assert list((run_dir / "logs" / "tensorboard").rglob("events*"))


def test_a_step_s_loss_is_the_documented_one() -> None:
    """Smoothed cross entropy and the weighted price of firing, with the randomness of (seed, step)."""
    config = replace(CONFIG, label_smoothing=0.2, rate_target=0.03, rate_weight=2.5)
    model, batch = small_model(), next(train_loader().batches(0))
    seed_generators(step_seed(config.seed, 0))
    answer = model.classify(batch)
    entropy = classification_loss(answer.logits, batch.labels, label_smoothing=0.2)
    price = rate_penalty([layer.rate for layer in answer.activity], target=0.03, weight=2.5)
    assert price > 0
    assert torch.equal(TrainingModule(model, config, num_steps=21).training_step(batch, 0), entropy + price)


def test_validation_has_no_smoothing_and_no_price(run_dir: Path) -> None:
    model = small_model()
    config = replace(CONFIG, epochs=1, label_smoothing=0.3)
    result = fit(model, train_loader(), val_loader(), config, run_dir=run_dir)
    assert result.val.loss == pytest.approx(score(model, val_loader()).loss, rel=1e-6)


def test_a_network_that_could_not_be_saved_is_refused_before_the_training(run_dir: Path) -> None:
    model = small_model()
    torch.nn.utils.prune.l1_unstructured(model.blocks[0].mix, "weight", 0.5)
    with pytest.raises(ValueError, match=r"these tensors differ: blocks.0.mix.*prune.remove"):
        fit(model, train_loader(), val_loader(), CONFIG, run_dir=run_dir)


def test_training_learns(run_dir: Path) -> None:
    config = replace(CONFIG, epochs=12, rate_target=None)
    result = fit(small_model(), train_loader(), val_loader(), config, run_dir=run_dir)
    assert result.val.accuracy >= 0.9


def test_the_penalty_lowers_the_rate(run_dir: Path) -> None:
    rates = []
    for name, target in (("free", None), ("priced", 0.02)):
        config = replace(CONFIG, epochs=12, rate_target=target, rate_weight=1.0)
        result = fit(small_model(), train_loader(), val_loader(), config, run_dir=run_dir / name)
        rates.append(result.val.rate)
    assert rates[1] < 0.5 * rates[0]


def test_a_run_is_not_overwritten(run_dir: Path) -> None:
    run_dir.mkdir(parents=True)
    (run_dir / "last.ckpt").write_bytes(b"precious")
    with pytest.raises(RunFolderError, match=r"holds a training run already.*--resume.*--run-dir.*--overwrite"):
        fit(small_model(), train_loader(), val_loader(), CONFIG, run_dir=run_dir)
    assert (run_dir / "last.ckpt").read_bytes() == b"precious"


def test_divergence_names_the_step_and_saves_nothing_broken(run_dir: Path) -> None:
    config = replace(CONFIG, lr=1e30, ssm_lr=1e30, clip_norm=None, checkpoint_every_steps=1)
    with pytest.raises(DivergedError, match=r"diverged.*by step \d+ of 21 \(epoch 1\)\. Lower training\.lr"):
        fit(small_model(), train_loader(), val_loader(), config, run_dir=run_dir)
    assert not (run_dir / "model").exists()


def test_broken_data_is_not_called_divergence(run_dir: Path) -> None:
    split = small_split(12, seed=4)
    split.values[0, 0, 0] = float("nan")
    loader = BatchLoader(split, batch_size=12, shuffle=False, seed=0)
    with pytest.raises(ValueError, match="NaN"):
        fit(small_model(), loader, val_loader(), replace(CONFIG, batch_size=12), run_dir=run_dir)


class Failing(SpikeSSM):
    """Raises `error` when it has classified `at` batches."""

    at, error = 0, ValueError()

    def classify(self, batch: Batch) -> Classification:
        self.at -= 1
        if self.at < 0:
            raise self.error
        return super().classify(batch)


@pytest.mark.parametrize("at", [2, NUM_BATCHES])
def test_an_error_of_the_user_s_own_is_not_called_divergence(at: int, run_dir: Path) -> None:
    """In a step of training, and of validation."""
    model = Failing(small_model().config)
    model.at, model.error = at, ValueError("my own layer: weights of shape (3,) do not fit (4,)")
    with pytest.raises(ValueError, match="my own layer") as caught:
        fit(model, train_loader(), val_loader(), CONFIG, run_dir=run_dir)
    assert caught.value is model.error


@pytest.mark.parametrize("at", [2, NUM_BATCHES])
def test_weights_that_are_no_numbers_are_divergence_in_validation_too(at: int, run_dir: Path) -> None:
    class Broken(Failing):
        def classify(self, batch: Batch) -> Classification:
            if self.at == 0:
                self.decoder.weight.data.fill_(float("nan"))
            return super().classify(batch)

    model = Broken(small_model().config)
    model.at, model.error = at, ValueError("what an operator says")
    hint = r"the training diverged.*, or model\.neuron\.gradient=instant on long sequences\.$"
    with pytest.raises(DivergedError, match=hint) as caught:
        fit(model, train_loader(), val_loader(), CONFIG, run_dir=run_dir)
    assert len(str(caught.value)) <= 300


def test_labels_outside_the_classes_are_named(run_dir: Path) -> None:
    split = small_split(40, seed=1)
    split.labels[39] = 2
    loader = BatchLoader(split, batch_size=CONFIG.batch_size, shuffle=False, seed=0)
    with pytest.raises(ValueError, match=r"`labels` must lie in \[0, 2\).*got min=0, max=2.*num_outputs=3"):
        fit(small_model(), loader, val_loader(), CONFIG, run_dir=run_dir)
    with pytest.raises(ValueError, match=r"`labels` must lie in \[0, 2\)"):
        score(small_model(), loader)


def test_a_batch_size_that_has_no_effect_is_named(run_dir: Path) -> None:
    loader = BatchLoader(small_split(40, seed=1), batch_size=20, shuffle=True, seed=CONFIG.seed)
    with pytest.warns(UserWarning, match=r"`config\.batch_size` is 6, and `train_loader` makes batches of 20"):
        fit(small_model(), loader, val_loader(), replace(CONFIG, epochs=1), run_dir=run_dir)


def test_logs_on_a_full_disk_name_the_folder(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lightning.pytorch.loggers.CSVLogger.log_metrics", fail)
    with pytest.raises(FileWriteError, match=rf"cannot write in {run_dir}: No space left on device\. Free some space"):
        fit(small_model(), train_loader(), val_loader(), CONFIG, run_dir=run_dir)


def test_threads_are_restored(run_dir: Path) -> None:
    before = torch.get_num_threads()
    fit(small_model(), train_loader(), val_loader(), replace(CONFIG, epochs=1, num_threads=before + 1), run_dir=run_dir)
    assert torch.get_num_threads() == before
