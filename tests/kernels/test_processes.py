"""The compiled kernels in a process: forks after threads have run, signals in the middle of a call, failures in a thread."""

import os
import select
import signal
from collections.abc import Callable, Iterator
from types import FrameType

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from longspike.functional import refractory_lif
from longspike.kernels import native

pytestmark = pytest.mark.needs_extension
SECONDS = 60  # what hangs has hung by then


def neuron(k: int) -> Tensor:
    """Spikes of enough neurons for two threads."""
    torch.manual_seed(k)
    current = torch.rand(5, 211, 48)
    return refractory_lif(current, beta=0.9, threshold=1.3, rho=0.2, gamma=0.7, method="sequential")[0]


def in_child(work: Callable[[], bytes]) -> bytes:
    """What `work` returns in a forked child, which is ended if it hangs."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(write, work())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    try:
        ready, _, _ = select.select([read], [], [], SECONDS)
        if not ready:
            os.kill(child, signal.SIGKILL)
        found = os.read(read, 1 << 16) if ready else b"hangs"
    finally:
        os.close(read)
        os.waitpid(child, 0)
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_after_two_threads() -> None:
    """OpenMP's threads stay behind when a process forks; kernels and PyTorch's own loops start new ones in the child."""
    torch.set_num_threads(2)
    large = torch.linspace(0, 1, 1 << 18)
    before, total, pool = neuron(3), large.exp().double().sum().item(), native.extension().thread_pool()

    def work() -> bytes:
        same = torch.equal(neuron(3), before), large.exp().double().sum().item() == total
        return f"{same} {torch.get_num_threads()} {native.extension().thread_pool()}".encode()

    for _ in range(2):
        assert in_child(work).decode() == f"(True, True) 2 {pool}"
        assert torch.equal(neuron(3), before)
        assert torch.get_num_threads() == 2


class Spikes(Dataset[Tensor]):
    """Neurons run by a loader's worker, with two threads although its loader sets one."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, k: int) -> Tensor:
        torch.set_num_threads(2)
        return neuron(k)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_of_a_loader_run_kernels() -> None:
    torch.set_num_threads(2)
    expected = torch.stack([neuron(k) for k in range(4)])
    loader = DataLoader(Spikes(), batch_size=4, num_workers=1, multiprocessing_context="fork", timeout=SECONDS)
    assert torch.equal(next(iter(loader)), expected)


class Enough(Exception):
    """What the handler raises."""


@pytest.fixture
def alarm() -> Iterator[None]:
    """SIGALRM has a handler that raises."""

    def handler(number: int, frame: FrameType | None) -> None:
        raise Enough

    before = signal.signal(signal.SIGALRM, handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def long_scan(threads: int, y: Tensor) -> Callable[[], None]:
    """The scan with many poles over y's steps, (batch, seqlen, 1), ready to be called."""
    batch, seqlen, n_pairs = y.shape[0], y.shape[1], 1024
    u, state = torch.ones(batch, seqlen, 1), torch.zeros(batch, n_pairs, 2, 1)
    lam, c, d = torch.full((n_pairs, 2, 1), 0.5), torch.ones(n_pairs, 2, 1), torch.ones(1)
    tensors, numbers = (u, lam, c, d, y, state, None), (batch, seqlen, 1, n_pairs, 64, threads)
    return lambda: native.call("s4d_forward", y.dtype, tensors, numbers)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_signal_ends_a_long_call(alarm: None, threads: int) -> None:
    """Handlers run in the middle of the call, on its thread, and what they raise ends it: the last steps stay unwritten."""
    y = torch.full((threads, 2_000_000, 1), -1.0)
    run = long_scan(threads, y)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    with pytest.raises(Enough):
        run()
    assert (y[:, 0] != -1).all()
    assert (y[:, -1] == -1).all()


def test_a_handler_may_call_kernels_and_let_the_call_go_on() -> None:
    expected, found = neuron(2), list[Tensor]()
    before = signal.signal(signal.SIGALRM, lambda number, frame: found.append(neuron(2)))
    try:
        y = torch.full((1, 200_000, 1), -1.0)
        run = long_scan(1, y)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        while not found:
            run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert torch.equal(found[0], expected)
    assert (y[:, -1] != -1).all()
