"""Seeds and settings for every test."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import settings

from longspike.errors import BackendUnavailableError
from longspike.kernels import native

if not torch.cuda.is_available():  # Triton reads it when a kernel is defined
    os.environ.setdefault("TRITON_INTERPRET", "1")

settings.register_profile("longspike", deadline=None, derandomize=True, database=None)
settings.load_profile("longspike")


STOPPING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
ASKED_BY_NAME = re.compile(r"method='(?!auto)\w+' cannot run|EventStream runs compiled")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the compiled extension, what is marked `needs_extension` is skipped, with the reason."""
    if not native.is_available():
        skip = pytest.mark.skip(reason=native.unavailable_reason)
        for item in items:
            if item.get_closest_marker("needs_extension"):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def signals_of_a_terminal() -> Iterator[None]:
    """Signals do what they do in a terminal; whoever started the tests may ignore some, as `nohup` does."""
    defaults = {"SIGINT": signal.default_int_handler}
    before = {name: signal.signal(signal.Signals[name], defaults.get(name, signal.SIG_DFL)) for name in STOPPING}
    yield
    for name, handler in before.items():
        signal.signal(signal.Signals[name], handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Without the extension, a test that asks for a compiled method or stream is skipped, with the library's own words.

    A call that does not ask, or that fails in another way, fails there as anywhere.
    """
    try:
        return (yield)
    except BackendUnavailableError as error:
        if native.is_available() or not ASKED_BY_NAME.search(str(error)):
            raise
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def seed() -> Iterator[None]:
    """Every test starts from the same random state, and leaves as many threads as it found."""
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    yield
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@pytest.fixture
def architectures() -> Iterator[list[str]]:
    """The instruction sets this processor has, by name; the one in use is put back afterwards."""
    native = pytest.importorskip("longspike._native", reason="the compiled extension is not built")
    before, found = native.architecture(), []
    for name in ("portable", "avx2", "avx512"):
        try:
            native.use_architecture(name)
        except ValueError:
            continue
        found.append(name)
    native.use_architecture(before)
    yield found
    native.use_architecture(before)


def _poisoned(allocate: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def fresh(*args: Any, **options: Any) -> torch.Tensor:
        x = allocate(*args, **options)
        return x.fill_(float("nan")) if x.is_floating_point() else x

    return fresh


@pytest.fixture
def nan_in_fresh_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fresh tensor of floats is full of NaN."""
    homes = ((torch, "empty"), (torch, "empty_like"), (torch.Tensor, "new_empty"), (native, "empty"))
    for home, name in homes:
        monkeypatch.setattr(home, name, _poisoned(getattr(home, name)))
