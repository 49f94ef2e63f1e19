"""What the low rank of the memory is worth: memory as initialised, accuracy when trained, and cost of a tick."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from longspike._core.mistakes import Mistakes, is_integer
from longspike._studies.fitting import fit_steps
from longspike._studies.memory_span import MemorySpan, SpanSettings, memory_span
from longspike.data import BatchLoader, EventBundle, load_events
from longspike.models.flames import Flames
from longspike.models.flames_config import FlamesConfig
from longspike.models.flames_presets import flames_preset
from longspike.ssm.sa_hippo import SAHippo
from longspike.training import TrainingConfig, score


@dataclass(frozen=True, kw_only=True, slots=True)
class RankSettings:
    """What is compared.

    Attributes:
        ranks: columns of R; 0 is structure "diag".
        span: of the memory test. cycles: highest frequencies of its signals, a curve each.
        preset, data: the network that is trained and its data set. epochs, batch_size, lr, num_train: of training;
            num_train samples, or all if None. step_us: of the network.
        num_seeds: of every figure that is random.
        timed_ticks, rounds: of the cost of a tick.
    """

    ranks: tuple[int, ...] = (0, 1, 8)
    span: SpanSettings = field(default_factory=SpanSettings)
    cycles: tuple[float, ...] = (4.0, 8.0, 16.0)
    preset: str = "tiny"
    data: str = "event-digits"
    epochs: int = 4
    batch_size: int = 32
    lr: float = 0.01
    num_train: int | None = None
    step_us: int = 5000
    num_seeds: int = 3
    timed_ticks: int = 4000
    rounds: int = 7

    def __post_init__(self) -> None:
        mistakes = Mistakes("RankSettings", self)
        mistakes.integers("epochs", "batch_size", "num_seeds", "timed_ticks", "rounds", "step_us")
        mistakes.integers("num_train", or_none=True)
        mistakes.numbers("lr")
        if not self.ranks or not all(is_integer(rank, low=0) for rank in self.ranks):
            mistakes.add(f"`ranks` must be one or more integers of at least 0; got {self.ranks!r}")
        if not self.cycles or not all(0 < each < math.inf for each in self.cycles):
            mistakes.add(f"`cycles` must be one or more positive numbers; got {self.cycles!r}")
        mistakes.raise_any()

    @classmethod
    def quick(cls) -> "RankSettings":
        """Seconds instead of minutes: hardly trained, and no use for conclusions."""
        return cls(
            ranks=(0, 1, 2),
            span=SpanSettings(d_state=8, dt=0.05, num_signals=96, lags=5, max_lag=2.0),
            cycles=(2.0,),
            epochs=1,
            num_train=6,
            batch_size=3,
            step_us=10_000,
            num_seeds=2,
            timed_ticks=20,
            rounds=1,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RankSpan:
    """The memory of one rank for signals up to `cycles` per 1/dt steps; one `MemorySpan` a seed."""

    rank: int
    cycles: float
    spans: tuple[MemorySpan, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RankAccuracy:
    """Test accuracies of trained networks, one a seed, and parameters of the network."""

    rank: int
    accuracies: tuple[float, ...]
    num_parameters: int

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(np.mean(self.accuracies))


@dataclass(frozen=True, kw_only=True, slots=True)
class RankCost:
    """CPU microseconds of the memory layer at batch 1, compiled where it can be.

    Attributes:
        tick_us: of one tick of all channels, gaps known. gap_us: of preparing the transition of one more gap.
        training_tick_us: of one tick, forward and backward.
    """

    rank: int
    tick_us: float
    gap_us: float
    training_tick_us: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RankStudy:
    """Memory, accuracy and cost of every rank. d_model: channels of the timed layer."""

    settings: RankSettings
    seed: int
    d_model: int
    spans: tuple[RankSpan, ...]
    accuracies: tuple[RankAccuracy, ...]
    costs: tuple[RankCost, ...]


def network_config(
    settings: RankSettings, rank: int, *, sensor_size: tuple[int, int], num_classes: int
) -> FlamesConfig:
    """The preset with the memory's rank, or with structure "diag" for rank 0."""
    config = flames_preset(settings.preset, sensor_size=sensor_size, num_classes=num_classes)
    changes = {"structure": "diag"} if rank == 0 else {"rank": rank}
    return replace(config, step_us=settings.step_us, memory=replace(config.memory, **changes))  # type: ignore[arg-type]


