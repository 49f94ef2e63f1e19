"""Sound to spikes: WAV files, a gammatone filterbank and a spiking neuron for each of its channels.

This is the package's own front end. The inner-ear model by which SHD and SSC were made (Lauscher: hydrodynamic basilar
membrane, hair cells, bushy cells) is not implemented, and results on spikes of the two do not compare.
"""

import math
import wave
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from longspike._core.limits import HIGHEST_RATE_HZ, LARGEST_FILTERBANK
from longspike.errors import DataFileError
from longspike.events.arguments import check_integer, check_number
from longspike.events.faults import check_regular
from longspike.kernels.refractory_lif import refractory_lif_op

__all__ = [
    "centre_frequencies",
    "erb_hz",
    "gammatone_envelopes",
    "gammatone_responses",
    "read_wav",
    "spikes_from_audio",
]

WHERE = "spikes_from_audio"
HIGHEST_SHARE = 0.45
"""The highest centre frequency by default, as a share of the sampling rate."""
RESPONSE_S = 0.128
"""Impulse responses are cut here; the slowest possible one (24.7 Hz wide) has fallen below 1e-5 of its peak."""


def read_wav(path: Path | str) -> tuple[np.ndarray, int]:
    """Samples and sampling rate of a WAV file of 8, 16, 24 or 32-bit integers (PCM).

    Args:
        path: the file.
    Returns: samples, (num_samples,), float32, full scale being [-1, 1), several channels averaged; the rate in Hz.
    Raises: DataFileError if the file is missing, truncated or no PCM WAV file.
    """
    check_regular(Path(path))
    try:
        with wave.open(str(path), "rb") as file:
            num_frames, num_channels, num_bytes = file.getnframes(), file.getnchannels(), file.getsampwidth()
            rate_hz, size = file.getframerate(), num_frames * num_channels * num_bytes
            content = file.readframes(num_frames) if size <= Path(path).stat().st_size else b""
    except (OSError, EOFError, wave.Error) as error:
        raise DataFileError(
            f"{path} cannot be read as a WAV file ({error}). Convert it to PCM, or get it again."
        ) from None
    if num_bytes not in (1, 2, 3, 4) or len(content) != num_frames * num_channels * num_bytes:
        raise DataFileError(
            f"{path} must hold {num_frames} frames of {num_channels} x {num_bytes} bytes; got {len(content)} bytes. "
            "It is truncated: get it again."
        )
    if not 1 <= rate_hz <= HIGHEST_RATE_HZ:
        raise DataFileError(
            f"{path} must have a sampling rate of 1 to {HIGHEST_RATE_HZ} Hz; got {rate_hz}. Get it again."
        )
    raw = np.frombuffer(content, np.uint8).reshape(num_frames, num_channels, num_bytes)
    wide = np.zeros((num_frames, num_channels, 4), np.uint8)
    wide[..., 4 - num_bytes :] = raw
    if num_bytes == 1:
        wide[..., 3] ^= 0x80  # 8-bit files count from 0 to 255 with silence at 128
    values = wide.view("<i4")[..., 0].mean(axis=1) / 2.0**31
    return values.astype(np.float32), rate_hz


def erb_hz(frequency_hz: np.ndarray | float) -> np.ndarray:
    """The equivalent rectangular bandwidth of the ear's filter: 24.7 (4.37 f / 1000 + 1).

    Reference: Glasberg and Moore 1990.
    """
    return 24.7 * (4.37e-3 * np.asarray(frequency_hz, np.float64) + 1.0)


def centre_frequencies(num_channels: int, *, low_hz: float, high_hz: float) -> np.ndarray:
    """Frequencies from low_hz to high_hz in equal steps of the ERB-rate scale, 21.4 log10(4.37 f / 1000 + 1).

    Returns: (num_channels,), float64, rising.

    Example:
        >>> centre_frequencies(3, low_hz=100.0, high_hz=3600.0).round(0).tolist()
        [100.0, 893.0, 3600.0]
    """
    low, high = np.log1p(4.37e-3 * low_hz), np.log1p(4.37e-3 * high_hz)
    return np.expm1(np.linspace(low, high, num_channels)) / 4.37e-3


