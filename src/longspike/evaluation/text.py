"""Numbers as people read them."""

from longspike._core.mistakes import shown

PREFIXES = ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (1.0, "pJ"))


def energy_text(energy_pj: float) -> str:
    """Picojoules with a fitting prefix and three digits.

    Example:
        >>> energy_text(11796.48), energy_text(0.5)
        ('11.8 nJ', '0.50 pJ')
    """
    for size, unit in PREFIXES:
        if energy_pj >= size or size == 1.0:
            value = energy_pj / size
            return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f} {unit}"
    raise ValueError(f"energy_text: `energy_pj` must be a number; got {shown(energy_pj)}.")


def saving_text(saving: float | None) -> str:
    """A factor; without limit where nothing is spent."""
    return "unlimited" if saving is None else f"{saving:.3g}x"


def count_text(count: float) -> str:
    """A count with thousands separated; one decimal below ten."""
    if count == 0:
        return "0"
    return f"{count:,.1f}" if count < 10 and abs(count - round(count)) > 1e-6 else f"{count:,.0f}"


def share_text(share: float | None, *, digits: int = 1) -> str:
    """A share in percent."""
    return "none" if share is None else f"{share:.{digits}%}"
