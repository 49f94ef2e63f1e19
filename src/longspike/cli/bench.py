"""`longspike bench`: the speed of the operators on this machine, against other libraries where they are installed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from longspike.cli.output import note, print_json, print_line, table

if TYPE_CHECKING:
    from longspike.benchmark.timing import Timing

SHAPES = ("64,1024,256", "8,16384,256")
STATE_SPACE_SHAPE = "8,2048,256"


def bench(
    *,
    what: Literal["neuron", "ssm", "all"] = "all",
    shape: tuple[str, ...] = SHAPES,
    ssm_shape: str = STATE_SPACE_SHAPE,
    d_state: int = 64,
    rounds: int = 5,
    lead_in: int = 1,
    only: tuple[str, ...] = (),
    output: Path | None = None,
    json: bool = False,
) -> int:
    """Measure the speed of the operators on this machine.

    Every candidate runs once a round, so the ratios hold where the machine drifts. Nothing is timed while a kernel
    disagrees with its reference.

    Args:
        what: The neuron, the state-space layer, or both.
        shape: Shapes of the neuron, each BATCH,SEQLEN,CHANNELS.
        ssm_shape: Shape of the state-space layer.
        d_state: Size of its state.
        rounds: Rounds after one of warm-up.
        lead_in: Calls of a candidate right before its timed one; 0 times it on the caches that the others left.
        only: Candidates of the neuron by name; all if none is given.
        output: Also write the JSON here.
        json: Print JSON.
    """
    import torch

    from longspike.benchmark.baselines import BASELINES
    from longspike.evaluation.machine import machine, versions

    unknown = set(only) - set(BASELINES)
    if unknown:
        raise ValueError(
            f"bench: there is no candidate {', '.join(sorted(unknown))}; there are {', '.join(BASELINES)}."
        )
    report: dict[str, Any] = {
        "command": f"longspike bench --what {what} --shape {' '.join(shape)} --rounds {rounds} --lead-in {lead_in}",
        "versions": versions() | _peer_versions(),
        "machine": machine(torch.device("cpu")),
        "neuron": [],
        "ssm": [],
    }
    if what in ("neuron", "all"):
        report["neuron"] = [_bench_neuron(text, only, (rounds, lead_in), quiet=json) for text in shape]
    if what in ("ssm", "all"):
        report["ssm"] = [_bench_ssm(ssm_shape, d_state, (rounds, lead_in), quiet=json)]
    if output is not None:
        from json import dumps

        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(dumps(report, indent=2) + "\n")
    if json:
        print_json(report)
    return 0


def _bench_neuron(text: str, only: tuple[str, ...], times: tuple[int, int], *, quiet: bool) -> dict[str, Any]:
    from longspike.benchmark.baselines import BASELINES
    from longspike.benchmark.neuron import LIMIT, bench_neuron

    result = bench_neuron(
        _shape(text), names=only or tuple(BASELINES), rounds=times[0], lead_in=times[1], on_progress=_progress(text)
    )
    forward, training = _rows(result.forward, "longspike"), _rows(result.training, "longspike")
    if not quiet:
        _print(f"neuron, forward, {text}", forward, f"limit: {LIMIT} of the same tensor")
        _print(f"neuron, forward and backward, {text}", training, "gradient of the current")
        for name, reason in result.skipped.items():
            print_line(f"skipped {name}: {reason}")
    return {
        "shape": list(result.shape),
        "forward": forward,
        "training": training,
        "rates": result.rates,
        "skipped": result.skipped,
    }


def _bench_ssm(text: str, d_state: int, times: tuple[int, int], *, quiet: bool) -> dict[str, Any]:
    from longspike.benchmark.state_space import bench_state_space

    timings = bench_state_space(
        _shape(text), d_state=d_state, rounds=times[0], lead_in=times[1], on_progress=_progress(text)
    )
    forward, training = (_rows(part, "longspike scan") for part in timings)
    if not quiet:
        _print(f"S4D, forward, {text}, N={d_state}", forward, "kernel computation included")
        _print(f"S4D, forward and backward, {text}, N={d_state}", training, "all gradients")
    return {"shape": list(_shape(text)), "d_state": d_state, "forward": forward, "training": training}


def _shape(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise ValueError(f"bench: a shape is BATCH,SEQLEN,CHANNELS, three positive integers; got {text!r}.")
    return int(parts[0]), int(parts[1]), int(parts[2])


def _progress(text: str) -> Any:
    return lambda name: note(f"  {text}: {name}")


def _peer_versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("spikingjelly", "snntorch", "norse"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _rows(timings: "list[Timing]", ours: str) -> list[dict[str, Any]]:
    base = next((t for t in timings if t.name == ours), None)
    return [
        {
            "name": t.name,
            "median_ms": round(1e3 * t.median, 3),
            "min_ms": round(1e3 * min(t.seconds), 3),
            "max_ms": round(1e3 * max(t.seconds), 3),
            "times_ours": round(t.ratio_to(base), 3) if base is not None else None,
            "note": t.note,
        }
        for t in timings
    ]


def _print(title: str, rows: list[dict[str, Any]], remark: str) -> None:
    print_line(f"\n{title}  ({remark})")
    lines: list[tuple[str, ...]] = [("", "median ms", "min .. max", "times ours")]
    for row in rows:
        spread = f"{row['min_ms']} .. {row['max_ms']}"
        ratio = "" if row["times_ours"] is None else f"{row['times_ours']:.2f}x"
        lines.append((row["name"], f"{row['median_ms']:.2f}", spread, ratio))
    print_line(table(lines, indent=2))
