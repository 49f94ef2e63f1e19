"""`longspike bench`: the speed of the operators on this machine, against its limits and against other libraries."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from longspike.cli.output import print_json, print_line, print_table
from longspike.errors import ConfigError

BUDGET_S = 10.0


def bench(
    *,
    what: Literal[
        "neuron", "ssm", "mixing", "block", "small-block", "language-head", "overhead", "growth", "all"
    ] = "all",
    shape: tuple[str, ...] | None = None,
    rounds: int = 5,
    lead_in: int = 1,
    output: Path | None = None,
    json: bool = False,
) -> int:
    """Measure the speed of the operators on this machine.

    Every candidate runs once a round, the machine's limits among them, so the ratios hold where the machine drifts.
    Nothing is timed while a kernel disagrees with its reference.

    Args:
        what: One benchmark, or all.
        shape: BATCH,SEQLEN,CHANNELS in place of a benchmark's own shapes.
        rounds: Rounds after one of warm-up; what takes long sits some of them out.
        lead_in: Calls of a candidate right before its timed one; 0 times it on the caches that the others left.
        output: Also write the JSON here.
        json: Print JSON.
    """
    from json import dumps

    import torch

    from longspike._core.files import check_place, replace_text
    from longspike.bench import Rounds, Table, check_parity, measure, peer_versions
    from longspike.cli.waiting import Stages
    from longspike.evaluation.machine import caches, machine, versions

    if rounds < 1 or lead_in < 0:
        raise ConfigError(f"--rounds must be 1 or more and --lead-in 0 or more; got {rounds} and {lead_in}.")
    if shape == ():
        raise ConfigError("--shape needs a value, BATCH,SEQLEN,CHANNELS, e.g. 8,2048,256.")
    shapes = tuple(map(_shape, shape or ()))
    if output is not None:
        check_place(output)
    check_parity()
    report: dict[str, Any] = {
        "command": _command(what, shape or (), rounds, lead_in),
        "versions": versions() | peer_versions(),
        "machine": machine(torch.device("cpu")) | {"caches": caches()},
        "tables": [],
        "growth": [],
    }
    failure: OSError | None = None
    with Stages() as stages:
        times = Rounds(count=rounds, lead_in=lead_in, budget_s=BUDGET_S, on_progress=stages.show)
        for result in measure(what, shapes, times):
            if isinstance(result, Table):
                report["tables"].append(asdict(result))
            else:
                report["growth"] += map(asdict, result)
            try:
                if not json:
                    _print_table(report["tables"][-1]) if isinstance(result, Table) else _print_growth(report["growth"])
            except OSError as error:
                if output is None:
                    raise
                failure = error  # told when the file is written; what follows is not shown
    if output is not None:
        replace_text(output, dumps(report, indent=1) + "\n")
    if failure is not None:
        raise failure
    if json:
        print_json(report)
    return 0


def _command(what: str, shape: tuple[str, ...], rounds: int, lead_in: int) -> str:
    shapes = f" --shape {' '.join(shape)}" if shape else ""
    return f"longspike bench --what {what}{shapes} --rounds {rounds} --lead-in {lead_in}"


def _shape(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise ConfigError(f"--shape must be BATCH,SEQLEN,CHANNELS, three positive integers; got {text!r}.")
    return int(parts[0]), int(parts[1]), int(parts[2])


def _print_table(stored: dict[str, Any]) -> None:
    from longspike.bench import text_cells

    print_line(f"\n{stored['title']}, {stored['setting']}")
    header, *rows = text_cells(stored)
    print_table(rows, header=header, indent=2)
    for remark in (f"Counted: {stored['counted']}.", *stored["remarks"]):
        print_line(f"  {remark}")


def _print_growth(lines: list[dict[str, Any]]) -> None:
    from longspike.bench import growth_cells

    for by in dict.fromkeys(line["by"] for line in lines):
        some = [line for line in lines if line["by"] == by]
        print_line(f"\ngrowth with {by}, {some[0]['setting']}")
        header, *rows = growth_cells(some)
        print_table(rows, header=header, indent=2)
