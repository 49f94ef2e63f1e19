"""Recipes with published sizes and hyper-parameters, for a GPU (Shen et al. 2024, SpikingSSMs, and its code)."""

from longspike.data import CIFAR10_AUGMENT
from longspike.models.flames_presets import flames_sequence_preset
from longspike.models.presets import preset
from longspike.recipes.definition import Recipe
from longspike.training.config import TrainingConfig

_EXPECTED = "needs a GPU; not trained to the end by us, and the neuron is this package's, not SpikingSSMs'"


def smnist_full() -> Recipe:
    """2 layers of 400; 100 epochs of batches of 50."""
    return Recipe(
        name="smnist-full",
        description="sequential MNIST, published size (2 x 400)",
        data="smnist",
        model=preset("smnist"),
        training=TrainingConfig(epochs=100, batch_size=50, lr=0.01, weight_decay=0.01, warmup_fraction=0.01, seed=1111),
        expected=_EXPECTED,
    )


def psmnist_full() -> Recipe:
    """4 layers of 256; 100 epochs of batches of 50."""
    return Recipe(
        name="psmnist-full",
        description="permuted sequential MNIST, published size (4 x 256)",
        data="psmnist",
        model=preset("psmnist"),
        training=TrainingConfig(epochs=100, batch_size=50, lr=0.01, weight_decay=0.01, warmup_fraction=0.01, seed=1111),
        expected=_EXPECTED,
    )


def scifar_full() -> Recipe:
    """6 bidirectional layers of 512; 200 epochs of batches of 50, a tenth of them warm-up."""
    return Recipe(
        name="scifar-full",
        description="sequential grey CIFAR-10, published size (6 x 512, bidirectional)",
        data="scifar",
        model=preset("scifar"),
        training=TrainingConfig(epochs=200, batch_size=50, lr=0.01, weight_decay=0.01, warmup_fraction=0.1, seed=2222),
        expected=_EXPECTED,
    )


def cifar10_patches_full() -> Recipe:
    """FLAMES-Normal, with random crops and mirror images."""
    return Recipe(
        name="cifar10-patches-full",
        description="FLAMES-Normal on CIFAR-10 as 16 patches of 8x8, augmented",
        data="cifar10-patches",
        model=flames_sequence_preset("normal", d_input=192, num_classes=10),
        training=TrainingConfig(epochs=200, batch_size=100, lr=0.005, weight_decay=0.05),
        expected="not trained by us: for a GPU; published for Normal: 90.25 %",
        augmentation=CIFAR10_AUGMENT,
    )
