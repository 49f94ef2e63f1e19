"""Numbers of operations and of bytes moved, and their arithmetic."""

from dataclasses import asdict, astuple, dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationCounts:
    """How many operations, and how many bytes; real numbers, since spikes make them means.

    Attributes:
        mac: multiply and accumulate, y += w*x. ac: accumulate on a spike, y += w.
        mul, add, compare: plain multiplications, additions (and subtractions), comparisons.
        special: evaluations of a function that is not arithmetic, one each: sigmoid (the exponential), erf, reciprocal
            square root, and one random number.
        weight_bytes, state_bytes, activation_bytes: read and written; see `count_operations`.

    Example:
        >>> (OperationCounts(mac=2) + OperationCounts(mac=1, add=4)).scaled(2)
        OperationCounts(mac=6, ac=0.0, mul=0.0, add=8.0, compare=0.0, special=0.0, weight_bytes=0.0, state_bytes=0.0, \
activation_bytes=0.0)
    """

    mac: float = 0.0
    ac: float = 0.0
    mul: float = 0.0
    add: float = 0.0
    compare: float = 0.0
    special: float = 0.0
    weight_bytes: float = 0.0
    state_bytes: float = 0.0
    activation_bytes: float = 0.0

    def __add__(self, other: "OperationCounts") -> "OperationCounts":
        """The sum, entry by entry."""
        mine, theirs = asdict(self), asdict(other)
        return OperationCounts(**{name: mine[name] + theirs[name] for name in mine})

    def scaled(self, factor: float) -> "OperationCounts":
        """Every entry times `factor`."""
        return OperationCounts(**{name: value * factor for name, value in asdict(self).items()})

    @property
    def num_operations(self) -> float:
        """All operations, a MAC as one."""
        return sum(astuple(self)[:6])

    @property
    def num_bytes(self) -> float:
        """All bytes moved."""
        return self.weight_bytes + self.state_bytes + self.activation_bytes
