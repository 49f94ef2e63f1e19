"""The largest relative error of the neuron's gradients against an independent float64 autograd loop.

    python tools/gradients.py --output results/gradients.json

Every reset x gradient mode x surrogate, gradients of the current, of beta, threshold, rho, gamma, and of the initial state,
with a loss on the spikes and on the final state. The loop is the one that the tests hold the library against
(tests/operators.py). The error of a gradient is its largest difference over its largest value.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

import torch

from longspike.bench.record import header, write_report
from longspike.functional import LIFState, refractory_lif

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from operators import GRADIENTS, LIF_NAMES, RESETS, SURROGATES, autograd_lif, lif_case, relative_error, weighted_sum


def errors(reset: str, gradient: str, surrogate: object, dtype: torch.dtype) -> dict[str, float]:
    """Relative error of each gradient on 3 x 330 x 19 values, the library computing in `dtype`."""
    case = lif_case(3, 330, 19, dtype=dtype)
    leaves = case.leaves()
    current, beta, threshold, rho, gamma, *state = leaves
    spikes, end = refractory_lif(
        current,
        beta=beta,
        threshold=threshold,
        rho=rho,
        gamma=gamma,
        reset=reset,
        surrogate=surrogate,  # type: ignore[arg-type]
        gradient=gradient,
        state=LIFState(*state),
    )
    ours = torch.autograd.grad(weighted_sum([spikes, *end]), leaves, allow_unused=True, materialize_grads=True)
    wide = [x.detach().double().requires_grad_() for x in leaves]
    truth_outputs = autograd_lif(wide, reset, surrogate, gradient)
    truth = torch.autograd.grad(weighted_sum(truth_outputs), wide, allow_unused=True, materialize_grads=True)
    if not torch.equal(spikes.double(), truth_outputs[0]):
        raise SystemExit(f"the spikes differ in {dtype} ({reset}); their gradients cannot be compared")
    return {name: relative_error(a.double(), b) for name, a, b in zip(LIF_NAMES, ours, truth, strict=True)}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    report = header("python tools/gradients.py")
    for dtype in (torch.float64, torch.float32):
        largest: dict[str, float] = dict.fromkeys(LIF_NAMES, 0.0)
        for reset, gradient, surrogate in itertools.product(RESETS, GRADIENTS, SURROGATES):
            for name, error in errors(reset, gradient, surrogate, dtype).items():
                largest[name] = max(largest[name], error)
        report[str(dtype).removeprefix("torch.")] = largest
    print(json.dumps(report, indent=2))
    write_report(report, arguments.output)


if __name__ == "__main__":
    main()
