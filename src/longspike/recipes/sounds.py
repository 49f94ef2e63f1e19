"""Recipes for sounds as waveforms: for one CPU core, and one of published size for a GPU (Shen et al. 2024)."""

from dataclasses import replace

from longspike.data import SoundAugment
from longspike.layers.neuron import NeuronConfig
from longspike.models.config import SpikeSSMConfig
from longspike.recipes.definition import Recipe
from longspike.training.config import TrainingConfig

_NEURON = NeuronConfig(gradient="instant")
"""The full gradient grows without bound backwards through many steps where training makes a neuron strongly refractory."""
_MODEL = SpikeSSMConfig(
    d_model=64,
    num_layers=2,
    d_state=16,
    neuron=_NEURON,
    dropout=0.1,
    mix_gain=2.3,
    dt_min=1e-3,
    dt_max=0.1,
    has_final_norm=True,
)
_TRAINING = TrainingConfig(
    epochs=45, batch_size=8, lr=0.01, label_smoothing=0.1, rate_target=0.1, checkpoint_every_steps=100
)


def spoken_digits_raw() -> Recipe:
    """Spoken digits sample by sample."""
    return Recipe(
        name="spoken-digits-raw",
        description="spoken digits sample by sample, up to 18,262 steps",
        data="spoken-digits-raw",
        model=_MODEL,
        training=_TRAINING,
        expected="98.0 % of the test set at 9 % firing; 37 minutes on one core (results/spoken-digits-raw)",
        augmentation=SoundAugment(max_shift=400, max_gain_db=12.0),
    )


def spoken_digits_raw_speakers() -> Recipe:
    """Spoken digits sample by sample, of a speaker that was not trained on."""
    return replace(
        spoken_digits_raw(),
        name="spoken-digits-raw-speakers",
        description="spoken digits sample by sample, tested on another speaker",
        data="spoken-digits-raw-speakers",
        augmentation=SoundAugment(max_shift=400, max_gain_db=12.0, max_noise=0.02, max_speed=0.25, max_tilt=0.6),
        expected="63.6 % of another speaker at 5.1 % firing; 40 minutes on one core (results/spoken-digits-raw-speakers)",
    )


def spoken_digits_frames() -> Recipe:
    """Spoken digits in frames of 8 samples: an eighth of the steps."""
    return replace(
        spoken_digits_raw(),
        name="spoken-digits-frames",
        description="spoken digits in frames of 8 samples, up to 2,283 steps",
        data="spoken-digits-frames",
        model=replace(_MODEL, d_input=8),
        training=replace(_TRAINING, epochs=20, batch_size=16),
        expected="95.7 % of the test set at 9 % firing; 4 minutes on one shared core",
    )


def speech_commands_full() -> Recipe:
    """6 bidirectional layers of 128 with batch norm; 40 epochs of batches of 16."""
    return Recipe(
        name="speech-commands-full",
        description="35 spoken words sample by sample, published size (6 x 128, bidirectional)",
        data="speech-commands",
        model=SpikeSSMConfig(
            num_outputs=35,
            d_model=128,
            num_layers=6,
            d_state=16,
            norm_kind="batch",
            neuron=_NEURON,
            trains_b=True,
            is_bidirectional=True,
        ),
        training=TrainingConfig(epochs=40, batch_size=16, lr=0.01, weight_decay=0.01, seed=2222),
        expected="needs a GPU; not trained by us, and the neuron is this package's, not SpikingSSMs'",
    )
