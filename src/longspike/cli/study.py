"""`longspike study`: open questions about the memory, each with numbers, a plot and a table."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from longspike.cli.output import note, print_json, print_table
from longspike.errors import ConfigError

if TYPE_CHECKING:
    from longspike._studies import RankStudy, RetentionStudy, TransitionStudy

OUTPUT = Path("studies")


def study(
    name: Literal["transitions", "rank", "retention"],
    *,
    quick: bool = False,
    seed: int = 0,
    output: Path = OUTPUT,
    json: bool = False,
) -> int:
    """Answer an open question about the spike-aware memory: numbers, a plot and a table, from a seed.

    Writes NAME.json and NAME.svg. Takes minutes on one core; the plot needs longspike[viz].

    Args:
        name: transitions: stability and accuracy as the gap grows. rank: memory, accuracy and cost of rank 0, 1 and 8.
            retention: a cue recalled after a delay, by SA-HiPPO, plain HiPPO and LIF.
        quick: Small sizes, in seconds, to see that it runs; not for conclusions.
        seed: Of everything random; repeated trainings take the seeds that follow.
        output: Folder of the two files.
        json: Print JSON instead of the table.
    """
    from longspike._core.files import check_place
    from longspike._studies import (
        RankSettings,
        RetentionSettings,
        TransitionSettings,
        figures,
        study_rank,
        study_retention,
        study_transitions,
    )
    from longspike._studies.record import CpuClock, StudyRecord
    from longspike.cli.waiting import Stages

    if not 0 <= seed < 2**63:
        raise ConfigError(f"--seed must be at least 0 and below 2^63; got {seed}.")
    figures.require_plots()
    for suffix in ("json", "svg"):
        check_place(output / f"{name}.{suffix}")
    settings_of: dict[str, Any] = {
        "transitions": TransitionSettings,
        "rank": RankSettings,
        "retention": RetentionSettings,
    }
    run: dict[str, Callable[..., Any]] = {
        "transitions": study_transitions,
        "rank": study_rank,
        "retention": study_retention,
    }
    draw: dict[str, Callable[[Any, Path], Path]] = {
        "transitions": figures.transitions_figure,
        "rank": figures.rank_figure,
        "retention": figures.retention_figure,
    }
    rows: dict[str, Callable[[Any], list[tuple[str, ...]]]] = {
        "transitions": _transition_rows,
        "rank": _rank_rows,
        "retention": _retention_rows,
    }
    settings, clock = settings_of[name].quick() if quick else settings_of[name](), CpuClock()
    with Stages() as stages:
        result = run[name](settings, seed=seed, on_progress=stages.show)
    command = f"longspike study {name}{' --quick' if quick else ''} --seed {seed}"
    record = StudyRecord(name=name, command=command, result=result, cpu_seconds=clock.seconds())
    written = [record.write(output), draw[name](result, output / f"{name}.svg")]
    if json:
        print_json(record.as_dict())
    else:
        header, *cells = rows[name](result)
        print_table(cells, header=header)
    note(f"wrote {written[0]} and {written[1]}")
    return 0


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _share(values: tuple[float, ...]) -> str:
    """Mean, and least and greatest over the seeds."""
    return f"{sum(values) / len(values):.1%} ({min(values):.1%} .. {max(values):.1%})"


def _transition_rows(result: "TransitionStudy") -> list[tuple[str, ...]]:
    """The points nearest to whole decades, and where taylor2 becomes unstable."""
    from math import log10

    rows: list[tuple[str, ...]] = [("rank", "decay", "rule", "|A| Dt", "radius", "norm", "error", "state error")]
    for p in result.points:
        if abs(log10(p.size) - round(log10(p.size))) < 1e-6:
            numbers = (p.size, p.radius, p.norm, p.error, p.state_error)
            rows.append((str(p.rank), p.decay, p.rule, *(_number(x) for x in numbers)))
    for limit in result.limits:
        unstable, amplifies = _number(limit.radius_exceeds_1), _number(limit.norm_exceeds_1)
        rows.append((str(limit.rank), limit.decay, "taylor2 limit", unstable, "> 1", amplifies, "(norm > 1)", ""))
    rows.append(("1", "none", "exact limit", _number(result.exact_limit), "> 1", "", "", ""))
    return rows


def _rank_rows(result: "RankStudy") -> list[tuple[str, ...]]:
    """One row a rank."""
    cycles = result.settings.cycles
    heads = tuple(f"read-out error, {each:g} cycles" for each in cycles)
    rows: list[tuple[str, ...]] = [("rank", *heads, "test accuracy", "us a tick", "us, with backward", "us a new gap")]
    for accuracy, cost in zip(result.accuracies, result.costs, strict=True):
        found = {s.cycles: s.spans for s in result.spans if s.rank == accuracy.rank}
        errors = tuple(_number(sum(s.mean_error for s in found[each]) / len(found[each])) for each in cycles)
        costs = (cost.tick_us, cost.training_tick_us, cost.gap_us)
        rows.append((str(accuracy.rank), *errors, _share(accuracy.accuracies), *(_number(x) for x in costs)))
    return rows


def _retention_rows(result: "RetentionStudy") -> list[tuple[str, ...]]:
    """One row a condition, a column a memory."""
    memories = result.settings.memories
    found = {(p.memory, p.delay, p.isi): p.accuracies for p in result.points}
    conditions = dict.fromkeys((p.delay, p.isi) for p in result.points)
    rows: list[tuple[str, ...]] = [("delay", "interval", *memories)]
    for delay, isi in conditions:
        shares = (_share(found[name, delay, isi]) for name in memories)
        rows.append((str(delay), "silence" if isi is None else str(isi), *shares))
    rows.append(("parameters", "", *(f"{result.num_parameters[name]}" for name in memories)))
    return rows
