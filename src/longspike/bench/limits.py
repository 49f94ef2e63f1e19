"""What this machine can do at most, measured beside the kernels: memory traffic, and multiply-adds in registers.

The limits are compiled kernels (csrc/core/limits.hpp) over huge-page buffers of our own, with PyTorch's threads.
`time_rounds` takes them as candidates, so every round of a benchmark measures its own limit, and a share of the limit
is a ratio of two times of one round.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from longspike.bench.timing import Step
from longspike.kernels import native

LIMIT = "limit: "
COPY, TRIAD, SUM, FILL, FMA = (LIMIT + name for name in ("copy NT", "triad NT", "sum", "fill NT", "FMA"))
RECORDS = LIMIT + "records"
FMA_ITEMS = 4096


@dataclass(frozen=True)
class Limit:
    """A limit as a candidate of `time_rounds`.

    Attributes:
        run: one measurement.
        work: what it does: bytes read and written together, or floating-point operations.
        unit: "GB/s" or "GFLOP/s", of work over time.
    """

    run: Callable[[], object]
    work: int
    unit: str

    def as_step(self) -> Step:
        """The same as a training step whose forward half is empty."""
        return Step(lambda: None, lambda _: self.run())


def memory_limits(num_bytes: int, names: tuple[str, ...] = (COPY, TRIAD, SUM, FILL)) -> dict[str, Limit]:
    """Limits over arrays of `num_bytes` each; none without the compiled extension.

    Copy reads one array and writes another, triad reads two and writes one, sum reads one, fill writes one; NT: written
    around the caches, which would otherwise read an array before they write it.
    """
    if not native.is_available():
        return {}
    extension, threads = native.extension(), native.threads()
    n = num_bytes // 4
    a, b, y = (native.empty((n,), torch.float32).fill_(1.0) for _ in range(3))  # touched: no page faults in a timing

    def copy() -> None:
        extension.limit_copy(a.data_ptr(), y.data_ptr(), n, threads)

    def triad() -> None:
        extension.limit_triad(a.data_ptr(), b.data_ptr(), 0.5, y.data_ptr(), n, threads)

    def total() -> float:
        return extension.limit_sum(a.data_ptr(), n, threads)

    def fill() -> None:
        extension.limit_fill(2.0, y.data_ptr(), n, threads)

    limits = {
        COPY: Limit(copy, 8 * n, "GB/s"),
        TRIAD: Limit(triad, 12 * n, "GB/s"),
        SUM: Limit(total, 4 * n, "GB/s"),
        FILL: Limit(fill, 4 * n, "GB/s"),
    }
    return {name: limits[name] for name in names}


def fma_limit() -> dict[str, Limit]:
    """The peak of fused multiply-adds, float32; nothing without the compiled extension."""
    if not native.is_available():
        return {}
    extension, threads, items = native.extension(), native.threads(), FMA_ITEMS
    return {FMA: Limit(lambda: extension.limit_fma(items, threads), int(extension.limit_fma(1, 1)) * items, "GFLOP/s")}


def record_limit(num_records: int, record_bytes: int) -> dict[str, Limit]:
    """Reading and writing every record of a table once, in random order; nothing without the compiled extension.

    Bytes count twice. record_bytes: a multiple of 64.
    """
    if not native.is_available():
        return {}
    extension, threads = native.extension(), native.threads()
    numbers = record_bytes // 4
    table = native.empty((num_records, numbers), torch.float32).fill_(1.0)
    order = torch.randperm(num_records, generator=torch.Generator().manual_seed(0))

    def run() -> None:
        extension.limit_records(table.data_ptr(), numbers, order.data_ptr(), num_records, threads)

    return {RECORDS: Limit(run, 2 * num_records * record_bytes, "GB/s")}
