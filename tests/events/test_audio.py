"""Sound to spikes: the filterbank against its definition, tones in their channels, and WAV files."""

import itertools
import os
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longspike.data.sets.spoken_digits import clip_to_events, load_spoken_digits
from longspike.errors import DataFileError
from longspike.events import audio, check_events
from longspike.events.audio import centre_frequencies, read_wav, spikes_from_audio
from tolerances import AUDIO_F32

RATE_HZ = 8000


def tone(frequency_hz: float, *, seconds: float = 0.3, amplitude: float = 0.3, rate_hz: int = RATE_HZ) -> np.ndarray:
    return amplitude * np.cos(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def write_wav(path: Path, frames: np.ndarray, *, rate_hz: int = RATE_HZ) -> Path:
    """Frames (num_frames, num_channels) of integers; their width is that of the dtype."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(frames.shape[1])
        file.setsampwidth(frames.dtype.itemsize)
        file.setframerate(rate_hz)
        file.writeframes(frames.tobytes())
    return path


@pytest.mark.parametrize("num_samples", [1, 2, 700, 3000])
def test_envelopes_are_those_of_the_convolution(num_samples: int) -> None:
    samples = np.random.default_rng(0).standard_normal(num_samples)
    found = audio.gammatone_envelopes(samples, RATE_HZ, num_channels=5, low_hz=80.0, high_hz=3000.0)
    responses = audio.gammatone_responses(centre_frequencies(5, low_hz=80.0, high_hz=3000.0), RATE_HZ)
    expected = [np.abs(np.convolve(samples, h)[:num_samples]) for h in responses]
    assert np.abs(found - expected).max() < AUDIO_F32 * np.abs(samples).max()


def test_the_envelope_of_a_tone_is_its_amplitude() -> None:
    centres = centre_frequencies(9, low_hz=200.0, high_hz=3400.0)
    for channel, frequency in enumerate(centres):
        samples = tone(frequency, seconds=0.5, amplitude=0.7)
        envelopes = audio.gammatone_envelopes(samples, RATE_HZ, num_channels=9, low_hz=200.0, high_hz=3400.0)
        assert envelopes[channel, 2000:] == pytest.approx(0.7, rel=0.02)
        assert envelopes[:, -1].argmax() == channel


def test_the_frequency_scale() -> None:
    centres = centre_frequencies(70, low_hz=100.0, high_hz=3600.0)
    rate = 21.4 * np.log10(1 + 4.37e-3 * centres)
    assert np.diff(rate) == pytest.approx(np.full(69, np.diff(rate)[0]))
    assert centres[[0, -1]] == pytest.approx([100.0, 3600.0])
    # Glasberg and Moore 1990: about 132 Hz wide at 1 kHz
    assert float(audio.erb_hz(1000.0)) == pytest.approx(132.6, abs=0.1)
    # a fourth-order gammatone falls as (1 + (df / b)^2)^-2
    response = audio.gammatone_responses(np.array([1000.0]), RATE_HZ)[0]
    off = np.exp(-2j * np.pi * (1000.0 + audio.erb_hz(1000.0) / 2) * np.arange(len(response)) / RATE_HZ)
    assert abs((response * off).sum()) / 2 == pytest.approx((1 + (0.5 / 1.019) ** 2) ** -2, rel=0.01)


@pytest.mark.parametrize("channel", [3, 20, 41, 66])
def test_a_tone_excites_its_channel(channel: int) -> None:
    centres = centre_frequencies(70, low_hz=100.0, high_hz=3600.0)
    _, unit = spikes_from_audio(tone(centres[channel]), RATE_HZ)
    counts = np.bincount(unit, minlength=70)
    assert counts[channel] == counts.max()
    assert counts[np.abs(np.arange(70) - channel) > 25].sum() < 0.1 * counts.sum()


def test_louder_means_more_spikes() -> None:
    counts = [len(spikes_from_audio(tone(700.0, amplitude=a), RATE_HZ)[0]) for a in (0.001, 0.02, 0.1, 0.5, 1.0)]
    assert counts[0] == 0
    assert all(a < b for a, b in itertools.pairwise(counts))


def test_a_level_makes_loudness_irrelevant() -> None:
    found = [spikes_from_audio(tone(700.0, amplitude=a), RATE_HZ, rms=0.1) for a in (0.0625, 0.5)]
    assert len(found[0][0]) > 50
    for quiet, loud in zip(*found, strict=True):
        assert np.array_equal(quiet, loud)


def test_silence_is_silent() -> None:
    for rms in (None, 0.1):
        assert len(spikes_from_audio(np.zeros(800), RATE_HZ, rms=rms)[0]) == 0
    t_us, unit = spikes_from_audio(np.zeros(0), RATE_HZ)
    assert (len(t_us), t_us.dtype, unit.dtype) == (0, np.int64, np.uint16)


def test_the_future_changes_nothing() -> None:
    """The front end is causal: a longer clip begins with the spikes of its beginning, but for the FFT's rounding."""
    samples = 0.2 * np.random.default_rng(2).standard_normal(4000)
    t_us, unit = spikes_from_audio(samples, RATE_HZ)
    is_early = t_us < 250_000
    whole = set(zip(t_us[is_early].tolist(), unit[is_early].tolist(), strict=True))
    early = set(zip(*(x.tolist() for x in spikes_from_audio(samples[:2000], RATE_HZ)), strict=True))
    assert len(whole) > 500
    assert len(whole ^ early) <= 4


def lif_by_loop(drive: np.ndarray, beta: float) -> np.ndarray:
    v, spikes = np.zeros(drive.shape[1], np.float32), np.zeros_like(drive)
    for k, row in enumerate(drive):
        v = np.float32(beta) * (v - (spikes[k - 1] if k else np.float32(0))) + row * np.float32(1 - beta)
        spikes[k] = v > 1
    return spikes


def test_the_neurons_are_the_loop() -> None:
    drive = np.random.default_rng(3).uniform(0.0, 4.0, (300, 7)).astype(np.float32)
    spikes = audio._fire(drive, beta=0.9)
    assert 100 < spikes.sum() < 2000
    assert np.count_nonzero(spikes != lif_by_loop(drive, 0.9)) <= 2


@settings(max_examples=40)
@given(
    num_samples=st.integers(1, 400),
    rate_hz=st.sampled_from([8000, 11025, 44100]),
    step_us=st.sampled_from([125, 333, 1000, 7000]),
)
def test_steps_partition_the_samples(num_samples: int, rate_hz: int, step_us: int) -> None:
    """The mean over each step is the mean over the samples that lie in it, for rates that steps do not divide."""
    envelopes = np.random.default_rng(1).random((3, num_samples))
    found = audio._mean_per_step(envelopes, rate_hz, step_us)
    step = np.arange(num_samples) * 1_000_000 // (rate_hz * step_us)
    assert len(found) == step[-1] + 1
    for k in np.unique(step):
        assert found[k] == pytest.approx(envelopes[:, step == k].mean(axis=1), rel=AUDIO_F32)


def test_spikes_are_sorted_and_in_range() -> None:
    samples = 0.3 * np.random.default_rng(1).standard_normal(9999)
    t_us, unit = spikes_from_audio(samples, 44100, num_channels=13, step_us=500)
    assert (np.diff(t_us) >= 0).all()
    assert t_us.max() < 9999 / 44100 * 1e6
    assert (t_us % 500 == 0).all()
    assert unit.max() < 13
    pairs = list(zip(t_us.tolist(), unit.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize(("dtype", "scale"), [(np.int16, 2**15), (np.int32, 2**31)])
def test_wav_round_trip(tmp_path: Path, dtype: type, scale: int) -> None:
    values = np.array([0, 1, -1, scale // 2, -scale, scale - 1], dtype)
    samples, rate_hz = read_wav(write_wav(tmp_path / "a.wav", values[:, None], rate_hz=11025))
    assert rate_hz == 11025
    assert samples.dtype == np.float32
    assert samples.tolist() == (values / scale).astype(np.float32).tolist()


def test_wav_of_other_widths_and_channels(tmp_path: Path) -> None:
    eight = np.array([[0], [128], [192], [255]], np.uint8)
    assert read_wav(write_wav(tmp_path / "8.wav", eight))[0].tolist() == [-1.0, 0.0, 0.5, 127 / 128]
    stereo = np.array([[8192, 16384], [-32768, 0]], np.int16)
    assert read_wav(write_wav(tmp_path / "2.wav", stereo))[0].tolist() == [0.375, -0.5]
    with wave.open(str(tmp_path / "24.wav"), "wb") as file:
        file.setparams((1, 3, RATE_HZ, 0, "NONE", ""))
        file.writeframes(b"\x00\x00\x40" + b"\xff\xff\xff")
    assert read_wav(tmp_path / "24.wav")[0].tolist() == [0.5, -(2.0**-23)]


def test_wav_errors(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "whole.wav", np.zeros((100, 1), np.int16))
    content = path.read_bytes()
    for cut in range(0, len(content), 7):
        (tmp_path / "cut.wav").write_bytes(content[:cut])
        with pytest.raises(DataFileError, match=r"cut.wav (cannot be read as a WAV file|must hold 100 frames)"):
            read_wav(tmp_path / "cut.wav")
    with pytest.raises(DataFileError, match=r"none.wav cannot be read as a WAV file .*No such file"):
        read_wav(tmp_path / "none.wav")


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (np.zeros((2, 3)), {}, r"`samples` must be floating point of shape \(num_samples,\); got dtype float64"),
        (np.zeros(3, np.int16), {}, "`samples` must be floating point .*int16.*Read a file with read_wav"),
        (np.array([0.0, np.nan]), {}, "`samples` must be finite; got NaN"),
        (np.zeros(3), {"num_channels": 0}, "`num_channels` must be an integer of at least 1; got 0"),
        (np.zeros(3), {"high_hz": 5000.0}, r"`high_hz` must lie in \[0.001, 4000\]; got 5000"),
        (np.zeros(3), {"low_hz": 3700.0}, r"`low_hz` must lie in \[0.001, 3600\]; got 3700"),
        (np.zeros(3), {"step_us": 124}, "`step_us` must be an integer of at least 125; got 124"),
        (np.zeros(3), {"tau_s": 0.0}, "`tau_s` must lie in"),
        (np.zeros(3), {"rms": -1.0}, "`rms` must lie in"),
    ],
)
def test_rejects(samples: np.ndarray, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"spikes_from_audio: {message}"):
        spikes_from_audio(samples, RATE_HZ, **options)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Ten digits, one speaker, seven takes; each digit is a tone of its own."""
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    for digit in range(10):
        for take in range(7):
            samples = tone(200.0 * (digit + 1), seconds=0.1 + 0.01 * take)
            values = np.round(samples * 32767).astype(np.int16)
            write_wav(folder / f"{digit}_jackson_{take}.wav", values[:, None])
    return tmp_path


def test_spoken_digits_from_files(recordings: Path) -> None:
    bundle = load_spoken_digits(recordings)
    assert (len(bundle.train), len(bundle.val), len(bundle.test)) == (18, 2, 50)
    assert bundle.sensor_size == bundle.test.sensor_size == (70, 1)
    assert bundle.test.labels.tolist() == [digit for digit in range(10) for _ in range(5)]
    for split in (bundle.train, bundle.val, bundle.test):
        assert split.offsets[-1] == len(split.events)
        assert (split.events["p"] == 1).all()
        check_events("test", split.sample(0), (70, 1))
    loudest = [np.bincount(bundle.test.sample(5 * digit)["x"], minlength=70).argmax() for digit in range(10)]
    assert loudest == sorted(set(loudest))


def test_spoken_digits_errors(recordings: Path) -> None:
    folder = recordings / "fsdd" / "recordings"
    with pytest.raises(DataFileError, match=r"spoken-digits: files are missing.*\n.*0_jackson_0.wav"):
        load_spoken_digits(recordings / "elsewhere")
    odd = write_wav(folder / "dog.wav", np.zeros((5, 1), np.int16))
    with pytest.raises(DataFileError, match=r"dog.wav must be named <digit>_<speaker>_<take>.wav"):
        load_spoken_digits(recordings)
    odd.unlink()
    with pytest.raises(DataFileError, match=r"must be sampled at 8000 Hz; got 16000"):
        clip_to_events(write_wav(folder / "0_jackson_0.wav", np.zeros((5, 1), np.int16), rate_hz=16000))
    for path in folder.glob("*_[56].wav"):
        path.unlink()
    with pytest.raises(DataFileError, match=r"must hold takes from 5 on, the training set; got 0 of them"):
        load_spoken_digits(recordings)


def test_real_clips_have_spikes_in_their_length() -> None:
    root = os.environ.get("LONGSPIKE_DATA")
    folder = Path(root or "") / "fsdd" / "recordings"
    if not root or not folder.is_dir():
        pytest.skip("LONGSPIKE_DATA holds no fsdd/recordings")
    paths = sorted(folder.glob("*_0.wav"))
    assert len(paths) in (40, 60)  # four or six speakers, by the version
    for path in paths[::6]:
        samples, rate_hz = read_wav(path)
        events = clip_to_events(path)
        check_events("test", events, (70, 1))
        assert 150 < len(events) < 2500
        assert events["t"][-1] < len(samples) / rate_hz * 1e6
