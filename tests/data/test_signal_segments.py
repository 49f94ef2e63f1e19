"""Made-up heartbeats: their rules, evaluated one step at a time, and the data set that is made of them."""

import math

import numpy as np
import pytest
import torch

from longspike.data import load
from longspike.data.generators import signal_segments
from longspike.data.generators.signal_segments import CLASS_NAMES, KIND_SHARES, RATE_HZ, SHAPES, draw_signal


@pytest.mark.parametrize("seed", range(5))
def test_labels_and_values_follow_their_rules(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDER", "NOISE"):
        monkeypatch.setattr(signal_segments, name, 0.0)
    signal = draw_signal(250, np.random.default_rng(seed))
    gain = np.random.default_rng(seed).uniform(0.7, 1.3)
    kinds = {}
    for k, time in enumerate(signal.beats):
        n = math.ceil(time * RATE_HZ)
        if 0 <= n < 250 and (k + 1 == len(signal.beats) or signal.beats[k + 1] * RATE_HZ > n):
            kinds[k] = int(signal.labels[n]) - 1
    assert min(kinds.values()) >= 0
    inner = [n for n in range(250) if min(kinds) <= np.searchsorted(signal.beats, n / RATE_HZ, "right") - 1]
    for n in inner:
        latest = int(np.searchsorted(signal.beats, n / RATE_HZ, "right")) - 1
        is_within = n / RATE_HZ < signal.beats[latest] + 0.4
        assert signal.labels[n] == (1 + kinds[latest] if is_within else 0)
    first, last = min(kinds), max(kinds)
    for n in range(math.ceil((signal.beats[first] + 0.4) * RATE_HZ), math.floor((signal.beats[last] - 0.3) * RATE_HZ)):
        expected = 0.0
        for k, kind in kinds.items():
            for height, centre, width in SHAPES[kind]:
                expected += gain * height * math.exp(-(((n / RATE_HZ - signal.beats[k] - centre) / width) ** 2) / 2)
        assert signal.values[n] == pytest.approx(expected, abs=2e-3)  # waves of beats past the ends reach in a little


def test_kinds_have_their_shares_and_early_beats_their_time() -> None:
    random = np.random.default_rng(0)
    drawn = [signal_segments._draw_beats(10.0, random) for _ in range(400)]
    kinds = np.concatenate([kinds for _, kinds in drawn])
    shares = np.bincount(kinds) / len(kinds)
    assert shares == pytest.approx(KIND_SHARES, abs=4 * math.sqrt(0.25 / len(kinds)))
    ratios = {0: [], 1: []}
    for times, kind in drawn:
        gaps = np.diff(times)
        usual = np.median(gaps[kind[1:] != 1])
        for each, found in ratios.items():
            found.extend(gaps[kind[1:] == each] / usual)
    assert np.mean(ratios[0]) == pytest.approx(1.0, abs=0.01)
    assert np.mean(ratios[1]) == pytest.approx(0.6, abs=0.01)


def test_the_data_set() -> None:
    bundle = load("signal-segments")
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [800, 100, 200]
    assert bundle.class_names == CLASS_NAMES
    for split in (bundle.train, bundle.test):
        assert (int(split.lengths.min()) >= 600, split.max_seqlen) == (True, 1000)
        is_valid = torch.arange(1000) < split.lengths[:, None]
        assert torch.equal(split.labels == -1, ~is_valid)
        shares = split.labels[is_valid].bincount() / is_valid.sum()
        assert min(shares.tolist()) > 0.05
    assert not torch.equal(bundle.train.values[:100], bundle.val.values)
    # recorded from the seed: the signals are the same in every process
    assert bundle.train.lengths[:4].tolist() == [696, 716, 861, 973]
