"""FLAMES written a second time: plain Python loops and dense complex matrices in float64, one event and tick after another.

Slow, and of none of the library's ideas: no rows, chains, plans, tables or conjugate halves.
"""

from dataclasses import dataclass, field

import numpy as np

from longspike.models import Flames, FlamesConfig, MemoryConfig

Grid = tuple[int, int]


@dataclass
class Said:
    """What the network does with one recording; margin: the smallest distance of any membrane from its threshold."""

    steps: list[int] = field(default_factory=list)
    spikes: list[list[np.ndarray]] = field(default_factory=list)
    front_spikes: list[int] = field(default_factory=list)
    front_updates: list[int] = field(default_factory=list)
    logits: np.ndarray | None = None
    margin: float = np.inf

    def above(self, membrane: np.ndarray) -> np.ndarray:
        self.margin = min(self.margin, float(np.abs(membrane - 1).min()))
        return (membrane > 1).astype(float)


class DendriticFront:
    """A convolution of dendritic neurons and its pool; every output position has a clock of its own."""

    def __init__(self, p: dict[str, np.ndarray], config: FlamesConfig, size: Grid, stride: int) -> None:
        self.p, self.step_us, self.kernel, self.stride = p, config.step_us, config.kernel, stride
        self.padding, self.pool, self.size = config.kernel // 2, config.pool, size
        self.out = tuple((n + 2 * self.padding - self.kernel) // stride + 1 for n in size)
        self.pooled = tuple(-(-n // self.pool) for n in self.out)
        self.neurons: dict[Grid, list] = {}  # last step, i (branches, channels), v (channels)

    def run(self, step: int, inputs: list[tuple[int, int, np.ndarray]], said: Said) -> dict[Grid, np.ndarray]:
        """Pooled spikes of the touched cells; inputs: (x, y, values per channel), in their order."""
        drive: dict[Grid, np.ndarray] = {}
        for x, y, values in inputs:
            if not values.any():
                continue
            for oy in range(self.out[1]):
                for ox in range(self.out[0]):
                    kx, ky = x - (ox * self.stride - self.padding), y - (oy * self.stride - self.padding)
                    if 0 <= kx < self.kernel and 0 <= ky < self.kernel:
                        weights = self.p["weight"][:, :, :, ky, kx]  # (branches, channels, inputs)
                        drive[ox, oy] = drive.get((ox, oy), 0) + weights @ values
        cells: dict[Grid, np.ndarray] = {}
        for (ox, oy), current in drive.items():
            spikes = self.update((ox, oy), step, current, said)
            cell = (ox // self.pool, oy // self.pool)
            cells[cell] = np.maximum(cells.get(cell, 0), spikes)
        return cells

    def update(self, place: Grid, step: int, current: np.ndarray, said: Said) -> np.ndarray:
        last, i, v = self.neurons.get(place, (step, 0 * current, 0 * current[0]))
        gap_us = (step - last) * self.step_us
        i = np.exp(-gap_us / np.exp(self.p["log_tau"]))[:, None] * i + current
        v = np.exp(-gap_us / np.exp(self.p["log_tau_soma"])) * v + (self.p["g"][:, None] * i).sum(0)
        spikes = said.above(v)
        self.neurons[place] = (step, i, v * (1 - spikes))
        return spikes


class Memory:
    """SA-HiPPO with both halves of the conjugate pairs, as dense matrices."""

    def __init__(self, p: dict[str, np.ndarray], config: MemoryConfig) -> None:
        self.p, self.config = p, config
        self.d_head = config.d_model // config.num_heads
        self.states = [np.zeros((config.d_state, self.d_head), complex) for _ in range(config.num_heads)]

    def head(self, k: int, delta: float, u: np.ndarray) -> np.ndarray:
        p, c = self.p, slice(k * self.d_head, (k + 1) * self.d_head)
        both = lambda half: np.concatenate([half, half.conj()])  # noqa: E731
        dt = delta * np.exp(p["log_dt"][k])
        eigenvalues = both(-np.exp(p["log_A_real"][k]) + 1j * p["A_imag"][k])
        f = both(np.exp(-np.exp(p["log_decay"][k]) * dt) + 0j) if "log_decay" in p else np.ones(len(eigenvalues))
        b = both(p["B"][k, :, 0] + 1j * p["B"][k, :, 1])
        big_c = both(p["C"][:, 0, c] + 1j * p["C"][:, 1, c])
        a = np.diag(f**2 * eigenvalues)
        identity = np.eye(len(f))
        if self.config.structure == "diag":
            transition = np.diag(np.exp(dt * np.diag(a)))
            held = (np.exp(dt * np.diag(a)) - 1) / np.diag(a) * b
        else:
            r = f[:, None] * both(p["R"][k, :, 0] + 1j * p["R"][k, :, 1])
            a = a - r @ r.conj().T
            transition = np.linalg.solve(identity - dt / 2 * a, identity + dt / 2 * a)
            held = np.linalg.solve(identity - dt / 2 * a, dt * b)
        into = held if self.config.input == "held" else b
        self.states[k] = transition @ self.states[k] + into[:, None] * u[None, c]
        y = (big_c * self.states[k]).sum(0)
        return y.real + p["D"][c] * u[c]

    def tick(self, delta: float, u: np.ndarray, said: Said) -> tuple[np.ndarray, np.ndarray]:
        spikes = said.above(np.concatenate([self.head(k, delta, u) for k in range(self.config.num_heads)]))
        z = u + self.p["mix.weight"] @ spikes + self.p["mix.bias"]
        z = (z - z.mean()) / np.sqrt(z.var() + 1e-5)
        return z * self.p["norm.weight"] + self.p["norm.bias"], spikes


def pooled(ticks: list[np.ndarray], weights: list[float], window: int, d_model: int) -> np.ndarray:
    """The mean over windows of consecutive ticks of the windows' weighted means."""
    means = [
        np.average(ticks[k : k + window], axis=0, weights=weights[k : k + window]) for k in range(0, len(ticks), window)
    ]
    return np.mean(means, axis=0) if means else np.zeros(d_model)


def listen(model: Flames, events: np.ndarray) -> Said:
    """The whole network on one recording."""
    config, said = model.config, Said()
    p = {name: x.detach().double().numpy() for name, x in model.state_dict().items()}
    part = lambda start: {name[len(start) :]: x for name, x in p.items() if name.startswith(start)}  # noqa: E731
    size = tuple(-(-n // config.downsample) for n in config.sensor_size)
    fronts, memories = [], []
    for k in range(config.num_fronts):
        fronts.append(DendriticFront(part(f"fronts.{k}."), config, size, config.stride if k == 0 else 1))
        size = fronts[-1].pooled
    for k in range(config.memory.num_layers):
        block = part(f"blocks.{k}.")
        memories.append(Memory(block | part(f"blocks.{k}.memory."), config.memory))
    said.front_spikes, said.front_updates = [0] * len(fronts), [0] * len(fronts)
    ticks, weights, last = [], [], None
    for step in sorted({int(t) // config.step_us for t in events["t"]}):
        here = [e for e in events if int(e["t"]) // config.step_us == step]
        inputs = [(int(e["x"]) // config.downsample, int(e["y"]) // config.downsample, np.eye(2)[e["p"]]) for e in here]
        for k, front in enumerate(fronts):
            before = dict(front.neurons)
            cells = front.run(step, inputs, said)
            fired = {place: n for place, n in front.neurons.items() if before.get(place) is not n}
            said.front_updates[k] += len(fired) * config.channels
            said.front_spikes[k] += sum(int((n[2] == 0).sum()) for n in fired.values())
            inputs = [(x, y, cells[x, y]) for x, y in sorted(cells, key=lambda cell: cell[::-1])]
        if not any(values.any() for _, _, values in inputs):
            continue
        u = sum(p["embedding"][y * size[0] + x].T @ values for x, y, values in inputs)
        delta, last = 1.0 if last is None else float(step - last), step
        said.steps.append(step)
        said.spikes.append([])
        for memory in memories:
            u, spikes = memory.tick(delta, u, said)
            said.spikes[-1].append(spikes)
        ticks.append(u)
        weights.append(delta if config.weighting == "time" else 1.0)
    pool = pooled(ticks, weights, config.window, config.memory.d_model)
    said.logits = p["decoder.weight"] @ pool + p["decoder.bias"]
    return said
