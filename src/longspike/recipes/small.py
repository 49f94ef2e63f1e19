"""Recipes for two CPU cores: the long-sequence tasks with small networks."""

from dataclasses import replace

from longspike.data.sets.cifar10 import CIFAR10_AUGMENT, CIFAR10_COLUMNS_AUGMENT, HEIGHT, NUM_PATCHES, PATCH
from longspike.models.flames_config import FlamesSequenceConfig, MemoryConfig
from longspike.models.flames_presets import flames_frames_preset
from longspike.models.presets import preset
from longspike.recipes.definition import Recipe
from longspike.training.config import TrainingConfig


def smnist() -> Recipe:
    """MNIST pixel by pixel."""
    return Recipe(
        name="smnist",
        description="sequential MNIST, 784 steps, small network",
        data="smnist",
        model=preset("smnist-small"),
        training=TrainingConfig(epochs=13, batch_size=50, lr=0.01, rate_target=0.1, checkpoint_every_steps=200),
        expected="99.3 % at 6.7 % firing; 71 minutes on one shared core (results/smnist); published size: smnist-full",
    )


def _like_smnist(name: str, description: str, *, epochs: int, expected: str) -> Recipe:
    base = smnist()
    return replace(
        base,
        name=name,
        description=f"{description} steps, small network",
        data=name,
        model=preset(f"{name}-small"),
        training=replace(base.training, epochs=epochs),
        expected=f"{expected}; published size: {name}-full",
    )


def psmnist() -> Recipe:
    """MNIST pixel by pixel, permuted."""
    return _like_smnist(
        "psmnist",
        "permuted sequential MNIST, 784",
        epochs=7,
        expected="94.4 % at 7.5 % firing; 40 minutes on one shared core (results/psmnist)",
    )


def scifar() -> Recipe:
    """CIFAR-10 in grey, pixel by pixel."""
    return _like_smnist(
        "scifar",
        "sequential grey CIFAR-10, 1024",
        epochs=12,
        expected="not trained by us yet; about 80 minutes on 2 idle cores",
    )


def _patches(name: str, preset: str, size: str, *, epochs: int, expected: str) -> Recipe:
    frames = {"frame": (PATCH, PATCH, 3), "num_steps": NUM_PATCHES, "num_classes": 10}
    return Recipe(
        name=name,
        description=f"CIFAR-10 as 16 patches of 8x8, FLAMES with dendritic convolutions, {size}",
        data="cifar10-patches",
        model=flames_frames_preset(preset, **frames),  # type: ignore[arg-type]
        training=TrainingConfig(
            epochs=epochs, batch_size=100, lr=0.005, weight_decay=0.01, warmup_fraction=0.05, checkpoint_every_steps=200
        ),
        expected=expected,
        augmentation=CIFAR10_AUGMENT,
    )


def cifar10_patches() -> Recipe:
    """CIFAR-10 in colour as 16 patches of 8x8, the smallest network."""
    return _patches(
        "cifar10-patches",
        "tiny",
        "27 k parameters",
        epochs=40,
        expected="not trained by us yet; about 40 minutes on one core; published for Tiny: about 83 %",
    )


def cifar10_patches_medium() -> Recipe:
    """The same, wider where it pays."""
    return _patches(
        "cifar10-patches-medium",
        "medium",
        "105 k parameters",
        epochs=40,
        expected="not trained by us yet; about an hour on one core",
    )


def cifar10_patches_small() -> Recipe:
    """The same, the published channels and branches of Small."""
    return _patches(
        "cifar10-patches-small",
        "small",
        "87 k parameters",
        epochs=40,
        expected="not trained by us yet; two hours on one core",
    )


def cifar10_columns() -> Recipe:
    """CIFAR-10 in colour column by column, the protocol of the parallel spiking neuron."""
    model = FlamesSequenceConfig(
        d_input=3 * HEIGHT,
        num_outputs=10,
        num_branches=8,
        tau_min=0.2,
        tau_max=16.0,
        frame=(HEIGHT, 1, 3),
        convolutions=(32,) * 6,
        pools=(1, 1, 2, 1, 1, 2),
        kernel=(3, 1),
        memory=MemoryConfig(d_model=64, d_state=16, num_heads=4, input="held", dt_min=1e-2, dt_max=0.5),
    )
    return replace(
        cifar10_patches(),
        name="cifar10-columns",
        description="CIFAR-10 as 32 columns, six dendritic convolutions over rows (47 k parameters)",
        data="cifar10-columns",
        model=model,
        expected="not trained by us yet; several hours on one core; published with LIF neurons and 513 k parameters: 81.5 %",
        augmentation=CIFAR10_COLUMNS_AUGMENT,
    )
