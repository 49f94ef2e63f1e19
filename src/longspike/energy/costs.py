"""Tables of energy per operation, each with its source and with what it assumes."""

import math
from dataclasses import dataclass, fields

from longspike._core.mistakes import shown
from longspike.energy.operations import OperationCounts


@dataclass(frozen=True, kw_only=True, slots=True)
class CostTable:
    """Picojoules per operation.

        energy_pj = mac_pj*MAC + ac_pj*AC + mul_pj*MUL + add_pj*ADD + compare_pj*compare + special_pj*special
                    + byte_pj*bytes

    Attributes:
        name, source: what it is called and where its figures come from.
        assumptions: one sentence for every figure that the source does not hold.
        byte_pj: per byte moved; 0 leaves memory out of the joules, while bytes are reported all the same.
        word_bytes: bytes of a weight, a state and an activation.
    Raises: ValueError if a figure is negative or not finite, or there is no source.

    Example: the first table with an 8 KB SRAM (10 pJ for 64 bits in the same source):
        >>> from dataclasses import replace
        >>> replace(HOROWITZ_45NM_FLOAT32, name="45 nm float32, 8 KB SRAM", byte_pj=1.25).byte_pj
        1.25
    """

    name: str
    source: str
    mul_pj: float
    add_pj: float
    ac_pj: float
    mac_pj: float
    compare_pj: float
    special_pj: float
    byte_pj: float = 0.0
    word_bytes: int = 4
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.name.endswith("_pj")):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"CostTable: `{name}` must be finite picojoules, at least 0; got {shown(value)}.")
        if self.word_bytes < 1:
            raise ValueError(f"CostTable: `word_bytes` must be at least 1; got {shown(self.word_bytes)}.")
        if not self.source.strip():
            raise ValueError("CostTable: `source` must say where the figures come from; got an empty text.")

    def energy_pj(self, counts: OperationCounts) -> float:
        """The energy of these operations, in picojoules."""
        arithmetic = counts.mac * self.mac_pj + counts.ac * self.ac_pj + counts.mul * self.mul_pj
        rest = counts.add * self.add_pj + counts.compare * self.compare_pj + counts.special * self.special_pj
        return arithmetic + rest + counts.num_bytes * self.byte_pj


HOROWITZ = "M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, pp. 10-14"

HOROWITZ_45NM_FLOAT32 = CostTable(
    name="45 nm, float32",
    source=f"{HOROWITZ}: 45 nm, 0.9 V, 32-bit floating point: multiply 3.7 pJ, add 0.9 pJ",
    mul_pj=3.7,
    add_pj=0.9,
    ac_pj=0.9,
    mac_pj=4.6,
    compare_pj=0.9,
    special_pj=18.4,
    assumptions=(
        "MAC = MUL + ADD = 4.6 pJ; an accumulate on a spike costs one ADD.",
        "A comparison costs one ADD: it is a subtraction whose sign is read. Not in the source.",
        "A special function (sigmoid, erf, root, random number) costs 4 MAC = 18.4 pJ, a polynomial of degree 4. "
        "Not in the source.",
    ),
)
"""The papers' constants; the default."""

HOROWITZ_45NM_INT8 = CostTable(
    name="45 nm, int8",
    source=f"{HOROWITZ}: 45 nm, 0.9 V, 8-bit integer: multiply 0.2 pJ, add 0.03 pJ",
    mul_pj=0.2,
    add_pj=0.03,
    ac_pj=0.03,
    mac_pj=0.23,
    compare_pj=0.03,
    special_pj=0.92,
    word_bytes=1,
    assumptions=(
        "MAC = MUL + ADD = 0.23 pJ with 8-bit accumulators, as papers count; real ones are wider (32-bit add: 0.1 pJ).",
        "The whole network, state included, is taken to work in 8 bits; whether its accuracy survives is not measured.",
        "A comparison costs one ADD, and a special function 4 MAC = 0.92 pJ. Neither is in the source.",
    ),
)
"""What the same counts would cost in 8-bit integers."""
