"""Made-up signals like an electrocardiogram: beats of three kinds, noise, a wandering line, and a label for every step.

    x[n] = gain sum_k shape_kind[k](n / 100 - t_k) + 0.3 sin(2 pi f n / 100 + phi) + 0.05 w[n]
    shape(t) = sum_j height_j exp(-((t - centre_j) / width_j)^2 / 2)                            (SHAPES, seconds)
    t_{k+1} = t_k + interval (1 + 0.05 z),   times 0.6 before an early beat
    label[n] = the kind of the latest beat k where 0 <= n / 100 - t_k < 0.4, else "rest"

A signal draws its interval (0.6 to 1.1 s), gain (0.7 to 1.3), f (0.15 to 0.4 Hz) and phi, uniform; a beat is regular with
probability 0.7, early or wide with 0.15 each; z and w are standard normal. An early beat looks like a regular one: what
tells it is the time since the last beat, in comparison with the signal's own interval. No person's heart was recorded, and
these are no rules of medicine.
"""

from typing import NamedTuple

import numpy as np

RATE_HZ = 100
CLASS_NAMES = ("rest", "regular", "early", "wide")
KIND_SHARES = (0.70, 0.15, 0.15)
"""Of regular, early and wide beats."""
_REGULAR = np.array(
    [(0.15, -0.18, 0.025), (-0.10, -0.03, 0.010), (1.0, 0.0, 0.012), (-0.20, 0.03, 0.010), (0.30, 0.28, 0.050)]
)
_WIDE = np.array([(1.2, 0.0, 0.040), (-0.50, 0.10, 0.040), (-0.35, 0.32, 0.060)])
SHAPES = (_REGULAR, _REGULAR, _WIDE)
"""(height, centre, width) of the waves of each kind of beat."""
LABEL_S, EARLY_FACTOR, INTERVAL_SPREAD = 0.4, 0.6, 0.05
WANDER, NOISE = 0.3, 0.05


class Signal(NamedTuple):
    """values (num_steps,), float32; labels (num_steps,), int64, numbers of CLASS_NAMES; beats (num_beats,), seconds."""

    values: np.ndarray
    labels: np.ndarray
    beats: np.ndarray


def _draw_beats(seconds: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Times of the beats in seconds, some of them past both ends, and their kinds, 0 regular, 1 early, 2 wide."""
    interval = random.uniform(0.6, 1.1)
    time, times, kinds = -random.uniform(0.0, interval), [], []
    while time < seconds + 1.0:
        kind = int(random.choice(len(KIND_SHARES), p=KIND_SHARES))
        step = interval * (1.0 + INTERVAL_SPREAD * random.standard_normal())
        time += step * EARLY_FACTOR if kind == 1 else step
        times.append(time)
        kinds.append(kind)
    return np.array(times), np.array(kinds)


def draw_signal(num_steps: int, random: np.random.Generator) -> Signal:
    """A signal by the rules above.

    Example:
        >>> signal = draw_signal(300, np.random.default_rng(0))
        >>> signal.values.shape, [CLASS_NAMES[k] for k in np.unique(signal.labels)]
        ((300,), ['rest', 'regular', 'early', 'wide'])
    """
    t = np.arange(num_steps) / RATE_HZ
    gain, frequency_hz, phase = random.uniform(0.7, 1.3), random.uniform(0.15, 0.4), random.uniform(0.0, 2.0 * np.pi)
    times, kinds = _draw_beats(num_steps / RATE_HZ, random)
    values = WANDER * np.sin(2.0 * np.pi * frequency_hz * t + phase) + NOISE * random.standard_normal(num_steps)
    labels = np.zeros(num_steps, np.int64)
    for time, kind in zip(times, kinds, strict=True):
        height, centre, width = SHAPES[kind].T
        values += gain * (height * np.exp(-(((t[:, None] - time - centre) / width) ** 2) / 2.0)).sum(axis=1)
        labels[(t >= time) & (t < time + LABEL_S)] = 1 + kind
    return Signal(values.astype(np.float32), labels, times)
