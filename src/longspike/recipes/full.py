"""Recipes with published sizes and hyper-parameters, for a GPU (Shen et al. 2024, SpikingSSMs, and its code)."""

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