def gammatone_responses(centres_hz: np.ndarray, rate_hz: int) -> np.ndarray:
    """Complex gammatone impulse responses of order 4 with unit gain at their centres.

        h[n] = a t^3 exp(-2 pi 1.019 erb(f) t) exp(2 pi i f t),  t = n / rate_hz,  sum |h| = 2

    The modulus of a real signal's convolution with h is its envelope in the channel: A for A cos(2 pi f t).

    Returns: (num_channels, num_taps), complex128.
    Reference: Patterson et al. 1992 (order 4, bandwidth 1.019 erb).
    """
    t = np.arange(math.ceil(RESPONSE_S * rate_hz)) / rate_hz
    envelope = t**3 * np.exp(-2.0 * np.pi * 1.019 * erb_hz(centres_hz)[:, None] * t)
    return 2.0 * envelope / envelope.sum(axis=1, keepdims=True) * np.exp(2j * np.pi * centres_hz[:, None] * t)


@lru_cache(maxsize=4)
def _transfer(num_channels: int, low_hz: float, high_hz: float, rate_hz: int, num_points: int) -> np.ndarray:
    """The filterbank on the grid of an FFT, (num_channels, num_points), complex64."""
    centres = centre_frequencies(num_channels, low_hz=low_hz, high_hz=high_hz)
    return np.fft.fft(gammatone_responses(centres, rate_hz), num_points).astype(np.complex64)


