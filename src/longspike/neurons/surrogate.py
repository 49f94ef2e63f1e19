"""The surrogate slope that stands in for the derivative of a spike."""

import math
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from longspike._core.checks import REAL, check_choice, describe
from longspike._core.mistakes import shown
from longspike.kernels._spiking.surrogates import SURROGATES, surrogate_primitive, surrogate_slope


@dataclass(frozen=True)
class Surrogate:
    """A slope g'(z) at z = v - rho*r - threshold; the table of formulas is in `kernels/_spiking/surrogates.py`.

    Attributes:
        name: "triangle", "fast_sigmoid", "atan", "boxcar" or "sigmoid".
        scale: the width (triangle, boxcar) or the slope (the others), dimensionless; None takes the usual value
            (1, 25, 2, 1, 4 in that order).

    Example:
        >>> Surrogate("atan").scale
        2.0
    """

    name: str = "triangle"
    scale: float | None = None

    def __post_init__(self) -> None:
        check_choice("Surrogate", "name", self.name, tuple(SURROGATES))
        if self.scale is None:
            object.__setattr__(self, "scale", SURROGATES[self.name][1])
        is_number = isinstance(self.scale, REAL) and not isinstance(self.scale, bool)
        if not is_number or not 0 < self.value < math.inf:
            hint = "" if is_number else " One number serves all channels."
            raise ValueError(f"Surrogate: `scale` must be positive and finite; got {shown(self.scale)}.{hint}")

    @property
    def value(self) -> float:
        """The scale as a number."""
        return float(self.scale)  # type: ignore[arg-type]

    def slope(self, z: Tensor) -> Tensor:
        """g'(z), the factor of the backward pass."""
        return surrogate_slope(z, self.name, self.value)

    def primitive(self, z: Tensor) -> Tensor:
        """g(z), the smooth step whose derivative is the slope."""
        return surrogate_primitive(z, self.name, self.value)


class SurrogateFields(Protocol):
    """The two fields by which a configuration describes a surrogate."""

    @property
    def surrogate(self) -> str: ...
    @property
    def surrogate_scale(self) -> float | None: ...


def surrogate_of(config: SurrogateFields) -> Surrogate:
    """The surrogate that a configuration describes."""
    return Surrogate(config.surrogate, config.surrogate_scale)


def as_surrogate(surrogate: str | Surrogate) -> Surrogate:
    """A name or a `Surrogate` as a `Surrogate`."""
    if not isinstance(surrogate, str | Surrogate):
        raise TypeError(
            f"`surrogate` must be a name ({', '.join(SURROGATES)}) or a Surrogate; got {describe(surrogate)}."
        )
    if not isinstance(surrogate, str):
        return surrogate
    return _USUAL[surrogate] if surrogate in _USUAL else Surrogate(surrogate)


_USUAL = {name: Surrogate(name) for name in SURROGATES}
