"""Chooses how one operator call runs, and says why. The only place where that is decided."""

from typing import NamedTuple

import torch

from longspike.errors import BackendUnavailableError
from longspike.kernels import _triton, native

LIF_METHODS = ("auto", "sequential", "pmbc", "speculative", "reference")
S4D_METHODS = ("auto", "scan", "fft", "reference")
S4D_LIF_METHODS = ("auto", "fused", "reference")
MIXING_METHODS = ("auto", "compiled", "reference")
BLOCK_METHODS = ("auto", "fused", "reference")
SA_HIPPO_METHODS = ("auto", "recurrent", "reference", "chunked", "fft")
DENDRITE_METHODS = ("auto", "compiled", "reference")

# Speculation pays where the lanes are so few that a thread waits for every step, and the sequence holds several warm-ups.
SPECULATIVE_MIN_SEQLEN = 16_384
# On a GPU it pays below about four warps a multiprocessor, where a chunk is still longer than its warm-up. Reckoned, not
# measured.
SPECULATIVE_MAX_LANES, SPECULATIVE_MIN_SEQLEN_ON_GPU = 8192, 2048
# On a GPU, chunks do about six times the work of the recurrence in a line of 128 ticks and one step a chunk: they need
# long samples, and so few of them that a program for each head leaves five of six places free. Reckoned, not measured.
CHUNKED_MIN_TICKS, CHUNKED_MAX_ITEMS = 512, 64


class Choice(NamedTuple):
    """How a call runs.

    Attributes:
        operator: the operator's name.
        method: the algorithm.
        backend: "cpp" (compiled, CPU), "triton" (CUDA) or "torch" (any device).
        reason: why, in one sentence.
    """

    operator: str
    method: str
    backend: str
    reason: str

    def __str__(self) -> str:
        return f"{self.operator}: {self.method} ({self.backend}), because {self.reason}"


def _why_not_compiled(device: torch.device, dtype: torch.dtype) -> str:
    if not native.is_available():
        return native.unavailable_reason
    if device.type != "cpu":
        return f"the compiled kernels run on the CPU and the tensors are on {device.type}"
    if dtype not in native.DTYPES:
        return f"the compiled kernels take float32 and float64, not {dtype}"
    return ""


def _why_no_kernel(device: torch.device, dtype: torch.dtype) -> str:
    """Why there is no kernel of ours, compiled for the CPU or in Triton, for such tensors; empty if there is one."""
    return _triton.why_not(device, dtype) if device.type == "cuda" else _why_not_compiled(device, dtype)


def _require_compiled(operator: str, method: str, why_not: str) -> None:
    if why_not:
        raise BackendUnavailableError(
            f"{operator}: method={method!r} cannot run, because {why_not}. Use method='auto'."
        )


