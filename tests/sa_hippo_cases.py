"""The cases of the spike-aware memory, and its definition as full complex matrices in numpy."""

import numpy as np
import torch
from torch import Tensor

from longspike.nn import SAHippo

OFFSETS = (0, 0, 100, 130, 194, 195, 195)  # empty samples first and last, one tick, a whole block, blocks and a rest
VARIANTS = {
    "rank 3": {"rank": 3},
    "rank 0": {"rank": 0},
    "rank 1, held, no decay": {"rank": 1, "input": "held", "decay": "none"},
    "rank 8, held": {"rank": 8, "input": "held"},
    "rank 11": {"rank": 11},
    "diag": {"structure": "diag"},
    "diag, held": {"structure": "diag", "input": "held"},
}


def memory(variant: str, d_model: int, d_state: int, num_heads: int, dtype: torch.dtype, **options: object) -> SAHippo:
    """A layer away from its start: poles, decays and every column of R moved at random, to numbers that float32 has."""
    layer = SAHippo(d_model, d_state=d_state, num_heads=num_heads, **VARIANTS[variant], **options)
    with torch.no_grad():
        for name in layer.DYNAMICS:
            value = getattr(layer, name)
            if value is not None:
                value.add_(0.3 * torch.randn_like(value))
    return layer.to(dtype)


def ticks(d_model: int, dtype: torch.dtype, offsets: tuple[int, ...] = OFFSETS) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, irregular gaps (zero, fractions and long silences among them), offsets."""
    g = torch.Generator().manual_seed(2)
    count = offsets[-1]
    choices = torch.tensor([0.0, 0.5, 1.0, 1.0, 2.0, 7.0, 300.0], dtype=dtype)
    delta = choices[torch.randint(len(choices), (count,), generator=g)]
    return torch.randn(count, d_model, generator=g).to(dtype), delta, torch.tensor(offsets)


def start(layer: SAHippo, batch: int) -> Tensor:
    """A state that is not zero."""
    return torch.randn(layer.init_state(batch).shape).to(layer.D.dtype)


def whole(half: np.ndarray) -> np.ndarray:
    """Pairs and their conjugates."""
    return np.concatenate([half, half.conj()])


def pairs(parameter: Tensor, axis: int) -> np.ndarray:
    """Two reals on `axis` as one complex number."""
    real, imag = parameter.detach().double().unbind(axis)
    return real.numpy() + 1j * imag.numpy()


def dense_system(layer: SAHippo, head: int, delta: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Dt, A_S (d_state, d_state) and B of one head, straight from the definition."""
    n = layer.n_pairs
    dt = delta * np.exp(float(layer.log_dt[head].detach().double()))
    lam = whole(
        -np.exp(layer.log_A_real[head].detach().double().numpy()) + 1j * layer.A_imag[head].detach().double().numpy()
    )
    r = whole(pairs(layer.R[head], 1))
    decay = np.zeros(n) if layer.log_decay is None else np.exp(layer.log_decay[head].detach().double().numpy())
    f = np.exp(-whole(decay).real * dt)
    a = np.diag(lam) * np.outer(f, f) - (f[:, None] * r) @ (f[:, None] * r).conj().T
    return dt, a, whole(pairs(layer.B[head], 1))


def dense_step(layer: SAHippo, head: int, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """T and the input's vector of one head by general solvers, d_state x d_state complex."""
    dt, a, b = dense_system(layer, head, delta)
    identity = np.eye(len(a))
    if layer.structure == "diag":
        z = dt * np.diag(a)
        held = dt * np.divide(np.expm1(z), z, out=np.ones_like(z), where=z != 0) * b
        t = np.diag(np.exp(z))
    else:
        t = np.linalg.solve(identity - dt / 2 * a, identity + dt / 2 * a)
        held = np.linalg.solve(identity - dt / 2 * a, dt * b)
    return t, held if layer.input == "held" else b


def dense_memory(
    layer: SAHippo, u: Tensor, delta: Tensor, offsets: Tensor, state: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """y and the final states (complex halves) by full matrices, no conjugate trick; complex128."""
    u, heads, n = u.detach().double().numpy(), layer.num_heads, layer.n_pairs
    c, d, x0 = pairs(layer.C, 1), layer.D.detach().double().numpy(), pairs(state, 3)
    steps = {float(g): [dense_step(layer, h, float(g)) for h in range(heads)] for g in delta.unique()}
    y, ends, width = np.zeros_like(u), x0.copy(), u.shape[1] // heads
    for i in range(len(offsets) - 1):
        for h in range(heads):
            x, own = whole(x0[i, h]), slice(h * width, (h + 1) * width)
            for k in range(int(offsets[i]), int(offsets[i + 1])):
                t, b = steps[float(delta[k])][h]
                x = t @ x + b[:, None] * u[k, own]
                y[k, own] = (whole(c[:, own]) * x).sum(0).real + d[own] * u[k, own]
            ends[i, h] = x[:n]
    return y, ends
