"""Random changes of sounds: moved in time, louder or softer, with noise."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import describe
from longspike._core.mistakes import Mistakes

LARGEST_SHIFT, LARGEST_GAIN_DB, LARGEST_NOISE = 1 << 24, 120.0, 1e3


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundAugment:
    """Shift, gain and noise of a normalised sound, drawn anew for every sample.

        y[n] = g x[n - s] + e w[n],   x = 0 outside the sound,   g = 10^(u / 20)

    s is uniform in -max_shift .. max_shift, u in +-max_gain_db, e in 0 .. max_noise, and w is standard normal; each sample
    draws s, u, e, w from its own generator and in that order. The length stays, so what is moved over an end is lost. Of a
    sound in frames, whose d_input numbers a step are successive samples, n counts samples, not frames. For the `augment` of
    a loader over a `RaggedSplit`.

    Args:
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

    def __post_init__(self) -> None:
        mistakes = Mistakes("SoundAugment", self)
        mistakes.integers("max_shift", low=0, high=LARGEST_SHIFT)
        mistakes.numbers("max_gain_db", high=LARGEST_GAIN_DB, closed_low=True)
        mistakes.numbers("max_noise", high=LARGEST_NOISE, closed_low=True)
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
        shift = int(rng.integers(-self.max_shift, self.max_shift, endpoint=True))
        gain = 10.0 ** (rng.uniform(-self.max_gain_db, self.max_gain_db) / 20.0)
        noise = rng.uniform(0.0, self.max_noise)
        x = sound.flatten()
        y = torch.zeros_like(x)
        kept = max(0, len(x) - abs(shift))
        y[max(shift, 0) : max(shift, 0) + kept] = x[max(-shift, 0) : max(-shift, 0) + kept]
        y *= gain
        if noise > 0:
            y += noise * torch.from_numpy(rng.standard_normal(len(y), dtype=np.float32))
        return y.reshape(sound.shape)
