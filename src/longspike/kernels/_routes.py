"""Every way to run every operator, in one table, and why a call goes it."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from longspike.kernels import native

# Speculation pays where the lanes are so few that a thread waits for every step, and the sequence holds several warm-ups.
SPECULATIVE_MIN_SEQLEN = 16_384
# On a GPU it pays below about four warps a multiprocessor, where a chunk is still longer than its warm-up. Reckoned, not
# measured.
SPECULATIVE_MAX_LANES, SPECULATIVE_MIN_SEQLEN_ON_GPU = 8192, 2048
# On a GPU, chunks do about six times the work of the recurrence in a line of 128 ticks and one step a chunk: they need
# long samples, and so few of them that a program for each head leaves five of six places free. Reckoned, not measured.
CHUNKED_MIN_TICKS, CHUNKED_MAX_ITEMS = 512, 64


class Call(NamedTuple):
    """What a choice may look at: the tensors' device and dtype, and sizes and options where they matter.

    Of the spike-aware memory, `batch` is samples times heads, and `offsets` bound the samples' ticks.
    """

    device: torch.device
    dtype: torch.dtype
    batch: int = 1
    seqlen: int = 0
    channels: int = 1
    reset: str = "subtract"
    gaps: int = 1
    offsets: Tensor | None = None
    transition: str = "bilinear"

    @property
    def longest(self) -> int:
        """Ticks of the longest sample; waits for the device, so only a route that needs it asks."""
        if self.offsets is None:
            return self.seqlen
        return int(self.offsets.diff().max()) if len(self.offsets) > 1 else 0


class Route(NamedTuple):
    """One way to run an operator.

    Attributes:
        method, backend: as in `Choice`.
        wins: why "auto" takes it for a call that it can run, or "" if it does not; where that depends on the call, a
            function of it and of why there is no kernel of ours for it ("" where there is one), which may give back a
            function that makes the sentence.
        refuses: what is wrong with a call that asks for it by name, or "".
    """

    method: str
    backend: str
    wins: str | Callable[[Call, str], str | Callable[[], str]] = ""
    refuses: Callable[[Call], str] = lambda call: ""


def _without_kernel(call: Call, why_not: str) -> str:
    return why_not


def _few_lanes(call: Call) -> bool:
    """Whether a thread would wait for every step of so few lanes, over so many of them."""
    if call.device.type == "cuda":
        return call.batch * call.channels < SPECULATIVE_MAX_LANES and call.seqlen >= SPECULATIVE_MIN_SEQLEN_ON_GPU
    if call.batch != 1 or call.seqlen < SPECULATIVE_MIN_SEQLEN:
        return False
    threads = native.threads()
    return threads > 1 and (call.channels + 15) // 16 <= threads


def _sequential_on_cpu(call: Call, why_not: str) -> str | Callable[[], str]:
    return "" if _few_lanes(call) else functools.partial(_near_memory_speed, call)


def _near_memory_speed(call: Call) -> str:
    lanes = f"{call.batch} x {call.channels} lanes"
    return f"a fused loop over time with {lanes} runs near memory speed on {native.threads()} thread(s)"


def _sequential_on_gpu(call: Call, why_not: str) -> str | Callable[[], str]:
    return "" if _few_lanes(call) else functools.partial(_in_registers, call)


def _in_registers(call: Call) -> str:
    return f"a fused loop over time keeps the states of {call.batch} x {call.channels} lanes in registers"


def _speculative_on_cpu(call: Call, why_not: str) -> str:
    lanes = f"{call.batch} x {call.channels} lanes"
    return f"{lanes} wait for each step on {native.threads()} thread(s), {call.seqlen} steps long"


def _speculative_on_gpu(call: Call, why_not: str) -> str:
    return f"{call.batch} x {call.channels} lanes leave most of a GPU idle over {call.seqlen} steps"


def _no_linear_reset(call: Call) -> str:
    if call.reset != "zero":
        return ""
    return (
        "method='pmbc' needs a linear reset path; got reset='zero'. "
        "Use method='sequential' or 'speculative', or hard_reset_orbit for rho = 0."
    )


def _few_steps(call: Call, why_not: str) -> str:
    return f"{why_not}, and {call.seqlen} step(s) need no FFT" if call.seqlen <= 2 else ""


def _is_dense(call: Call) -> bool:
    return call.transition != "bilinear"


def _dense(call: Call, why_not: str) -> str:
    return f"transition={call.transition!r} is a dense matrix" if _is_dense(call) else ""


def _one_pass(call: Call, why_not: str) -> str:
    return "" if _is_dense(call) else "one pass of diagonal plus low rank keeps the state in the caches"


def _not_for_dense(method: str) -> Callable[[Call], str]:
    def refuses(call: Call) -> str:
        if not _is_dense(call):
            return ""
        return (
            f"transition={call.transition!r} is dense and runs by method='reference'; got method={method!r}. "
            "Use transition='bilinear', or method='auto'."
        )

    return refuses


def _several_gaps(call: Call) -> str:
    if call.gaps <= 1 or _is_dense(call):
        return _not_for_dense("fft")(call)
    return (
        f"method='fft' needs one gap for all ticks; got {call.gaps} different ones in `delta`. "
        "Use method='auto' or 'chunked'."
    )


def _equal_gaps(call: Call, why_not: str) -> str:
    if call.gaps > 1:
        return ""
    if why_not:
        return f"{why_not}, and all gaps are equal"
    is_on_gpu = call.device.type == "cuda"
    return f"all gaps are equal over {call.longest} ticks" if is_on_gpu and call.longest >= CHUNKED_MIN_TICKS else ""


def _few_items_on_gpu(call: Call, why_not: str) -> str:
    if call.batch <= CHUNKED_MAX_ITEMS and call.longest >= CHUNKED_MIN_TICKS:
        return f"{call.batch} samples x heads leave most of a GPU idle over {call.longest} ticks"
    return ""


def _many_items_on_gpu(call: Call, why_not: str) -> str:
    return f"one pass keeps the states of {call.batch} samples x heads in registers"


def _few_ticks(call: Call, why_not: str) -> str:
    if why_not and call.longest <= 2:
        return f"{why_not}, and {call.longest} tick(s) need no parallel form"
    return ""


def _gaps_differ(call: Call, why_not: str) -> str:
    return f"{why_not}, and the gaps differ" if why_not else ""


REFERENCE = Route("reference", "torch", _without_kernel)


def _compiled_or_reference(reason: str) -> tuple[Route, ...]:
    return Route("compiled", "cpp", reason), REFERENCE


_MIXING = _compiled_or_reference("it skips silent inputs and sums every row in the same order")
_TICK = _compiled_or_reference("it gives a stream and a batch the same bits")
_STRUCTURE = _compiled_or_reference("it counts and sorts in one pass")
_DENDRITE = (
    Route("compiled", "triton", "it walks the touched positions alone, each with its state in registers"),
    *_compiled_or_reference("it walks the touched positions alone, each with its state in cache"),
)

# The routes of every operator, in the order in which "auto" asks them.
ROUTES: dict[str, tuple[Route, ...]] = {
    "refractory_lif": (
        Route("sequential", "triton", _sequential_on_gpu),
        Route("sequential", "cpp", _sequential_on_cpu),
        Route("pmbc", "torch", refuses=_no_linear_reset),
        Route("speculative", "triton", _speculative_on_gpu),
        Route("speculative", "cpp", _speculative_on_cpu),
        REFERENCE,
    ),
    "s4d_scan": (
        Route(
            "scan",
            "triton",
            "the recurrence in registers gives the same bits whole and in chunks, and reads its input once",
        ),
        Route("scan", "cpp", "the recurrence gives a whole sequence, its chunks and its steps the same bits"),
        Route("reference", "torch", _few_steps),
        Route("fft", "torch", _without_kernel),
    ),
    "s4d_lif": (
        Route("fused", "triton", "the current between scan and neuron never reaches memory"),
        REFERENCE,
    ),
    "spiking_block": (Route("fused", "cpp", "one pass keeps current and spikes in the caches"), REFERENCE),
    "sa_hippo": (
        Route("recurrent", "cpp", _one_pass, _not_for_dense("recurrent")),
        Route("reference", "torch", _dense),
        Route("reference", "torch", _few_ticks),
        Route("fft", "torch", _equal_gaps, _several_gaps),
        Route("chunked", "triton", _few_items_on_gpu, _not_for_dense("chunked")),
        Route("recurrent", "triton", _many_items_on_gpu),
        Route("chunked", "torch", _gaps_differ),
    ),
    "sa_hippo_tables": _compiled_or_reference("a stream makes its rows by the same function"),
    "linear": _MIXING,
    "glu": _MIXING,
    "dendritic_conv": _DENDRITE,
    "dendritic_lif": _DENDRITE,
    "dendrite_plan": _STRUCTURE,
    "pool_plan": _STRUCTURE,
    "segment_max": _DENDRITE,
    "embed_cells": _TICK,
    "layer_norm": _TICK,
    "event_pool": _TICK,
    "spikes": _TICK,
    "count_spikes": _TICK,
}
