"""Compares every route of the refractory LIF neuron with the plain loop, position by position, over the hard regimes.

    python -m longspike.bench.exactness --positions 100000000 --output results/exactness.json

Regimes: beta .125/.5/.9, refractory on and off, resets, white, smooth, constant and nearly constant drives, lengths 1 to
65,536, firing rates 1 to 50 %. "sequential" and "speculative" must equal the loop in the same dtype bit for bit, state
included; "pmbc" must give the same spikes bit for bit, and a state within rounding. A random split with the state passed
on must give the same bits again. The plain loop itself is the library's `reference`, written independently of the kernels.
"""

import argparse
import itertools
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from longspike.bench.record import command_line, header, printing, write_report
from longspike.functional import LIFState, refractory_lif

BETAS = (0.125, 0.5, 0.9)
REFRACTORY = ((0.0, 0.5), (0.5, 0.5), (1.0, 0.9))
DRIVES = ("white", "smooth", "constant", "near-constant")
LENGTHS = (1, 2, 63, 64, 65, 1000, 4096, 16384, 65536)
RESETS = ("subtract", "subtract", "subtract", "zero", "subtract", "none", "subtract")
POSITIONS_PER_REGIME = 350_000
METHODS = ("sequential", "speculative", "pmbc")


@dataclass
class Tally:
    """What was compared for one method."""

    positions: int = 0
    spikes: int = 0
    mismatches: int = 0
    split_mismatches: int = 0
    state_bits_differ: int = 0
    largest_state_error: float = 0.0
    repaired: int = 0
    iterations_max: int = 0
    seconds: float = 0.0
    regimes: set[str] = field(default_factory=set)


def drive(kind: str, shape: tuple[int, int, int], beta: float, generator: torch.Generator) -> Tensor:
    """A current whose scale makes neurons of leak `beta` fire, with one gain per channel between rare and frequent."""
    batch, seqlen, channels = shape
    gain = torch.logspace(-0.3, 0.5, channels, dtype=torch.float32) * (1 - beta) ** 0.5
    if kind == "constant":
        return (torch.rand(batch, 1, channels, generator=generator) * 1.5 * (1 - beta)).expand(shape).contiguous()
    noise = torch.randn(shape, generator=generator)
    if kind == "near-constant":
        return (1 - beta) * (1.1 + 0.01 * noise)
    if kind == "smooth":
        kernel = torch.exp(-torch.arange(64) / 16.0)
        padded = torch.nn.functional.pad(noise.transpose(1, 2).reshape(-1, 1, seqlen), (63, 0))
        noise = torch.nn.functional.conv1d(padded, kernel.flip(0)[None, None] / kernel.norm())
        noise = noise.view(batch, channels, seqlen).transpose(1, 2)
    return (noise * gain).contiguous()


def compare(tally: Tally, method: str, current: Tensor, options: dict[str, object], truth: tuple, cut: int) -> None:  # type: ignore[type-arg]
    """Run `method` whole and split at `cut`, and count what differs from the loop."""
    started = time.perf_counter()
    spikes, state, certificate = refractory_lif(current, method=method, return_certificate=True, **options)  # type: ignore[call-overload]
    tally.seconds += time.perf_counter() - started
    first, middle = refractory_lif(current[:, :cut], method=method, **options)  # type: ignore[call-overload]
    second, end = refractory_lif(current[:, cut:], method=method, **{**options, "state": middle})  # type: ignore[call-overload]
    true_spikes, true_state = truth
    tally.positions += spikes.numel()
    tally.spikes += int(true_spikes.sum())
    tally.mismatches += int((spikes != true_spikes).sum())
    tally.split_mismatches += int((torch.cat([first, second], dim=1) != true_spikes).sum())
    for a, b, c in zip(state, end, true_state, strict=True):
        tally.state_bits_differ += int((a != c).sum()) + int((b != c).sum())
        if a.numel():
            tally.largest_state_error = max(tally.largest_state_error, float((a - c).abs().max()))
    tally.repaired += certificate.repaired
    tally.iterations_max = max(tally.iterations_max, certificate.iterations)


def main() -> None:
    """Run regimes round by round until every method has seen the wanted number of positions."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--positions", type=int, default=2_000_000)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    generator = torch.Generator().manual_seed(arguments.seed)
    tallies = {method: Tally() for method in METHODS}
    regimes = list(itertools.product(LENGTHS, BETAS, REFRACTORY, DRIVES))
    round_number = 0
    while min(t.positions for t in tallies.values()) < arguments.positions:
        for number, (seqlen, beta, (rho, gamma), kind) in enumerate(regimes):
            channels = max(5, min(67, POSITIONS_PER_REGIME // seqlen))
            batch = max(1, POSITIONS_PER_REGIME // (seqlen * channels))
            current = drive(kind, (batch, seqlen, channels), beta, generator)
            v, r = (torch.rand(batch, channels, generator=generator) for _ in range(2))
            start = LIFState(v, r, torch.zeros(batch, channels))
            reset = RESETS[(number + round_number) % len(RESETS)]
            options = {"beta": beta, "rho": rho, "gamma": gamma, "threshold": 1.0, "reset": reset, "state": start}
            truth = refractory_lif(current, method="reference", **options)  # type: ignore[call-overload]
            cut = int(torch.randint(0, seqlen + 1, (), generator=generator))
            for method, tally in tallies.items():
                if (method == "pmbc" and reset == "zero") or tally.positions >= arguments.positions:
                    continue
                compare(tally, method, current, options, truth, cut)
                tally.regimes.add(f"beta={beta} rho={rho} gamma={gamma} {kind} L={seqlen} {reset}")
            if min(t.positions for t in tallies.values()) >= arguments.positions:
                break
        round_number += 1
        print(
            f"round {round_number}: "
            + ", ".join(f"{m} {t.positions:,} positions {t.mismatches} wrong" for m, t in tallies.items()),
            flush=True,
        )
    report = {
        **header(command_line("longspike.bench.exactness")),
        "methods": {m: {**asdict(t), "regimes": len(t.regimes)} for m, t in tallies.items()},
    }
    print(json.dumps(report, indent=2))
    write_report(report, arguments.output)
    if any(t.mismatches or t.split_mismatches for t in tallies.values()):
        raise SystemExit("spikes differ")


if __name__ == "__main__":
    with printing():
        main()
