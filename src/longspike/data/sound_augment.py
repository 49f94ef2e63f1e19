"""Random changes of sounds: faster or slower, moved in time, brighter or duller, louder or softer, with noise."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import describe
from longspike._core.mistakes import Mistakes

LARGEST_SHIFT, LARGEST_GAIN_DB, LARGEST_NOISE = 1 << 24, 120.0, 1e3


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundAugment:
    """Speed, shift, tilt, gain and noise of a normalised sound, drawn anew for every sample.

        z[n] = x(m + v (n - m - s)),   m = (length - 1) / 2,   between samples by linear interpolation, 0 outside the sound
        y[n] = g (z[n] - a z[n - 1]) + e w[n],   v = (1 + max_speed)^q,   g = 10^(u / 20)

    q is uniform in -1 .. 1, s in -max_shift .. max_shift, a in +-max_tilt, u in +-max_gain_db, e in 0 .. max_noise, and w is
    standard normal; each sample draws q and a, where their maximum is not 0, then s, u, e, w from its own generator.
    The length stays, so what is moved over an end is lost. A speed changes pitch and formants too, as between speakers; a
    tilt makes the sound brighter (a > 0) or duller, as between microphones. Of a sound in frames, whose d_input numbers a
    step are successive samples, n counts samples, not frames. For the `augment` of a loader over a `RaggedSplit`.

    Args:
        max_speed: largest change of speed, 0.1 for a tenth faster or slower; below 1.
        max_tilt: largest |a|, below 1.
        max_shift: in samples.
        max_gain_db: in decibel.
        max_noise: largest standard deviation of the noise, in units of the normalised sound.
    Raises: ConfigError naming every mistake.

    Example:
        >>> augment = SoundAugment(max_shift=2, max_gain_db=0.0, max_noise=0.0)
        >>> augment(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), np.random.default_rng(4))
        tensor([[0., 1.],
                [2., 3.]])
    """

    max_shift: int = 0
    max_gain_db: float = 0.0
    max_noise: float = 0.0
    max_speed: float = 0.0
    max_tilt: float = 0.0

    def __post_init__(self) -> None:
        mistakes = Mistakes("SoundAugment", self)
        mistakes.integers("max_shift", low=0, high=LARGEST_SHIFT)
        mistakes.numbers("max_gain_db", high=LARGEST_GAIN_DB, closed_low=True)
        mistakes.numbers("max_noise", high=LARGEST_NOISE, closed_low=True)
        mistakes.numbers("max_speed", "max_tilt", high=1, closed_low=True)
        mistakes.raise_any()

    def __call__(self, sound: Tensor, rng: np.random.Generator) -> Tensor:
        """A changed copy of a sound (length, d_input), float32.

        Raises: ValueError if it has other axes.
        """
        if sound.dim() != 2:
            raise ValueError(
                f"SoundAugment: `sound` must have shape (length, d_input); got {describe(sound)}. "
                "It changes the samples of a RaggedSplit, one by one."
            )
        speed = (1 + self.max_speed) ** rng.uniform(-1.0, 1.0) if self.max_speed else 1.0
        tilt = rng.uniform(-self.max_tilt, self.max_tilt) if self.max_tilt else 0.0
        shift = int(rng.integers(-self.max_shift, self.max_shift, endpoint=True))
        gain = 10.0 ** (rng.uniform(-self.max_gain_db, self.max_gain_db) / 20.0)
        noise = rng.uniform(0.0, self.max_noise)
        y = _moved(sound.flatten(), speed, shift)
        if tilt:
            y[1:] = y[1:] - tilt * y[:-1]
        y *= gain
        if noise > 0:
            y += noise * torch.from_numpy(rng.standard_normal(len(y), dtype=np.float32))
        return y.reshape(sound.shape)


def _moved(x: Tensor, speed: float, shift: int) -> Tensor:
    """z[n] = x(m + speed (n - m - shift)) of x (length), m its middle."""
    if speed == 1.0 or len(x) == 0:
        y, kept = torch.zeros_like(x), max(0, len(x) - abs(shift))
        y[max(shift, 0) : max(shift, 0) + kept] = x[max(-shift, 0) : max(-shift, 0) + kept]
        return y
    places, middle = np.arange(len(x)), (len(x) - 1) / 2
    values = np.interp(middle + speed * (places - middle - shift), places, x.numpy(), left=0.0, right=0.0)
    return torch.from_numpy(values.astype(np.float32))