def choose_lif(
    method: str, *, batch: int, seqlen: int, channels: int, device: torch.device, dtype: torch.dtype, reset: str
) -> Choice:
    """The route of a `refractory_lif` call."""
    why_not = _why_no_kernel(device, dtype)
    backend = "triton" if device.type == "cuda" else "cpp"
    if method in ("sequential", "speculative"):
        _require_compiled("refractory_lif", method, why_not)
        return Choice("refractory_lif", method, backend, "it was asked for by name")
    if method == "pmbc" and reset == "zero":
        raise ValueError(
            "refractory_lif: method='pmbc' needs a linear reset path; got reset='zero'. "
            "Use method='sequential' or 'speculative', or hard_reset_orbit for rho = 0."
        )
    if method in ("pmbc", "reference"):
        return Choice("refractory_lif", method, "torch", "it was asked for by name")
    if why_not:
        return Choice("refractory_lif", "reference", "torch", why_not)
    if backend == "triton":
        return _lif_on_gpu(batch, seqlen, channels)
    threads = native.threads()
    vectors = batch * ((channels + 15) // 16)
    if threads > 1 and batch == 1 and vectors <= threads and seqlen >= SPECULATIVE_MIN_SEQLEN:
        reason = f"{batch} x {channels} lanes wait for each step on {threads} thread(s), {seqlen} steps long"
        return Choice("refractory_lif", "speculative", "cpp", reason)
    reason = f"a fused loop over time with {batch} x {channels} lanes runs near memory speed on {threads} thread(s)"
    return Choice("refractory_lif", "sequential", "cpp", reason)


def _lif_on_gpu(batch: int, seqlen: int, channels: int) -> Choice:
    if batch * channels < SPECULATIVE_MAX_LANES and seqlen >= SPECULATIVE_MIN_SEQLEN_ON_GPU:
        reason = f"{batch} x {channels} lanes leave most of a GPU idle over {seqlen} steps"
        return Choice("refractory_lif", "speculative", "triton", reason)
    reason = f"a fused loop over time keeps the states of {batch} x {channels} lanes in registers"
    return Choice("refractory_lif", "sequential", "triton", reason)


def choose_s4d(method: str, *, seqlen: int, device: torch.device, dtype: torch.dtype) -> Choice:
    """The route of an `s4d_scan` call."""
    why_not = _why_no_kernel(device, dtype)
    backend = "triton" if device.type == "cuda" else "cpp"
    if method == "scan":
        _require_compiled("s4d_scan", method, why_not)
        return Choice("s4d_scan", "scan", backend, "it was asked for by name")
    if method in ("fft", "reference"):
        return Choice("s4d_scan", method, "torch", "it was asked for by name")
    if not why_not:
        reason = {
            "cpp": "the recurrence gives a whole sequence, its chunks and its steps the same bits",
            "triton": "the recurrence in registers gives the same bits whole and in chunks, and reads its input once",
        }
        return Choice("s4d_scan", "scan", backend, reason[backend])
    if seqlen <= 2:
        return Choice("s4d_scan", "reference", "torch", f"{why_not}, and {seqlen} step(s) need no FFT")
    return Choice("s4d_scan", "fft", "torch", why_not)


def choose_s4d_lif(method: str, *, device: torch.device, dtype: torch.dtype) -> Choice:
    """The route of an `s4d_lif` call: one pass over memory on a GPU, or the scan and the neuron in turn, each by its own."""
    why_not = _triton.why_not(device, dtype)
    if method == "fused":
        _require_compiled("s4d_lif", method, why_not)
        return Choice("s4d_lif", "fused", "triton", "it was asked for by name")
    if method == "reference":
        return Choice("s4d_lif", "reference", "torch", "it was asked for by name")
    if why_not:
        return Choice("s4d_lif", "reference", "torch", why_not)
    return Choice("s4d_lif", "fused", "triton", "the current between scan and neuron never reaches memory")


def _compiled_or_reference(
    operator: str, method: str, reason: str, *, device: torch.device, dtype: torch.dtype
) -> Choice:
    why_not = _why_not_compiled(device, dtype)
    if method == "compiled":
        _require_compiled(operator, method, why_not)
        return Choice(operator, "compiled", "cpp", "it was asked for by name")
    if method == "reference":
        return Choice(operator, "reference", "torch", "it was asked for by name")
    if why_not:
        return Choice(operator, "reference", "torch", why_not)
    return Choice(operator, "compiled", "cpp", reason)


def choose_mixing(operator: str, method: str, *, device: torch.device, dtype: torch.dtype) -> Choice:
    """The route of a `linear` or `glu` call."""
    reason = "it skips silent inputs and sums every row in the same order"
    return _compiled_or_reference(operator, method, reason, device=device, dtype=dtype)


def choose_block(method: str, *, device: torch.device, dtype: torch.dtype) -> Choice:
    """The route of a `spiking_block` call."""
    why_not = _why_not_compiled(device, dtype)
    if method == "fused":
        _require_compiled("spiking_block", method, why_not)
        return Choice("spiking_block", "fused", "cpp", "it was asked for by name")
    if method == "reference":
        return Choice("spiking_block", "reference", "torch", "it was asked for by name")
    if why_not:
        return Choice("spiking_block", "reference", "torch", why_not)
    return Choice("spiking_block", "fused", "cpp", "one pass keeps current and spikes in the caches")


def choose_tick(operator: str, method: str, *, device: torch.device, dtype: torch.dtype) -> Choice:
    """The route of an `embed_cells`, `layer_norm`, `event_pool`, `spikes` or `count_spikes` call."""
    reason = "it gives a stream and a batch the same bits"
    return _compiled_or_reference(operator, method, reason, device=device, dtype=dtype)


def choose_sa_hippo(
    method: str,
    *,
    longest: int,
    gaps: int,
    device: torch.device,
    dtype: torch.dtype,
    items: int = 1,
    transition: str = "bilinear",
) -> Choice:
    """The route of a call of the spike-aware memory.

    Args: `longest` sample in ticks, number of different `gaps`, `items`: samples times heads.
    """
    if transition != "bilinear":
        if method not in ("auto", "reference"):
            raise ValueError(
                f"sa_hippo: transition={transition!r} is dense and runs by method='reference'; got method={method!r}. "
                "Use transition='bilinear', or method='auto'."
            )
        return Choice("sa_hippo", "reference", "torch", f"transition={transition!r} is a dense matrix")
    if method == "fft" and gaps > 1:
        raise ValueError(
            f"sa_hippo: method='fft' needs one gap for all ticks; got {gaps} different ones in `delta`. "
            "Use method='auto' or 'chunked'."
        )
    why_not = _why_no_kernel(device, dtype)
    on_gpu = device.type == "cuda" and not why_not
    if method == "recurrent":
        _require_compiled("sa_hippo", method, why_not)
    if method in ("recurrent", "chunked"):
        backend = "triton" if on_gpu else "cpp" if method == "recurrent" else "torch"
        return Choice("sa_hippo", method, backend, "it was asked for by name")
    if method in ("fft", "reference"):
        return Choice("sa_hippo", method, "torch", "it was asked for by name")
    if on_gpu:
        return _sa_hippo_on_gpu(longest, gaps, items)
    if not why_not:
        return Choice(
            "sa_hippo", "recurrent", "cpp", "one pass of diagonal plus low rank keeps the state in the caches"
        )
    if longest <= 2:
        return Choice("sa_hippo", "reference", "torch", f"{why_not}, and {longest} tick(s) need no parallel form")
    if gaps <= 1:
        return Choice("sa_hippo", "fft", "torch", f"{why_not}, and all gaps are equal")
    return Choice("sa_hippo", "chunked", "torch", f"{why_not}, and the gaps differ")


def _sa_hippo_on_gpu(longest: int, gaps: int, items: int) -> Choice:
    if longest >= CHUNKED_MIN_TICKS and gaps <= 1:
        return Choice("sa_hippo", "fft", "torch", f"all gaps are equal over {longest} ticks")
    if longest >= CHUNKED_MIN_TICKS and items <= CHUNKED_MAX_ITEMS:
        reason = f"{items} samples x heads leave most of a GPU idle over {longest} ticks"
        return Choice("sa_hippo", "chunked", "triton", reason)
    reason = f"one pass keeps the states of {items} samples x heads in registers"
    return Choice("sa_hippo", "recurrent", "triton", reason)


def choose_dendrite(operator: str, method: str, *, device: torch.device, dtype: torch.dtype) -> Choice:
    """The route of a `dendritic_conv`, `dendritic_lif` or `segment_max` call; "compiled" is Triton's on CUDA."""
    if device.type != "cuda":
        reason = "it walks the touched positions alone, each with its state in cache"
        return _compiled_or_reference(operator, method, reason, device=device, dtype=dtype)
    why_not = _triton.why_not(device, dtype)
    if method == "compiled":
        _require_compiled(operator, method, why_not)
    if method != "auto":
        return Choice(operator, method, "triton" if method == "compiled" else "torch", "it was asked for by name")
    if why_not:
        return Choice(operator, "reference", "torch", why_not)
    reason = "it walks the touched positions alone, each with its state in registers"
    return Choice(operator, "compiled", "triton", reason)
