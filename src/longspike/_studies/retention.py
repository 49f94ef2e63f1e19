"""Memory retention: SA-HiPPO against plain HiPPO and LIF after delays, with distractors at controlled intervals."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from longspike._core.mistakes import Mistakes, is_integer
from longspike._studies.fitting import fit_steps
from longspike._studies.retention_task import RetentionTask, TickBatch
from longspike.layers.linear import SpikeLinear
from longspike.layers.memory_block import MemoryBlock
from longspike.models.flames_config import MemoryConfig
from longspike.models.flames_parts import build_memory
from longspike.training.config import TrainingConfig

MEMORIES: dict[str, dict[str, str]] = {
    "sa-hippo": {"kind": "sa_hippo"},
    "hippo": {"kind": "hippo"},
    "hippo-diag": {"kind": "hippo", "structure": "diag"},
    "lif": {"kind": "lif"},
}
"""What is compared: changes of the memory's configuration. hippo-diag has the exact exponential and no low rank."""


def _default_memory() -> MemoryConfig:
    return MemoryConfig(d_model=32, num_layers=1, d_state=32, rank=4, num_heads=2)


@dataclass(frozen=True, kw_only=True, slots=True)
class RetentionSettings:
    """The comparison.

    Attributes:
        task: the cues. memory: width, depth and state of all networks; its `kind` and `structure` are replaced.
        memories: names in MEMORIES. num_seeds: of patterns, weights and samples.
        num_steps, batch_size, lr: of training.
        train_delays, train_isis: ranges, log-uniform per sample. silent_share: samples whose delay is silent.
        delays: tested in silence and at `isi`. isis: tested at `delay`, and silence too.
        num_test: samples a condition and seed.
    """

    task: RetentionTask = field(default_factory=RetentionTask)
    memory: MemoryConfig = field(default_factory=_default_memory)
    memories: tuple[str, ...] = tuple(MEMORIES)
    num_seeds: int = 3
    num_steps: int = 400
    batch_size: int = 64
    lr: float = 0.01
    train_delays: tuple[int, int] = (10, 1000)
    train_isis: tuple[int, int] = (5, 100)
    silent_share: float = 0.3
    delays: tuple[int, ...] = (10, 30, 100, 300, 1000, 3000)
    isi: int = 10
    isis: tuple[int, ...] = (3, 5, 10, 30, 100)
    delay: int = 300
    num_test: int = 512

    def __post_init__(self) -> None:
        mistakes = Mistakes("RetentionSettings", self)
        mistakes.integers("num_seeds", "num_steps", "batch_size", "num_test", "isi", "delay")
        mistakes.numbers("lr")
        mistakes.numbers("silent_share", high=1, closed_low=True)
        unknown = sorted(set(self.memories) - set(MEMORIES))
        if unknown or not self.memories:
            mistakes.add(f"`memories` must be some of {', '.join(MEMORIES)}; got {', '.join(unknown) or 'none'!r}")
        for name in ("train_delays", "train_isis", "delays", "isis"):
            steps: tuple[int, ...] = getattr(self, name)
            if not steps or not all(is_integer(each, low=1) for each in steps):
                mistakes.add(f"`{name}` must be one or more integers of at least 1; got {steps!r}")
            elif name.startswith("train") and not (len(steps) == 2 and steps[0] <= steps[1]):
                mistakes.add(f"`{name}` must be the least and the greatest; got {steps!r}")
        mistakes.raise_any()

    @classmethod
    def quick(cls) -> "RetentionSettings":
        """Seconds instead of minutes: hardly trained, and no use for conclusions."""
        memory = MemoryConfig(d_model=8, num_layers=1, d_state=4, rank=1, num_heads=2)
        return cls(
            task=RetentionTask(num_classes=3, channels=6, cue_steps=4),
            memory=memory,
            num_seeds=2,
            num_steps=4,
            batch_size=5,
            train_delays=(4, 20),
            delays=(4, 20),
            isis=(3, 7),
            delay=9,
            num_test=7,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RetentionPoint:
    """Accuracy of one memory in one condition, one figure a seed; isi None is silence."""

    memory: str
    delay: int
    isi: int | None
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(np.mean(self.accuracies))


@dataclass(frozen=True, kw_only=True, slots=True)
class RetentionStudy:
    """Every memory in every condition; parameters of each network; loss at the end of training, one figure a seed."""

    settings: RetentionSettings
    seed: int
    chance: float
    points: tuple[RetentionPoint, ...]
    num_parameters: dict[str, int]
    final_losses: dict[str, tuple[float, ...]]


class RetentionNet(nn.Module):
    """Spikes -> linear -> memory blocks -> linear at the probe: the answer can come from the memory alone.

    Args:
        channels: of the input, the probe's included. num_classes: of the answer. memory: the stack.
    """

    def __init__(self, channels: int, num_classes: int, memory: MemoryConfig) -> None:
        super().__init__()
        self.embedding = SpikeLinear(channels, memory.d_model)
        self.blocks = nn.ModuleList(MemoryBlock(build_memory(memory), memory.d_model) for _ in range(memory.num_layers))
        self.decoder = SpikeLinear(memory.d_model, num_classes)

    def forward(self, batch: TickBatch) -> Tensor:
        """Logits (batch, num_classes) at every sample's last tick."""
        u = self.embedding(batch.u)
        for block in self.blocks:
            u = block(u, batch.delta, batch.offsets).u
        return self.decoder(u[batch.offsets[1:] - 1])


def _log_uniform(bounds: tuple[int, int], size: int, rng: np.random.Generator) -> np.ndarray:
    return np.exp(rng.uniform(math.log(bounds[0]), math.log(bounds[1]), size))


def _training_batch(settings: RetentionSettings, patterns: np.ndarray, rng: np.random.Generator) -> TickBatch:
    size = settings.batch_size
    delays = _log_uniform(settings.train_delays, size, rng).round()
    isis = np.where(rng.random(size) < settings.silent_share, np.inf, _log_uniform(settings.train_isis, size, rng))
    return settings.task.draw(delays, isis, patterns=patterns, rng=rng)


def _conditions(settings: RetentionSettings) -> list[tuple[int, int | None]]:
    """(delay, isi) of every tested condition, each once."""
    wanted = [(delay, None) for delay in settings.delays] + [(delay, settings.isi) for delay in settings.delays]
    wanted += [(settings.delay, isi) for isi in settings.isis] + [(settings.delay, None)]
    return list(dict.fromkeys(wanted))


def _accuracy(
    net: RetentionNet, settings: RetentionSettings, condition: tuple[int, int | None], patterns: np.ndarray, seed: int
) -> float:
    delay, isi = condition
    rng = np.random.default_rng([seed, 1, delay, isi or 0])
    size = settings.num_test
    isis = np.full(size, math.inf if isi is None else float(isi))
    batch = settings.task.draw(np.full(size, delay), isis, patterns=patterns, rng=rng)
    with torch.inference_mode():
        return float((net(batch).argmax(dim=1) == batch.labels).float().mean())


def _train(name: str, settings: RetentionSettings, seed: int) -> tuple[RetentionNet, np.ndarray, float]:
    """A trained network, the patterns it knows, and its last loss. All memories of a seed see the same samples."""
    task = replace(settings.task, seed=seed)
    patterns = task.patterns()
    config = TrainingConfig(lr=settings.lr, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        memory = replace(settings.memory, **MEMORIES[name])  # type: ignore[arg-type]
        net = RetentionNet(task.channels + 1, task.num_classes, memory)

        def loss_of(step: int) -> Tensor:
            batch = _training_batch(settings, patterns, np.random.default_rng([seed, 0, step]))
            return functional.cross_entropy(net(batch), batch.labels)

        loss = fit_steps(net, loss_of, config, num_steps=settings.num_steps)
    return net, patterns, loss


def study_retention(
    settings: RetentionSettings, *, seed: int = 0, on_progress: Callable[[str], None] = lambda name: None
) -> RetentionStudy:
    """Train every memory on mixed delays and intervals; accuracy in each condition, a network a seed.

    One network of a seed answers in all conditions. Width, depth, steps, samples and learning rate are the same for
    all memories, and none is tuned; the numbers of parameters differ and are reported.
    """
    conditions = _conditions(settings)
    found: dict[tuple[str, tuple[int, int | None]], list[float]] = {}
    sizes: dict[str, int] = {}
    losses: dict[str, list[float]] = {}
    for name in settings.memories:
        for k in range(settings.num_seeds):
            on_progress(f"{name}, seed {seed + k}")
            net, patterns, loss = _train(name, settings, seed + k)
            sizes[name] = sum(x.numel() for x in net.parameters())
            losses.setdefault(name, []).append(loss)
            for condition in conditions:
                accuracy = _accuracy(net, settings, condition, patterns, seed + k)
                found.setdefault((name, condition), []).append(accuracy)
    points = tuple(
        RetentionPoint(memory=name, delay=delay, isi=isi, accuracies=tuple(values))
        for (name, (delay, isi)), values in found.items()
    )
    return RetentionStudy(
        settings=settings,
        seed=seed,
        chance=1 / settings.task.num_classes,
        points=points,
        num_parameters=sizes,
        final_losses={name: tuple(values) for name, values in losses.items()},
    )
