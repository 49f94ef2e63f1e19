"""Seeds and settings for every test."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import settings

from longspike.kernels import native

if not torch.cuda.is_available():  # Triton reads it when a kernel is defined
    os.environ.setdefault("TRITON_INTERPRET", "1")

settings.register_profile("longspike", deadline=None, derandomize=True, database=None)
settings.load_profile("longspike")


COMPILED_METHODS = {"compiled", "fused", "scan", "sequential", "speculative"}  # routes that only compiled kernels have


def _needs_extension(item: pytest.Item) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return bool(item.get_closest_marker("needs_extension")) or parameters.get("method") in COMPILED_METHODS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the extension, what is marked `needs_extension` and cases of compiled methods are skipped, with the reason."""
    if not native.is_available():
        skip = pytest.mark.skip(reason=native.unavailable_reason)
        for item in items:
            if _needs_extension(item):
                item.add_marker(skip)


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
