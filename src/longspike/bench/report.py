"""Every benchmark under its name, on its own shapes, in the order of a report."""

from collections.abc import Callable, Iterator

from longspike.bench.block import bench_block
from longspike.bench.growth import Line, bench_growth
from longspike.bench.language_head import bench_language_head
from longspike.bench.limits import fma_limit, memory_limits
from longspike.bench.mixing import bench_mixing
from longspike.bench.neuron import bench_neuron
from longspike.bench.overhead import bench_overhead
from longspike.bench.small_block import bench_small_block
from longspike.bench.state_space import bench_state_space
from longspike.bench.tables import Table, rows_of
from longspike.bench.timing import Rounds, time_rounds

Shape = tuple[int, int, int]
LIMIT_BYTES = 1 << 28
BENCHMARKS: dict[str, tuple[Callable[[Shape, Rounds], list[Table]], tuple[Shape, ...]]] = {
    "neuron": (bench_neuron, ((64, 1024, 256), (8, 16384, 256))),
    "ssm": (bench_state_space, ((8, 2048, 256), (8, 16384, 256))),
    "mixing": (bench_mixing, ((8, 4096, 256),)),
    "block": (bench_block, ((8, 4096, 256),)),
    "small-block": (bench_small_block, ((16, 1024, 64), (16, 1024, 128), (16, 1024, 256))),
    "language-head": (bench_language_head, ((16, 128, 256),)),
}


def bench_limits(rounds: Rounds) -> Table:
    """What this machine can do at most, with the threads that the kernels get."""
    limits = memory_limits(LIMIT_BYTES) | fma_limit()
    timings = time_rounds({name: limit.run for name, limit in limits.items()}, rounds)
    work = {name: limit.work for name, limit in limits.items()}
    return Table(
        what="limits",
        title="limits of this machine",
        setting=f"arrays of {LIMIT_BYTES >> 20} MiB in huge pages",
        counted="bytes read and written together; FMA: operations of multiply-adds in registers, in GFLOP/s",
        unit="GB/s, GFLOP/s",
        rows=rows_of(timings, elements=LIMIT_BYTES // 4, ours="", work=work),
    )


def measure(what: str, shapes: tuple[Shape, ...], rounds: Rounds) -> Iterator[Table | list[Line]]:
    """Tables, and lines of growth, as they come; `what` is a benchmark's name, "overhead", "growth" or "all".

    Args:
        shapes: (batch, seqlen, channels) in place of each benchmark's own; overhead and growth have their own always.
    """
    yield bench_limits(rounds.within("limits of this machine"))
    for name, (bench, own_shapes) in BENCHMARKS.items():
        if what in (name, "all"):
            for shape in shapes or own_shapes:
                yield from bench(shape, rounds.within(f"{name} at {'x'.join(map(str, shape))}"))
    if what in ("overhead", "all"):
        yield from bench_overhead(rounds.within("small calls"))
    if what in ("growth", "all"):
        yield bench_growth(rounds.within("growth"))
