"""The retention task and its comparison."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from longspike._studies.retention import RetentionNet, RetentionSettings, RetentionStudy, study_retention
from longspike._studies.retention_task import RetentionTask, TickBatch, distractor_steps
from longspike.models.flames_config import MemoryConfig

TASK = RetentionTask(num_classes=3, channels=5, cue_steps=4, cue_rate=0.4, seed=2)


def draw(delays: list[float], isis: list[float], *, seed: int = 0, task: RetentionTask = TASK) -> TickBatch:
    rng = np.random.default_rng(seed)
    return task.draw(np.array(delays), np.array(isis), patterns=task.patterns(), rng=rng)


def test_a_sample_is_cue_distractors_and_probe() -> None:
    batch = draw([9, 50, 1], [math.inf, 4.0, 2.0])
    assert batch.u.shape == (int(batch.offsets[-1]), TASK.channels + 1)
    for k, delay in enumerate((9, 50, 1)):
        u, delta = (x[batch.offsets[k] : batch.offsets[k + 1]] for x in (batch.u, batch.delta))
        assert u[-1].tolist() == [0.0] * TASK.channels + [1.0]  # the probe, and nothing but it
        assert not u[:-1, -1].any()
        assert bool((delta >= 1).all())
        assert bool((u.sum(dim=1) > 0).all())  # no tick without a spike
        steps = delta.cumsum(0) - delta[0]
        assert delay <= float(steps[-1]) <= delay + TASK.cue_steps - 1


def test_silence_has_one_gap_of_the_delay_after_the_cue() -> None:
    task = replace(TASK, cue_rate=0.999, dropped=0.0)
    batch = draw([77], [math.inf], task=task)
    assert batch.delta.tolist() == [1.0] * 4 + [77.0]


def test_without_noise_the_cue_is_the_pattern() -> None:
    task = replace(TASK, dropped=0.0, cue_noise=0.0)
    batch = draw([5, 5], [math.inf] * 2, task=task)
    for k in range(2):
        pattern = task.patterns()[int(batch.labels[k])]
        u = batch.u[batch.offsets[k] : batch.offsets[k + 1] - 1, :-1].numpy()
        np.testing.assert_array_equal(u, pattern[pattern.any(axis=1)])


@pytest.mark.parametrize("isi", [2.0, 7.0, 30.0])
def test_distractors_come_at_the_mean_interval(isi: float) -> None:
    steps = distractor_steps(20_000, isi, np.random.default_rng(3))
    gaps = np.diff(steps)
    assert 1 <= steps[0] < steps[-1] < 20_000
    assert gaps.min() >= 1
    assert gaps.mean() == pytest.approx(isi, rel=5 / math.sqrt(len(gaps)))
    assert gaps.std() == pytest.approx(isi * math.sqrt(1 - 1 / isi), rel=0.15)  # geometric: spikes of a Poisson train


def test_the_answer_is_read_at_the_probe_alone() -> None:
    """A network whose memory is cut off at the probe cannot know the class: only the probe's input remains."""
    batch = draw([6, 8], [math.inf, 3.0])
    net = RetentionNet(6, 3, MemoryConfig(d_model=4, num_layers=1, kind="lif"))
    with torch.no_grad():
        net.blocks[0].memory.log_tau.fill_(-10.0)  # forgets at once
        answers = net(batch)
    torch.testing.assert_close(answers[0], answers[1])


def small() -> RetentionSettings:
    return replace(RetentionSettings.quick(), num_steps=2, num_seeds=2)


@pytest.fixture(scope="module")
def study() -> RetentionStudy:
    return study_retention(small(), seed=4)


def test_every_condition_once_with_all_seeds(study: RetentionStudy) -> None:
    conditions = {(4, None), (20, None), (4, 10), (20, 10), (9, 3), (9, 7), (9, None)}
    for name in study.settings.memories:
        assert {(p.delay, p.isi) for p in study.points if p.memory == name} == conditions
    assert all(len(p.accuracies) == 2 and all(0 <= a <= 1 for a in p.accuracies) for p in study.points)
    assert study.chance == pytest.approx(1 / 3)


def test_seeds_reproduce_and_matter(study: RetentionStudy) -> None:
    before = torch.get_rng_state()
    assert study_retention(small(), seed=4) == study
    assert torch.equal(torch.get_rng_state(), before)
    assert study_retention(small(), seed=7).final_losses != study.final_losses


def test_the_hippo_memories_learn_a_short_delay() -> None:
    """Two easy classes after 3 steps of silence: a network that could not learn would stay at a half."""
    settings = replace(
        small(),
        task=RetentionTask(num_classes=2, channels=6, cue_steps=4, cue_rate=0.5, dropped=0.0),
        memory=MemoryConfig(d_model=16, num_layers=1, d_state=8, rank=1, num_heads=2),
        memories=("sa-hippo",),
        num_seeds=1,
        num_steps=40,
        batch_size=16,
        train_delays=(2, 4),
        silent_share=1.0 - 1e-9,
        delays=(3,),
        isis=(3,),
        delay=3,
        num_test=64,
    )
    silent = next(p for p in study_retention(settings).points if p.isi is None)
    assert silent.mean > 0.9


def test_messages() -> None:
    with pytest.raises(ValueError, match="RetentionTask: `dropped`"):
        RetentionTask(dropped=1.0)
    with pytest.raises(ValueError, match="`delays` and `isis` must have one entry a sample; got 2 and 1"):
        draw([3, 4], [2.0])
    with pytest.raises(ValueError, match=r"`isis` must be at least 1 step; got 0\.5"):
        draw([3], [0.5])
    with pytest.raises(ValueError, match="`memories` must be some of sa-hippo, hippo, hippo-diag, lif; got 'gru'"):
        RetentionSettings(memories=("gru",))
    with pytest.raises(
        ValueError, match=r"`isi` .* got 0; .*`train_delays` must be the least and the greatest; got \(9, 4\)"
    ):
        RetentionSettings(isi=0, train_delays=(9, 4))
