"""Every task through the same code: training, resuming, scores, evaluation, the page, prediction, streams."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import longspike
from longspike.data import BatchLoader, Split
from longspike.errors import InterruptedRunError
from longspike.evaluation import Evaluation, evaluate, render_report
from longspike.models import InputSpec, SpikeSSM, SpikeSSMConfig
from longspike.tasks import forecast_labels, task, tasks
from longspike.training import TrainingConfig, fit, score

OUTPUTS = {"classification": 2, "step_labels": 2, "regression": 1, "forecasting": 2, "language": 5}
CONFIG = TrainingConfig(epochs=12, batch_size=8, lr=0.03, rate_target=0.3, seed=3, checkpoint_every_steps=3)
SPEC = InputSpec(scale=1.0, shift=0.0)


def waves(num_samples: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy waves of two tempi, (num_samples, 12, 1), and which tempo."""
    generator = torch.Generator().manual_seed(seed)
    fast = torch.arange(num_samples) % 2
    phase = torch.rand(num_samples, 1, generator=generator) * 6.28
    angle = torch.arange(12) * (0.6 + 1.2 * fast)[:, None] + phase
    return angle.sin()[..., None] + 0.05 * torch.randn(num_samples, 12, 1, generator=generator), fast


def split_of(name: str, *, num_samples: int = 48, seed: int = 0) -> Split:
    """Samples of a task that can be learnt, some of them padded."""
    values, fast = waves(num_samples, seed=seed)
    lengths = 12 - torch.arange(num_samples) % 3
    above = (values[..., 0] > 0).long()
    labels = {
        "classification": fast,
        "step_labels": torch.where(torch.arange(12) == 5, -1, above),
        "regression": fast[:, None] * 2.0 + 1,
        "forecasting": forecast_labels(values, lengths, horizon=2),
        "language": above,
    }[name]
    return Split(values=values, lengths=lengths, labels=labels)


def network(name: str) -> SpikeSSM:
    torch.manual_seed(CONFIG.seed)
    pool = "none" if task(name).reads_out == "step" else "mean"
    model = SpikeSSM(
        SpikeSSMConfig(
            num_outputs=OUTPUTS[name],
            d_model=16,
            num_layers=1,
            d_state=4,
            dt_min=0.05,
            dt_max=1.0,
            pool=pool,
            task=name,
        )
    )
    model.input_spec = SPEC
    return model


def loaders(name: str) -> tuple[BatchLoader, BatchLoader]:
    train = BatchLoader(split_of(name), batch_size=8, shuffle=True, seed=3)
    return train, BatchLoader(split_of(name, num_samples=20, seed=1), batch_size=8, shuffle=False, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", tasks())
def test_every_task_is_learnt_saved_and_measured(name: str, tmp_path: Path) -> None:
    train, val = loaders(name)
    model = network(name)
    before = score(model, val)
    result = fit(model, train, val, CONFIG, run_dir=tmp_path / "run")
    first = task(name).metrics[0]
    assert result.val.rank("task") > before.rank("task")
    assert result.val.loss < 0.7 * before.loss
    loaded = longspike.load(tmp_path / "run")
    assert loaded.config.task == loaded.task.name == name
    assert score(loaded, val) == result.val
    found = evaluate(loaded, val)
    assert found.metrics == pytest.approx(result.val.metrics)
    check_page(found, loaded, tmp_path / "run")
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content[first.name] == pytest.approx(result.val.metrics[first.name])
    assert content["task"] == name
    assert content["energy"]["full"]["per_sample_pj"] > 0


def check_page(found: Evaluation, model: SpikeSSM, run: Path) -> None:
    page = re.sub(r"base64,[A-Za-z0-9+/=]+", "", render_report(found, class_names=model.class_names, run=run))
    judge = task(found.task)
    assert judge.metrics[0].text(found.metrics[judge.metrics[0].name]) in page
    assert f'alt="{judge.metrics[0].title} against optimiser steps"' in page
    assert ("Confusion matrix" in page) == bool(found.confusion)
    for table in judge.tables(found.sums, model.class_names):
        assert f"<h2>{table.title}</h2>" in page
    assert "Sample 0" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", ["step_labels", "forecasting"])
def test_a_run_that_is_stopped_and_resumed_is_the_same(name: str, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=2)
    whole = fit(network(name), *loaders(name), config, run_dir=tmp_path / "whole")

    class Stop(BatchLoader):
        def batches(self, epoch: int, *, first: int = 0):
            for k, batch in enumerate(super().batches(epoch, first=first)):
                if (epoch, k) == (1, 2):
                    import signal

                    signal.raise_signal(signal.SIGINT)
                yield batch

    train, val = loaders(name)
    stopping = Stop(train.split, batch_size=8, shuffle=True, seed=3)
    with pytest.raises(InterruptedRunError):
        fit(network(name), stopping, val, config, run_dir=tmp_path / "parts")
    resumed = fit(network(name), train, val, config, run_dir=tmp_path / "parts", resume=True)
    assert resumed.val == whole.val
    a, b = (longspike.load(tmp_path / part).state_dict() for part in ("whole", "parts"))
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("name", tasks())
def test_a_stream_ends_with_the_answer_of_the_whole(name: str) -> None:
    model = network(name).eval()
    model.input_spec = InputSpec(scale=0.5, shift=1.0)
    raw = waves(1, seed=4)[0][0]
    stream = longspike.Stream(model)
    stream.push(model.input_spec.normalised(raw))
    live, whole = stream.answer(), model.predict(raw)
    if name == "step_labels":
        assert live.class_name == whole.class_names[-1]
    elif task(name).has_classes:
        assert live.class_name == whole.class_name
    else:
        values = whole.values if whole.values.dim() == 1 else whole.values[-1]
        torch.testing.assert_close(live.values, values, atol=1e-5, rtol=0)


def test_a_pair_of_streams_has_a_pair_of_answers() -> None:
    stream = longspike.Stream(network("regression").eval(), batch=2)
    stream.push(torch.randn(2, 3, 1))
    assert [len(answer.values) for answer in stream.answer()] == [1, 1]


def test_a_network_saved_before_there_were_tasks_classifies(tmp_path: Path) -> None:
    network("classification").save(tmp_path / "model")
    file = tmp_path / "model" / "config.json"
    description = json.loads(file.read_text())
    del description["config"]["task"]
    file.write_text(json.dumps(description))
    assert longspike.load(tmp_path / "model").task.name == "classification"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(4, 3), None),
        (torch.full((4, 12, 2), torch.nan), None),
        (torch.full((4, 12), -1), None),
        (torch.full((4, 12), -2), "`labels` of steps must be at least -1; got min=-2"),
        (
            torch.zeros(4, 11, dtype=torch.int64),
            r"`labels` must be int64 of shape \(4,\) or \(4, 12\), or real of shape",
        ),
        (torch.zeros(3, 2), r"`labels` must be int64 of shape \(4,\)"),
        (torch.full((4, 3), torch.inf), "`labels` must be finite, or NaN where a value is not known"),
    ],
)
def test_labels_of_a_split(labels: torch.Tensor, message: str | None) -> None:
    values, lengths = torch.zeros(4, 12, 1), torch.full((4,), 12)
    if message is None:
        split = Split(values=values, lengths=lengths, labels=labels)
        assert split[2][1].shape == labels.shape[1:]
        assert split.batch(torch.tensor([1, 3])).labels.shape == (2, *labels.shape[1:])
        return
    with pytest.raises(ValueError, match=message):
        Split(values=values, lengths=lengths, labels=labels)
