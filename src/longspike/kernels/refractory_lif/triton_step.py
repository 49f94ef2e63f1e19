"""The refractory neuron's step in Triton: one lane a thread, the state in registers, rows of input fetched ahead.

The order of the operations is that of reference.py and each is rounded on its own, so the spikes are that loop's bit for
bit.
"""

import triton
import triton.language as tl

from longspike.kernels._spiking.spans import LIF_SPAN_ON_GPU
from longspike.kernels._triton_lanes import load_rows

BLOCK = tl.constexpr(LIF_SPAN_ON_GPU)


@triton.jit
def load_parameters(beta, threshold, rho, gamma, channel, exists):
    """beta, threshold, rho, gamma of each lane."""
    return (
        tl.load(beta + channel, mask=exists, other=0.0),
        tl.load(threshold + channel, mask=exists, other=0.0),
        tl.load(rho + channel, mask=exists, other=0.0),
        tl.load(gamma + channel, mask=exists, other=0.0),
    )


@triton.jit
def load_state(at, stride, exists):
    """v, r, s of each lane; the three lie `stride` apart."""
    return (
        tl.load(at, mask=exists, other=0.0),
        tl.load(at + stride, mask=exists, other=0.0),
        tl.load(at + 2 * stride, mask=exists, other=0.0),
    )


@triton.jit
def store_state(at, stride, state, exists):
    """Where `load_state` finds it."""
    tl.store(at, state[0], mask=exists)
    tl.store(at + stride, state[1], mask=exists)
    tl.store(at + 2 * stride, state[2], mask=exists)


@triton.jit
def after_reset(v, s, threshold, RESET: tl.constexpr):
    """The membrane that leaks into the next step."""
    if RESET == "subtract":
        u = v - threshold * s
    elif RESET == "zero":
        u = tl.where(s > 0, tl.zeros_like(v), v)
    else:
        u = v
    return u


@triton.jit
def begin(state, parameters, RESET: tl.constexpr):
    """(v, r, s) -> (v, r, s, u): with the membrane after the reset, which the next step needs first."""
    return state[0], state[1], state[2], after_reset(state[0], state[2], parameters[1], RESET)


@triton.jit
def lif_step(x, state, parameters, RESET: tl.constexpr):
    """(v, r, s, u) before -> after. A spike is 0 or 1 here, so the reset is a choice between two numbers, not a product."""
    beta, threshold, rho, gamma = parameters
    r = gamma * state[1] + state[2]
    v = beta * state[3] + x
    fires = v - rho * r > threshold
    s = fires.to(v.dtype)
    if RESET == "subtract":
        u = tl.where(fires, v - threshold, v)
    elif RESET == "zero":
        u = tl.where(fires, tl.zeros_like(v), v)
    else:
        u = v
    return v, r, s, u


@triton.jit
def lif_advance(x, spikes, saved, first, shown, last, stride, exists, state, parameters, RESET: tl.constexpr):
    """Steps first .. last - 1; (v, r, s) before -> after. Pointers are those of step 0 of each lane, steps `stride` apart.

    From step `shown` on, spikes go out, and the state before every step whose number is a multiple of BLOCK. `first` and
    `shown` are such multiples.
    """
    end, shown_from = tl.where(exists, last, 0), tl.where(exists, shown, last)  # nothing of a lane that does not exist
    state = begin(state, parameters, RESET)
    ahead = load_rows(x, first, end, stride, BLOCK)
    later = load_rows(x, first + BLOCK, end, stride, BLOCK)
    whole = first + (last - first) // BLOCK * BLOCK
    for start in range(first, whole, BLOCK):
        rows = ahead
        ahead = later
        later = load_rows(x, start + 2 * BLOCK, end, stride, BLOCK)
        visible = start >= shown_from
        store_state(saved + start // BLOCK * 3 * stride, stride, state, visible)
        for i in tl.static_range(BLOCK):
            state = lif_step(rows[i], state, parameters, RESET)
            tl.store(spikes + (start + i) * stride, state[2], mask=visible)
    if whole < last:
        store_state(saved + whole // BLOCK * 3 * stride, stride, state, exists)
        for i in tl.static_range(BLOCK):
            goes_on = whole + i < end
            after = lif_step(ahead[i], state, parameters, RESET)
            tl.store(spikes + (whole + i) * stride, after[2], mask=goes_on)
            state = (
                tl.where(goes_on, after[0], state[0]),
                tl.where(goes_on, after[1], state[1]),
                tl.where(goes_on, after[2], state[2]),
                tl.where(goes_on, after[3], state[3]),
            )
    return state[0], state[1], state[2]
