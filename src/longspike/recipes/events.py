"""Recipes of FLAMES on events: the embedded digits, N-MNIST with its ablations, and the published data sets."""

from dataclasses import replace

from longspike.events.augmentation import Augmentation
from longspike.models.flames_config import FlamesConfig
from longspike.models.flames_presets import flames_preset
from longspike.recipes.definition import Recipe
from longspike.training.config import TrainingConfig

_TRAINING = TrainingConfig(epochs=60, batch_size=16, lr=0.005, label_smoothing=0.1, rate_target=0.05, rate_weight=0.1)


def _tiny(sensor_size: tuple[int, int], num_classes: int, *, step_us: int = 5000) -> FlamesConfig:
    """FLAMES-Tiny at steps of `step_us`; no branch forgets faster than a step."""
    model = flames_preset("tiny", sensor_size=sensor_size, num_classes=num_classes)
    return replace(model, step_us=step_us, tau_min_us=float(step_us), tau_soma_us=20_000.0)


_NMNIST = _tiny((34, 34), 10)


def event_digits() -> Recipe:
    """The demo: FLAMES-Tiny on simulated events."""
    return Recipe(
        name="event-digits",
        description="FLAMES-Tiny on simulated event-camera digits: the demo",
        data="event-digits",
        model=replace(_tiny((34, 34), 10, step_us=4000), stride=1, pool=4, tau_soma_us=10_000.0),
        training=replace(_TRAINING, epochs=12, batch_size=32, lr=0.01, selection="loss"),
        expected="97.2 to 97.5 % of the test set (seeds 0 and 1) at 2 to 3 % firing; about a minute on 2 idle cores",
        augmentation=Augmentation(max_shift_px=2, max_rotation_degrees=10.0),
    )


def nmnist() -> Recipe:
    """Recordings of a real sensor."""
    return Recipe(
        name="nmnist",
        description="FLAMES-Tiny on N-MNIST",
        data="nmnist",
        model=_NMNIST,
        training=replace(_TRAINING, epochs=15, batch_size=32, lr=0.01, num_threads=1),
        expected="98.0 % of 100 test recordings (97 to 99, seeds 0 to 2) at 4.5 % firing; about 90 seconds on one core",
        augmentation=Augmentation(max_shift_px=2),
    )


def _ablation(suffix: str, description: str, model: FlamesConfig) -> Recipe:
    return replace(
        nmnist(),
        name=f"nmnist-{suffix}",
        description=f"N-MNIST, {description}",
        model=model,
        expected="a comparison with `nmnist`, which it equals in everything else; results/nmnist",
    )


def nmnist_no_dendrites() -> Recipe:
    """Point neurons: one branch that remembers nothing."""
    return _ablation(
        "no-dendrites", "without dendrites (LIF convolution)", replace(_NMNIST, front="lif", num_branches=1)
    )


def nmnist_hippo() -> Recipe:
    """Plain HiPPO: no spike-aware decay."""
    return _ablation(
        "hippo", "plain HiPPO for SA-HiPPO", replace(_NMNIST, memory=replace(_NMNIST.memory, kind="hippo"))
    )


def nmnist_lif() -> Recipe:
    """A leaky neuron per channel for the memory."""
    return _ablation("lif", "LIF neurons for SA-HiPPO", replace(_NMNIST, memory=replace(_NMNIST.memory, kind="lif")))


def _published(data: str, sensor_size: tuple[int, int], num_classes: int, mark: str) -> Recipe:
    """FLAMES-Tiny on a published data set, at settings that were not tuned."""
    return Recipe(
        name=data,
        description=f"FLAMES-Tiny on {data}",
        data=data,
        model=_tiny(sensor_size, num_classes),
        training=_TRAINING,
        expected=f"not trained by us: the files are not ours to give; published {mark} % (tiny / small / normal)",
        augmentation=Augmentation(max_shift_px=max(max(sensor_size) // 32, 1)) if sensor_size[1] > 1 else None,
    )


def dvs_gesture() -> Recipe:
    """DVS128 Gesture."""
    return _published("dvs-gesture", (128, 128), 11, "89.2 / 93.7 / 96.5")


def shd() -> Recipe:
    """Spiking Heidelberg Digits: 700 channels in a row."""
    return _published("shd", (700, 1), 20, "86.2 / 90.6 / 94.7")


def ssc() -> Recipe:
    """Spiking Speech Commands."""
    return _published("ssc", (700, 1), 35, "72.2 / 82.1 / 87.5")


def celex_har() -> Recipe:
    """CeleX-HAR, 1280x800."""
    return _published("celex-har", (1280, 800), 150, "63.2 / 69.2 / 72.2")
