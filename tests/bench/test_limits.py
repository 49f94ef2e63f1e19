"""The limit kernels do what their names say, for every length, thread count and instruction set."""

from collections.abc import Iterator

import pytest
import torch

from longspike.bench.limits import COPY, FILL, FMA, RECORDS, SUM, TRIAD, fma_limit, memory_limits, record_limit
from longspike.bench.timing import Rounds, time_rounds
from longspike.kernels import native

pytestmark = pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
LENGTHS = [0, 1, 15, 64, 65, 1000, (1 << 18) + 77]


@pytest.fixture(params=["portable", "avx2", "avx512"])
def architecture(request: pytest.FixtureRequest) -> Iterator[None]:
    """One instruction set after the other."""
    try:
        before = native.extension().use_architecture(request.param)
    except ValueError as error:
        pytest.skip(str(error))
    yield
    native.extension().use_architecture(before)


def buffers(n: int) -> tuple[torch.Tensor, ...]:
    """Three arrays, the last one of NaNs."""
    generator = torch.Generator().manual_seed(n)
    a, b = (torch.randn(n, generator=generator) for _ in range(2))
    return a, b, torch.full((n,), float("nan"))


@pytest.mark.usefixtures("architecture")
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("threads", [1, 2])
def test_copy_triad_and_fill_write_every_element(n: int, threads: int) -> None:
    extension = native.extension()
    a, b, y = buffers(n)
    extension.limit_copy(a.data_ptr(), y.data_ptr(), n, threads)
    assert torch.equal(y, a)
    extension.limit_triad(a.data_ptr(), b.data_ptr(), 0.5, y.data_ptr(), n, threads)
    torch.testing.assert_close(y, a + 0.5 * b)
    extension.limit_fill(3.0, y.data_ptr(), n, threads)
    assert torch.equal(y, torch.full((n,), 3.0))


@pytest.mark.usefixtures("architecture")
@pytest.mark.parametrize("n", LENGTHS)
def test_sum_is_the_sum_and_the_same_on_every_number_of_threads(n: int) -> None:
    extension = native.extension()
    a, _, _ = buffers(n)
    sums = {extension.limit_sum(a.data_ptr(), n, threads) for threads in (1, 2, 3)}
    assert len(sums) == 1
    assert sums.pop() == pytest.approx(float(a.double().sum()), abs=1e-2)


def test_operations_are_counted_by_item_and_vector() -> None:
    extension = native.extension()
    before = extension.use_architecture("portable")
    try:
        assert extension.limit_fma(1, 1) == 2 * 12 * 4096 * 4
    finally:
        extension.use_architecture(before)
    assert extension.limit_fma(6, 2) == 6 * extension.limit_fma(1, 1)


def test_limits_are_candidates_with_their_work() -> None:
    limits = {**memory_limits(1 << 21), **fma_limit()}
    assert {name: limit.work >> 21 for name, limit in limits.items() if limit.unit == "GB/s"} == {
        COPY: 2,
        TRIAD: 3,
        SUM: 1,
        FILL: 1,
    }
    timings = time_rounds({name: limit.run for name, limit in limits.items()}, Rounds(count=1))
    assert [timing.name for timing in timings] == [COPY, TRIAD, SUM, FILL, FMA]


def test_there_are_no_limits_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_extension", None)
    assert memory_limits(1 << 21) == {}
    assert fma_limit() == {}


@pytest.mark.parametrize("threads", [1, 3])
def test_records_are_read_and_written_and_stay_as_they_are(threads: int) -> None:
    table, order = torch.randn(7, 32), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    before = table.clone()
    native.extension().limit_records(table.data_ptr(), 32, order.data_ptr(), 7, threads)
    assert torch.equal(table, before)
    assert record_limit(5, 128)[RECORDS].work == 2 * 5 * 128
