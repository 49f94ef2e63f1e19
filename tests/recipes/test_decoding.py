"""Plain values and texts as the types of their fields."""

from dataclasses import dataclass
from typing import Any

import pytest

from longspike._core.decoding import Decoder, Text


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    rate: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Other:
    size: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer:
    part: Inner | Other | None = None
    widths: tuple[int, ...] | None = None
    pair: tuple[int, float] | None = None


def decoded(**changes: Any) -> tuple[Outer | None, list[str]]:
    decoder = Decoder()
    return decoder.decode(Outer, {"part": None, "widths": None, "pair": None} | changes), decoder.misread


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"widths": [1, 2, 3]}, Outer(widths=(1, 2, 3))),
        ({"widths": Text("4, 5")}, Outer(widths=(4, 5))),
        ({"widths": Text("none"), "pair": Text("None")}, Outer()),
        ({"pair": [1, 2]}, Outer(pair=(1, 2.0))),
        ({"pair": Text("1,2.5")}, Outer(pair=(1, 2.5))),
        ({"part": {"size": 3}}, Outer(part=Other(size=3))),
        ({"part": {"rate": 3}}, Outer(part=Inner(rate=3.0))),
    ],
)
def test_values(value: dict[str, Any], expected: Outer) -> None:
    assert decoded(**value) == (expected, [])


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ({"widths": 3}, "widths: expected values; got 3."),
        ({"widths": [1, "x"]}, "widths: expected a whole number; got 'x'."),
        ({"widths": Text("1,x")}, "--set widths: expected a whole number; got 'x'."),
        ({"pair": [1]}, "pair: expected 2 values; got [1]."),
        ({"part": 3}, "part: expected an object or none; got 3."),
        ({"part": {"rate": 10**400}}, "part.rate: expected a number; got 100000000000000000...0000000000000000000."),
    ],
)
def test_mistakes(value: dict[str, Any], mistake: str) -> None:
    assert decoded(**value) == (None, [mistake])
