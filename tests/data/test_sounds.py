"""Sounds as steps, their random changes, and the spoken digits as waveforms."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from event_files import write_sound
from longspike.data import RaggedSplit, SoundAugment, load
from longspike.data.files import sound_files
from longspike.data.files.sound_files import read_sounds
from longspike.data.sounds import LEVEL, frames_of_sound, read_sound
from longspike.errors import ConfigError, DataFileError


@given(st.lists(st.integers(-32_768, 32_767), max_size=9), st.integers(1, 4))
def test_frames_hold_the_samples_of_16_bit_files_as_they_are(samples: list[int], samples_per_step: int) -> None:
    frames = frames_of_sound(np.array(samples, np.float32) / 32_768, samples_per_step=samples_per_step)
    assert frames.dtype == np.int16
    assert frames.shape == (-(-len(samples) // samples_per_step), samples_per_step)
    assert frames.flatten().tolist() == samples + [0] * (frames.size - len(samples))


def test_sounds_out_of_range_are_clipped() -> None:
    assert frames_of_sound(np.array([1.0, -1.5, 1.2e-5]), samples_per_step=1).tolist() == [[32_767], [-32_768], [0]]


def test_a_sound_of_another_rate_is_refused(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", np.arange(5), rate_hz=16_000)
    assert read_sound(tmp_path / "a.wav", rate_hz=16_000, samples_per_step=2, remedy="").tolist() == [
        [0, 1],
        [2, 3],
        [4, 0],
    ]
    with pytest.raises(DataFileError, match=r"a\.wav must be sampled at 8000 Hz; got 16000\. Resample it\."):
        read_sound(tmp_path / "a.wav", rate_hz=8000, samples_per_step=1, remedy="Resample it.")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("width", [1, 3])
def test_a_changed_sound_follows_its_formula(seed: int, width: int) -> None:
    x = torch.arange(1.0, 13.0)
    augment = SoundAugment(max_shift=15, max_gain_db=12.0, max_noise=0.5)
    found = augment(x.reshape(-1, width), np.random.default_rng(seed)).flatten()
    rng = np.random.default_rng(seed)
    s, u, e = int(rng.integers(-15, 16)), rng.uniform(-12.0, 12.0), rng.uniform(0.0, 0.5)
    w = rng.standard_normal(12, dtype=np.float32)
    moved = [float(x[n - s]) if 0 <= n - s < 12 else 0.0 for n in range(12)]
    assert found.tolist() == pytest.approx(
        [10 ** (u / 20) * m + e * float(v) for m, v in zip(moved, w, strict=True)], rel=1e-5
    )
    assert x.tolist() == list(range(1, 13))


@pytest.mark.parametrize("seed", range(8))
def test_a_sound_at_another_speed_follows_its_formula(seed: int) -> None:
    """Drawn before all else, so that what is drawn without a speed and a tilt is as it always was."""
    x = torch.tensor([float((7 * n) % 5 - 2) for n in range(12)])
    augment = SoundAugment(max_shift=2, max_speed=0.5, max_tilt=0.9)
    found = augment(x.reshape(-1, 2), np.random.default_rng(seed)).flatten()
    rng = np.random.default_rng(seed)
    v, a, s = 1.5 ** rng.uniform(-1, 1), rng.uniform(-0.9, 0.9), int(rng.integers(-2, 3))

    def at(place: float) -> float:
        low = math.floor(place)
        if not 0 <= place <= 11:
            return 0.0
        after = float(x[low + 1]) if low < 11 else 0.0
        return float(x[low]) * (1 - place + low) + after * (place - low)

    z = [at(5.5 + v * (n - 5.5 - s)) for n in range(12)]
    expected = [z[n] - (a * z[n - 1] if n else 0.0) for n in range(12)]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)
    assert augment(x[:0, None], np.random.default_rng(0)).shape == (0, 1)


def test_no_change_changes_nothing() -> None:
    x = torch.randn(5, 2)
    assert torch.equal(SoundAugment()(x, np.random.default_rng(0)), x)
    assert SoundAugment(max_shift=3, max_noise=1.0)(x[:0], np.random.default_rng(0)).shape == (0, 2)


def test_an_augmentation_checks_itself() -> None:
    with pytest.raises(
        ConfigError, match=r"`max_shift` must be an integer.*got -1; `max_noise` must lie in \[0, 1000\)"
    ):
        SoundAugment(max_shift=-1, max_noise=float("nan"))
    with pytest.raises(ValueError, match=r"`sound` must have shape \(length, d_input\); got .*RaggedSplit, one by one"):
        SoundAugment()(torch.zeros(3), np.random.default_rng(0))


def test_digits_are_divided_by_takes(sounds_root: Path) -> None:
    bundle = load("spoken-digits-raw", root=sounds_root)
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [54, 6, 30]
    assert bundle.test.labels.tolist() == [digit for digit in range(10) for _ in range(3)]
    x, label = bundle.test[4]  # digit 1, theo, take 0
    expected = torch.from_numpy((8000 * np.sin(np.arange(800) * 0.15)).astype("<i2")) / (32_768 * LEVEL)
    assert torch.allclose(x[:, 0], expected.float())
    assert label == 1
    assert "takes 0-4 for testing" in bundle.source


def test_frames_are_the_same_sound(sounds_root: Path) -> None:
    raw, frames = (load(f"spoken-digits-{name}", root=sounds_root) for name in ("raw", "frames"))
    for k in (0, len(raw.train) - 1):
        x, wide = raw.train[k][0].flatten(), frames.train[k][0]
        assert wide.shape[1] == frames.d_input == 8
        assert torch.equal(wide.flatten()[: len(x)], x)
        assert bool((wide.flatten()[len(x) :] == 0).all())


def test_speakers_are_kept_apart(sounds_root: Path) -> None:
    bundle = load("spoken-digits-raw-speakers", root=sounds_root)
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [30, 30, 30]
    assert isinstance(bundle.train, RaggedSplit)
    assert "tested on the speaker yweweler, validated on theo" in bundle.source
    folder = sounds_root / "fsdd/recordings"
    for path in folder.glob("*_theo_*"):
        path.unlink()
    with pytest.raises(DataFileError, match="must hold clips of theo, yweweler and others; got jackson, yweweler"):
        load("spoken-digits-raw-speakers", root=sounds_root)
    for path in folder.glob("*_[56].wav"):
        path.unlink()
    with pytest.raises(DataFileError, match="must hold takes from 5 on, the training set; got 0 of them"):
        load("spoken-digits-raw", root=sounds_root)


def test_words_are_divided_by_the_published_lists(words_root: Path) -> None:
    bundle = load("speech-commands", root=words_root)
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [70, 35, 35]
    assert bundle.val.lengths.tolist() == [22] * 35
    for number in (0, 34):
        x, label = bundle.test[number]
        assert label == number
        assert torch.allclose(x, torch.full((23, 1), (100 * number + 3) / (32_768 * LEVEL)))
    (words_root / "speech_commands_v0.02/zero/3_nohash_0.wav").unlink()
    with pytest.raises(DataFileError, match=r"testing_list\.txt names zero/3_nohash_0\.wav, which is not there"):
        load("speech-commands", root=words_root)


def test_sounds_are_decoded_once_and_mapped(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{k}.wav" for k in range(3)]
    for k, path in enumerate(paths):
        write_sound(path, np.arange(5 * k) + k)
    options = {"rate_hz": 8000, "samples_per_step": 2, "remedy": ""}
    values, lengths = read_sounds(paths, **options)
    assert isinstance(values, np.memmap)
    assert lengths.tolist() == [0, 3, 5]
    expected = [[1, 2], [3, 4], [5, 0], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    assert values.tolist() == expected
    monkeypatch.setattr(sound_files, "read_sound", None)  # whatever is decoded again fails
    assert read_sounds(paths, **options)[0].tolist() == expected
    monkeypatch.undo()
    monkeypatch.setenv("LONGSPIKE_CACHE", str(cache))
    stored = next(cache.glob("sounds-*")) / "values.npy"
    stored.write_bytes(stored.read_bytes()[:-4])
    assert read_sounds(paths, **options)[0].tolist() == expected
    write_sound(paths[2], np.arange(4))
    assert read_sounds(paths, **options)[1].tolist() == [0, 3, 2]
    write_sound(paths[2], np.arange(4), rate_hz=11_025)
    with pytest.raises(DataFileError, match="must be sampled at 8000 Hz; got 11025"):
        read_sounds(paths, **options)
    assert len(list(cache.iterdir())) == 2
    monkeypatch.setenv("LONGSPIKE_CACHE", str(paths[0]))
    write_sound(paths[2], np.arange(4))
    with pytest.raises(DataFileError, match=r"the decoded data cannot be cached .*Set LONGSPIKE_CACHE"):
        read_sounds(paths, **options)
