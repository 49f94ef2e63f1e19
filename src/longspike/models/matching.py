"""Whether a network reads a data set and knows its classes."""

from dataclasses import fields
from typing import Any, Protocol

from longspike.errors import ConfigError
from longspike.models.input_spec import InputSpec


class LabelledData(Protocol):
    """A data set: a dataclass with `d_input` and `has_tokens` if it holds sequences, `sensor_size` if it holds events."""

    @property
    def name(self) -> str: ...
    @property
    def num_classes(self) -> int: ...


def _input(sizes: Any) -> str:
    """What goes in, in words, by a configuration or a data set."""
    if "sensor_size" in {field.name for field in fields(sizes)}:
        width, height = sizes.sensor_size
        return f"events of {width}x{height} pixels (sensor_size)"
    is_tokens = getattr(sizes, "encoder", "linear") == "embedding" or getattr(sizes, "has_tokens", False)
    pairs = "pairs of sequences of " if getattr(sizes, "has_pairs", False) else ""
    return f"{pairs}{sizes.d_input} {'kinds of tokens' if is_tokens else 'features a step'} (d_input)"


def check_data(config: Any, data: LabelledData, *, reader: str = "the model", remedy: str) -> None:
    """Raise unless a network with this configuration reads this data and has one output a class.

    Args:
        reader: who has the configuration; remedy: a sentence for the end of the message.
    Raises: ConfigError that names every mistake.

    Example:
        >>> from longspike.data import load
        >>> from longspike.models import SpikeSSMConfig
        >>> check_data(SpikeSSMConfig(d_input=1, num_outputs=10), load("digits"), remedy="Choose another.")
    """
    mistakes = []
    if _input(config) != _input(data):
        mistakes.append(f"it reads {_input(config)}; the data has {_input(data)}")
    if config.num_outputs != data.num_classes:
        mistakes.append(f"it has {config.num_outputs} outputs (num_outputs); the data has {data.num_classes} classes")
    if mistakes:
        raise ConfigError(f"{reader} does not fit the data set {data.name!r}: {'; '.join(mistakes)}. {remedy}")


def check_order(spec: InputSpec, data: object) -> None:
    """Raise ConfigError if a network reads its steps in an order of its own, and the data set's come in another."""
    if spec.permutation is not None and getattr(data, "permutation", None) != spec.permutation:
        raise ConfigError(
            f"the model reads its steps in an order of its own (input_spec.permutation), in which those of "
            f"{getattr(data, 'name', 'the data')!r} do not come. Choose the data set that it was trained on."
        )
