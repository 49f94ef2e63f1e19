"""FLAMES in eager PyTorch, one `Flames.outputs` a step with the state passed on: what the compiled stream is compared with.

    python -m longspike.bench.events.eager MODEL_FOLDER EVENTS.npy [--compiled]

Without --compiled the package's extension is hidden, so every operator runs as PyTorch code. Prints JSON.
"""

import argparse
import json
import sys
import time

import numpy as np


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("events")
    parser.add_argument("--compiled", action="store_true")
    arguments = parser.parse_args()
    if not arguments.compiled:
        sys.modules["longspike._native"] = None  # type: ignore[assignment]
    import torch

    import longspike
    from longspike.events.ragged import collate_events

    torch.set_num_threads(1)
    model = longspike.load(arguments.model).eval()
    events = np.load(arguments.events)
    steps = np.split(events, np.flatnonzero(np.diff(events["t"] // model.config.step_us)) + 1)
    batches = [collate_events([step]) for step in steps]
    with torch.inference_mode():
        logits, state = model(batches[0])  # also the warm-up
        started = time.perf_counter()
        for batch in batches[1:]:
            logits, state = model(batch, state)
        elapsed = time.perf_counter() - started
    num_events = sum(len(step) for step in steps[1:])
    report = {
        "events": num_events,
        "steps": len(steps) - 1,
        "us_per_event": round(1e6 * elapsed / num_events, 3),
        "ms_per_step": round(1e3 * elapsed / (len(steps) - 1), 3),
        "logits": logits[0].tolist(),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
