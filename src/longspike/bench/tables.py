"""One form for every benchmark's result: rows made from timings, and their text."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from longspike.bench.limits import LIMIT
from longspike.bench.timing import Timing

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Table:
    """What was timed, as it is stored.

    Attributes:
        what: the benchmark. title: what was timed. setting: on what. counted: how work is counted, in words.
        unit: of the rates. per: what an "element" is. rows: one a candidate, see `rows_of`.
        remarks: sentences below the table.
    """

    what: str
    title: str
    setting: str
    counted: str
    unit: str = ""
    per: str = "element"
    rows: list[Row]
    remarks: list[str] = field(default_factory=list)


def _spread(values: list[float], digits: int) -> list[float]:
    return [round(value, digits) for value in (statistics.median(values), min(values), max(values))]


def rows_of(
    timings: list[Timing],
    *,
    elements: int,
    ours: str | Mapping[str, str],
    work: Mapping[str, float] = MappingProxyType({}),
    limit: str = "",
    kept: Mapping[str, float] = MappingProxyType({}),
) -> list[Row]:
    """A row a candidate; triples are median, smallest and largest over the rounds, ratios are taken within a round.

    Args:
        elements: of the input, for the nanoseconds per element.
        ours: the candidate that `times_ours` compares with, or one for each candidate.
        work: bytes or operations of a call by candidate; one that is not named has no rate and no share.
        limit: the candidate whose rate the shares are taken of.
        kept: bytes per element kept for the backward pass, by candidate.
    """
    by_name = {timing.name: timing for timing in timings}
    rows = []
    for timing in timings:
        base = ours if isinstance(ours, str) else ours.get(timing.name, "")
        share = None
        is_limit = timing.name.startswith(LIMIT)
        if limit in by_name and timing.name in work and not is_limit:
            scale = work[timing.name] / work[limit]
            share = _spread([scale * ratio for ratio in by_name[limit].ratios_to(timing)], 3)
        rows.append(
            {
                "name": timing.name,
                "rounds": len(timing.seconds),
                "ms": _spread([1e3 * s for s in timing.seconds], 4),
                "ns_per_element": round(1e9 * timing.median / elements, 4),
                "rate": round(work[timing.name] / timing.median / 1e9, 1) if timing.name in work else None,
                "times_ours": _spread(timing.ratios_to(by_name[base]), 3) if base in by_name and not is_limit else None,
                "share": share,
                "kept": round(kept[timing.name], 2) if timing.name in kept else None,
            }
        )
    return rows


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _triple(values: list[float] | None, suffix: str = "") -> str:
    if values is None:
        return ""
    middle, low, high = map(_number, values)
    return f"{middle}{suffix} ({low} .. {high})"


def text_cells(table: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Header and rows of a stored table as text; a column that no row fills is left out."""
    rows = table["rows"]
    columns = [
        ("", [row["name"] for row in rows]),
        ("ms, median (min .. max)", [_triple(row["ms"]) for row in rows]),
        (f"ns/{table['per']}", [_number(row["ns_per_element"]) for row in rows]),
        (table["unit"], ["" if row["rate"] is None else _number(row["rate"]) for row in rows]),
        ("share of the limit", [_triple(row["share"]) for row in rows]),
        ("times ours", [_triple(row["times_ours"], "x") for row in rows]),
        ("B/element kept", ["" if row["kept"] is None else f"{row['kept']:.4g}" for row in rows]),
    ]
    filled = [(title, cells) for title, cells in columns if any(cells)]
    return [tuple(title for title, _ in filled), *zip(*(cells for _, cells in filled), strict=True)]
