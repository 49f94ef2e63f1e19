"""What the event benchmarks feed: a recording repeated, moving edges, noise; and networks that fire realistically."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import longspike.events
from longspike.events import EVENT_DTYPE
from longspike.models import Flames
from longspike.streaming import EventStream

NUM_EDGES = 8
CALIBRATION_EVENTS, HALVINGS = 50_000, 12


def repeated(events: np.ndarray, num_events: int) -> np.ndarray:
    """A recording again and again, a millisecond between two rounds, until `num_events` are there."""
    rounds = -(-num_events // len(events))
    out = np.concatenate([events] * rounds)
    out["t"] += np.repeat(np.arange(rounds) * (int(events["t"][-1]) + 1000), len(events))
    return out[:num_events]


def recording(path: Path, num_events: int) -> tuple[np.ndarray, tuple[int, int]]:
    """The events of a file, repeated, and its sensor size."""
    found = longspike.events.read(path)
    return repeated(found.events, num_events), found.sensor_size


def slowed(events: np.ndarray, rate_hz: float) -> np.ndarray:
    """The same events over a longer time, so that they come at `rate_hz` on average."""
    out = events.copy()
    out["t"] = (events["t"] * (1e6 * len(events) / rate_hz / max(int(events["t"][-1]), 1))).astype(np.int64)
    return out


def _stamped(x: np.ndarray, y: np.ndarray, p: np.ndarray, rate_hz: float) -> np.ndarray:
    events = np.empty(len(x), EVENT_DTYPE)
    events["x"], events["y"], events["p"] = x, y, p
    events["t"] = (np.arange(len(x)) * (1e6 / rate_hz)).astype(np.int64)
    return events


def uniform_noise(sensor_size: tuple[int, int], num_events: int, *, rate_hz: float, seed: int) -> np.ndarray:
    """Every event anywhere on the sensor: no two neighbours share a cache line, the worst case for memory."""
    rng = np.random.default_rng(seed)
    x, y = (rng.integers(0, side, num_events) for side in sensor_size)
    return _stamped(x, y, rng.integers(0, 2, num_events), rate_hz)


def moving_edges(sensor_size: tuple[int, int], num_events: int, *, rate_hz: float, seed: int) -> np.ndarray:
    """Eight straight edges of random directions that cross the sensor at 0.1 to 1 widths a second.

    An edge is 0.2 to 0.6 heights long and three pixels thick, moves along its normal, and comes in again on the other
    side. An event picks an edge in proportion to length times speed, as a camera would, and a place on it at random. Its
    polarity is the edge's, turned over in one case of ten. Events come at equal intervals.
    """
    rng = np.random.default_rng(seed)
    width, height = sensor_size
    angle = rng.uniform(0, 2 * np.pi, NUM_EDGES)
    length, speed = rng.uniform(0.2, 0.6, NUM_EDGES) * height, rng.uniform(0.1, 1.0, NUM_EDGES) * width
    centre_x, centre_y = rng.uniform(0, width, NUM_EDGES), rng.uniform(0, height, NUM_EDGES)
    weight = length * speed / (length * speed).sum()
    edge = rng.choice(NUM_EDGES, num_events, p=weight)
    ahead = speed[edge] * np.arange(num_events) / rate_hz + rng.uniform(-1.5, 1.5, num_events)
    along = length[edge] * rng.uniform(-0.5, 0.5, num_events)
    cosine, sine = np.cos(angle)[edge], np.sin(angle)[edge]
    x = np.floor(centre_x[edge] + ahead * cosine - along * sine) % width
    y = np.floor(centre_y[edge] + ahead * sine + along * cosine) % height
    return _stamped(x, y, (edge % 2) ^ (rng.random(num_events) < 0.1), rate_hz)


def one_of_every_position(model: Flames) -> np.ndarray:
    """Events at time 0 that reach every position, so that a warm-up of one step touches all memory."""
    block = model.config.downsample
    y, x = np.mgrid[0 : model.config.sensor_size[1] : block, 0 : model.config.sensor_size[0] : block]
    events = np.zeros(x.size, EVENT_DTYPE)
    events["x"], events["y"] = x.ravel(), y.ravel()
    return events


def _scaled_to(rate: float, layer: int, model: Flames, events: np.ndarray, scale: Callable[[float], None]) -> None:
    """Bisect the factor, between 2^-10 and 2^10, at which a layer fires at `rate`; a larger factor fires more."""
    low, high = -10.0, 10.0
    applied = 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        scale(2 ** (middle - applied))
        applied = middle
        stream = EventStream(model)
        stream.push(events[: len(events) // 2])
        before = stream.counts
        stream.push(events[len(events) // 2 :])
        after = stream.counts
        updates = max(after.updates[layer] - before.updates[layer], 1)
        is_too_high = after.spikes[layer] - before.spikes[layer] > rate * updates
        low, high = (low, middle) if is_too_high else (middle, high)


def network(
    name: str, sensor_size: tuple[int, int], step_us: int, events: np.ndarray, *, rate: float = 0.05, seed: int = 0
) -> Flames:
    """An untrained network, its weights scaled layer by layer until each fires at `rate` early on."""
    torch.manual_seed(seed)
    model = Flames.from_preset(name, sensor_size=sensor_size, num_classes=11, step_us=step_us).eval()
    first = events[:CALIBRATION_EVENTS]

    def scale(*parameters: torch.Tensor) -> Callable[[float], None]:
        def by(factor: float) -> None:
            with torch.no_grad():
                for parameter in parameters:
                    parameter.mul_(factor)

        return by

    for k, front in enumerate(model.fronts):
        _scaled_to(rate, k, model, first, scale(front.weight))  # type: ignore[arg-type]
    for k, block in enumerate(model.blocks):
        memory = block.memory
        _scaled_to(rate, len(model.fronts) + k, model, first, scale(memory.C, memory.D))  # type: ignore[union-attr, arg-type]
    return model
