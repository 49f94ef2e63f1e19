"""Recipes with published sizes and hyper-parameters, for a GPU (Shen et al. 2024, SpikingSSMs, and its code)."""

from dataclasses import replace

from longspike.data.sets.cifar10 import NUM_PATCHES, PATCH
from longspike.models.flames_presets import flames_frames_preset
from longspike.models.presets import preset
from longspike.recipes.definition import Recipe
from longspike.recipes.small import cifar10_patches
from longspike.training.config import TrainingConfig

_TRAINING = TrainingConfig(epochs=100, batch_size=50, lr=0.01, weight_decay=0.01, warmup_fraction=0.01, seed=1111)


def _published(data: str, description: str, training: TrainingConfig) -> Recipe:
    return Recipe(
        name=f"{data}-full",
        description=description,
        data=data,
        model=preset(data),
        training=training,
        expected="needs a GPU; not trained to the end by us, and the neuron is this package's, not SpikingSSMs'",
    )


def smnist_full() -> Recipe:
    """2 layers of 400; 100 epochs of batches of 50."""
    return _published("smnist", "sequential MNIST, published size (2 x 400)", _TRAINING)


def psmnist_full() -> Recipe:
    """4 layers of 256; 100 epochs of batches of 50."""
    return _published("psmnist", "permuted sequential MNIST, published size (4 x 256)", _TRAINING)


def scifar_full() -> Recipe:
    """6 bidirectional layers of 512; 200 epochs of batches of 50, a tenth of them warm-up."""
    training = replace(_TRAINING, epochs=200, warmup_fraction=0.1, seed=2222)
    return _published("scifar", "sequential grey CIFAR-10, published size (6 x 512, bidirectional)", training)


def cifar10_patches_full() -> Recipe:
    """FLAMES-Normal."""
    base = cifar10_patches()
    return replace(
        base,
        name="cifar10-patches-full",
        description="CIFAR-10 as 16 patches of 8x8, FLAMES-Normal (305 k parameters)",
        model=flames_frames_preset("normal", frame=(PATCH, PATCH, 3), num_steps=NUM_PATCHES, num_classes=10),
        training=replace(base.training, epochs=200, weight_decay=0.05),
        expected="not trained by us: for a GPU; published for Normal: 90.25 %",
    )