def _train(settings: RankSettings, rank: int, bundle: EventBundle, seed: int) -> tuple[float, int]:
    """Test accuracy and number of parameters of one trained network."""
    train = bundle.train
    if settings.num_train is not None:
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
        train = train.select(order[: settings.num_train])
    loader = BatchLoader(train, batch_size=settings.batch_size, shuffle=True, seed=seed)
    test = bundle.test if settings.num_train is None else bundle.test.select(torch.arange(settings.num_train))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = network_config(settings, rank, sensor_size=bundle.sensor_size, num_classes=bundle.num_classes)
        model = Flames(config)
        batches = (batch for _ in range(settings.epochs) for batch in loader)

        def loss_of(step: int) -> Tensor:
            batch = next(batches)
            return functional.cross_entropy(model.classify(batch).logits, batch.labels)

        fit_steps(model, loss_of, TrainingConfig(lr=settings.lr, seed=seed), num_steps=settings.epochs * len(loader))
        result = score(model, BatchLoader(test, batch_size=settings.batch_size, shuffle=False, seed=0))
    return result.accuracy, sum(x.numel() for x in model.parameters())


def _cost(settings: RankSettings, rank: int, d_model: int) -> RankCost:
    """Timed on the network's first memory layer as initialised."""
    config = network_config(settings, rank, sensor_size=(34, 34), num_classes=10).memory
    layer = SAHippo(
        d_model,
        d_state=config.d_state,
        rank=rank,
        num_heads=config.num_heads,
        structure=config.structure,
    )
    ticks = settings.timed_ticks
    u, offsets = torch.randn(ticks, d_model), torch.tensor([0, ticks])
    delta, gaps = 1.0 + torch.arange(ticks) % 8, torch.arange(1.0, 257.0)

    def forward() -> None:
        with torch.no_grad():
            layer(u, delta, offsets)

    def training() -> None:
        layer.zero_grad()
        layer(u, delta, offsets)[0].sum().backward()

    def tables() -> None:
        with torch.no_grad():
            layer.tables(gaps, torch.float32)

    return RankCost(
        rank=rank,
        tick_us=_cpu_us(forward, settings.rounds) / ticks,
        gap_us=_cpu_us(tables, settings.rounds) / len(gaps),
        training_tick_us=_cpu_us(training, settings.rounds) / ticks,
    )


def _cpu_us(call: Callable[[], None], rounds: int) -> float:
    """CPU microseconds of a call, the least of `rounds` after one that does not count: a busy machine adds to a figure."""
    spent = []
    for _ in range(rounds + 1):
        started = time.process_time()
        call()
        spent.append(time.process_time() - started)
    return 1e6 * min(spent[1:])


def study_rank(
    settings: RankSettings, *, seed: int = 0, on_progress: Callable[[str], None] = lambda name: None
) -> RankStudy:
    """Rank 0, 1, 8: memory span as initialised, accuracy of small trained networks, and cost of a tick.

    The learning rate is the same for all ranks and tuned for none; few epochs tell how fast a network learns rather than
    how well it ends.
    """
    spans, accuracies, costs = [], [], []
    seeds = [seed + k for k in range(settings.num_seeds)]
    for cycles in settings.cycles:
        for rank in settings.ranks:
            on_progress(f"memory, {cycles:g} cycles, rank {rank}")
            span = replace(settings.span, cycles=cycles)
            found = tuple(memory_span(span, rank=rank, seed=each) for each in seeds)
            spans.append(RankSpan(rank=rank, cycles=cycles, spans=found))
    preset = flames_preset(settings.preset, sensor_size=(34, 34), num_classes=10)
    for rank in settings.ranks:
        on_progress(f"cost, rank {rank}")
        costs.append(_cost(settings, rank, preset.memory.d_model))
    on_progress(f"data set {settings.data}")
    bundle = load_events(settings.data)
    for rank in settings.ranks:
        results = []
        for each in seeds:
            on_progress(f"training, rank {rank}, seed {each}")
            results.append(_train(settings, rank, bundle, each))
        accuracies.append(
            RankAccuracy(rank=rank, accuracies=tuple(a for a, _ in results), num_parameters=results[0][1])
        )
    return RankStudy(
        settings=settings,
        seed=seed,
        d_model=preset.memory.d_model,
        spans=tuple(spans),
        accuracies=tuple(accuracies),
        costs=tuple(costs),
    )
