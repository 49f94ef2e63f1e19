"""Spiking state-space models: exact, fast, streaming.

Everything is imported on first use, so that `import longspike` and `longspike --help` do not wait for PyTorch. Where PyTorch
is there already, the networks are imported at once, and with them the operators that an exported program calls.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longspike import (
        bench,
        data,
        energy,
        errors,
        evaluation,
        events,
        functional,
        models,
        nn,
        recipes,
        streaming,
        tasks,
        training,
    )
    from longspike._explain import explain
    from longspike.kernels._dispatch import Choice
    from longspike.models import (
        Flames,
        FlamesConfig,
        FlamesSequence,
        FlamesSequenceConfig,
        SpikeLM,
        SpikeLMConfig,
        SpikeSSM,
        SpikeSSMConfig,
        load,
    )
    from longspike.recipes import Recipe
    from longspike.streaming import Stream
    from longspike.training import TrainingConfig

    __version__: str

__all__ = [
    "Choice",
    "Flames",
    "FlamesConfig",
    "FlamesSequence",
    "FlamesSequenceConfig",
    "Recipe",
    "SpikeLM",
    "SpikeLMConfig",
    "SpikeSSM",
    "SpikeSSMConfig",
    "Stream",
    "TrainingConfig",
    "__version__",
    "bench",
    "data",
    "energy",
    "errors",
    "evaluation",
    "events",
    "explain",
    "functional",
    "load",
    "models",
    "nn",
    "recipes",
    "streaming",
    "tasks",
    "training",
]

_HOMES = {
    "Choice": "kernels._dispatch",
    "Flames": "models",
    "FlamesConfig": "models",
    "FlamesSequence": "models",
    "FlamesSequenceConfig": "models",
    "Recipe": "recipes",
    "SpikeLM": "models",
    "SpikeLMConfig": "models",
    "SpikeSSM": "models",
    "SpikeSSMConfig": "models",
    "Stream": "streaming",
    "TrainingConfig": "training",
    "explain": "_explain",
    "load": "models",
}
"""Names that live in another module; every other one of `__all__` is a module itself."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'longspike' has no attribute {name!r}")
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("longspike")
    elif name in _HOMES:
        value = getattr(import_module(f"longspike.{_HOMES[name]}"), name)
    else:
        value = import_module(f"longspike.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


if "torch" in sys.modules:
    import_module("longspike.models")
