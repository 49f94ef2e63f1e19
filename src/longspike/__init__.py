"""Spiking state-space models: exact, fast, streaming.

Everything is imported on first use, so that `import longspike` and `longspike --help` do not wait for PyTorch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longspike import events, functional, models, nn
    from longspike._explain import explain
    from longspike.models import load
    from longspike.streaming import Stream

__all__ = ["Stream", "__version__", "events", "explain", "functional", "load", "models", "nn"]
__version__ = version("longspike")

_HOMES = {"Stream": "longspike.streaming", "explain": "longspike._explain", "load": "longspike.models"}
_MODULES = ("events", "functional", "models", "nn")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"longspike.{name}")
    raise AttributeError(f"module 'longspike' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