def _num_fft_points(num_samples: int) -> int:
    """The least of 2^k and 3 * 2^k that holds `num_samples`: few sizes, so that clips share the filterbank."""
    power = 1 << max(num_samples - 1, 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= num_samples else power


def gammatone_envelopes(
    samples: np.ndarray, rate_hz: int, *, num_channels: int, low_hz: float, high_hz: float
) -> np.ndarray:
    """The envelope of each gammatone channel, causal: |samples convolved with h|, cut to the samples' length.

    Returns: (num_channels, num_samples), float32.
    """
    num_samples = len(samples)
    num_points = _num_fft_points(num_samples + math.ceil(RESPONSE_S * rate_hz))
    transfer = _transfer(num_channels, float(low_hz), float(high_hz), rate_hz, num_points)
    spectrum = np.fft.fft(samples, num_points).astype(np.complex64)
    return np.abs(np.fft.ifft(transfer * spectrum)[:, :num_samples]).astype(np.float32)


def _mean_per_step(envelopes: np.ndarray, rate_hz: int, step_us: int) -> np.ndarray:
    """The mean of each channel over the samples of each step, (num_steps, num_channels); the last may hold fewer.

    Sample n, at n / rate_hz seconds, lies in step floor(n / rate_hz / step_s).
    """
    num_samples = envelopes.shape[1]
    num_steps = (num_samples - 1) * 1_000_000 // (rate_hz * step_us) + 1
    starts = -(-np.arange(num_steps, dtype=np.int64) * step_us * rate_hz // 1_000_000)
    sizes = np.diff(starts, append=num_samples)
    return np.ascontiguousarray((np.add.reduceat(envelopes, starts, axis=1) / sizes).T, np.float32)


def _fire(drive: np.ndarray, *, beta: float) -> np.ndarray:
    """Spikes of leaky integrate-and-fire neurons, threshold 1, reset by subtraction, (num_steps, num_channels)."""
    num_channels = drive.shape[1]
    current = torch.from_numpy((1.0 - beta) * drive)[None]
    parameters = [torch.full((num_channels,), value) for value in (beta, 1.0, 0.0, 0.0)]
    state = [torch.zeros(1, num_channels) for _ in range(3)]
    with torch.no_grad():
        spikes = refractory_lif_op(current, *parameters, *state, "subtract", "triangle", 1.0, "full", "auto")[0]
    return spikes[0].numpy()


def _checked_samples(samples: np.ndarray, rms: float | None) -> np.ndarray:
    """The clip as float64, at the level asked for."""
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.dtype.kind != "f":
        raise ValueError(
            f"{WHERE}: `samples` must be floating point of shape (num_samples,); got dtype {samples.dtype}, shape "
            f"{samples.shape}. Read a file with read_wav, or divide integers by full scale."
        )
    if not np.isfinite(samples).all():
        raise ValueError(f"{WHERE}: `samples` must be finite; got NaN or infinity.")
    samples = samples.astype(np.float64)
    level = math.sqrt(float(np.square(samples).mean())) if len(samples) else 0.0
    return samples if rms is None or level == 0.0 else samples * (rms / level)


def spikes_from_audio(
    samples: np.ndarray,
    rate_hz: int,
    *,
    num_channels: int = 70,
    low_hz: float = 100.0,
    high_hz: float | None = None,
    rms: float | None = None,
    gain: float = 4.0,
    exponent: float = 0.3,
    tau_s: float = 0.01,
    step_us: int = 1000,
) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of a gammatone filterbank with one leaky integrate-and-fire neuron per channel.

        e[c, k] = mean over step k of the envelope of channel c                  (gammatone_envelopes)
        v[c, k] = beta (v[c, k-1] - s[c, k-1]) + (1 - beta) gain e[c, k]^exponent   beta = exp(-step_s / tau_s)
        s[c, k] = 1 if v[c, k] > 1 else 0

    A steady channel fires if its envelope exceeds gain^(-1 / exponent), -40 dB of full scale by default, and then the
    faster the louder, at most once a step. Rounding of the FFT differs between machines and may move a spike by a step.
    Neither adaptation nor the inner-ear model of Lauscher, by which SHD and SSC were made, is implemented.

    Args:
        samples: (num_samples,), floating point, full scale being [-1, 1].
        rate_hz: sampling rate; a step must hold at least one sample.
        num_channels: at least 1.
        low_hz, high_hz: the lowest and the highest centre frequency, 0 < low_hz <= high_hz <= rate_hz / 2; high_hz is
            0.45 rate_hz by default.
        rms: bring the clip to this root mean square first (0.1 is a usual level of speech); None keeps its level.
        gain, exponent: of the compression above, > 0; 0.3 is the exponent of loudness.
        tau_s: membrane time constant in seconds.
        step_us: the neuron's step, which is also the resolution of the spike times.
    Returns: t_us, int64, the beginning of the step of each spike, rising; unit, uint16, its channel, 0 the lowest.
    Raises: ValueError if an argument has the wrong shape or range.
    Reference: Patterson et al. 1992 (gammatone); Glasberg and Moore 1990 (bandwidths).

    Example:
        >>> t = np.arange(1600) / 8000
        >>> t_us, unit = spikes_from_audio(0.5 * np.sin(2 * np.pi * 1000 * t), 8000, num_channels=20)
        >>> np.bincount(unit, minlength=20).argmax().item(), t_us[-1].item() < 200_000
        (10, True)
    """
    check_integer(WHERE, "rate_hz", rate_hz, low=1)
    check_integer(WHERE, "num_channels", num_channels, low=1)
    if rate_hz > HIGHEST_RATE_HZ:
        raise ValueError(f"{WHERE}: `rate_hz` must be at most {HIGHEST_RATE_HZ}; got {rate_hz}. Resample the clip.")
    high_hz = HIGHEST_SHARE * rate_hz if high_hz is None else high_hz
    check_number(WHERE, "high_hz", high_hz, low=1e-3, high=rate_hz / 2)
    check_number(WHERE, "low_hz", low_hz, low=1e-3, high=high_hz)
    for name, value in (("gain", gain), ("exponent", exponent), ("tau_s", tau_s)):
        check_number(WHERE, name, value, low=1e-9)
    if rms is not None:
        check_number(WHERE, "rms", rms, low=1e-9)
    check_integer(WHERE, "step_us", step_us, low=-(-1_000_000 // rate_hz))
    clip = _checked_samples(samples, rms)
    if len(clip) == 0:
        return np.empty(0, np.int64), np.empty(0, np.uint16)
    num_points = num_channels * _num_fft_points(len(clip) + math.ceil(RESPONSE_S * rate_hz))
    if num_points > LARGEST_FILTERBANK:
        raise ValueError(
            f"{WHERE}: `samples` times channels must be at most {LARGEST_FILTERBANK} with the filters' tails; got "
            f"{num_points}. Cut the clip into shorter ones, or resample it."
        )
    envelopes = gammatone_envelopes(clip, rate_hz, num_channels=num_channels, low_hz=low_hz, high_hz=high_hz)
    drive = gain * _mean_per_step(envelopes, rate_hz, step_us) ** exponent
    step, unit = np.nonzero(_fire(drive.astype(np.float32), beta=math.exp(-step_us * 1e-6 / tau_s)))
    return step.astype(np.int64) * step_us, unit.astype(np.uint16)
