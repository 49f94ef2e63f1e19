"""How an operator call runs, and why: the one function that chooses among the routes of `_routes`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from longspike._core.checks import check_choice
from longspike.errors import BackendUnavailableError
from longspike.kernels import _triton, native
from longspike.kernels._routes import ROUTES, Call, Route


class Choice(NamedTuple):
    """How a call runs.

    Attributes:
        operator: the operator's name.
        method: the algorithm.
        backend: "cpp" (compiled, CPU), "triton" (CUDA) or "torch" (any device).
        why: the reason in one sentence, or what makes it: a small call has no time for a sentence that nobody reads.
    """

    operator: str
    method: str
    backend: str
    why: str | Callable[[], str]

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        return self.why if isinstance(self.why, str) else self.why()

    def __str__(self) -> str:
        return f"{self.operator}: {self.method} ({self.backend}), because {self.reason}"


def methods(operator: str) -> tuple[str, ...]:
    """What `method` may be in a call of an operator."""
    return "auto", *dict.fromkeys(route.method for route in ROUTES[operator])


LIF_METHODS = methods("refractory_lif")
S4D_METHODS = methods("s4d_scan")
SA_HIPPO_METHODS = methods("sa_hippo")
DENDRITE_METHODS = methods("dendritic_lif")
_WITHOUT_FLOATS = ("dendrite_plan", "pool_plan")
_BACKENDS = {name: {route.backend for route in routes} for name, routes in ROUTES.items()}


def _why_not_compiled(operator: str, device: torch.device, dtype: torch.dtype) -> str:
    if not native.is_available():
        return native.unavailable_reason or "the compiled extension is not loaded"
    if device.type != "cpu":
        return f"the compiled kernels run on the CPU and the tensors are on {device.type}"
    if dtype not in native.DTYPES and operator not in _WITHOUT_FLOATS:
        return f"the compiled kernels take float32 and float64, not {dtype}"
    return ""


def _why_no_kernel(operator: str, device: torch.device, dtype: torch.dtype) -> str:
    """Why there is no kernel of ours, compiled for the CPU or in Triton, for such tensors; "" if there is one."""
    backends = _BACKENDS[operator]
    if "triton" in backends and (device.type == "cuda" or "cpp" not in backends):
        return _triton.why_not(device, dtype)
    return _why_not_compiled(operator, device, dtype)


def _kernels_for(operator: str, device: torch.device, dtype: torch.dtype) -> tuple[str, str]:
    """Whose kernels an operator has for such tensors, "cpp", "triton" or "torch", and in the last case why."""
    if device.type == "cpu" and dtype in native.DTYPES and "cpp" in _BACKENDS[operator] and native.is_available():
        return "cpp", ""  # the usual case, without a further call
    if why_not := _why_no_kernel(operator, device, dtype):
        return "torch", why_not
    return ("triton" if device.type == "cuda" else "cpp"), ""


def backend_of(operator: str, device: torch.device, dtype: torch.dtype) -> str:
    """Whose kernels an operator has for such tensors: "cpp", "triton", or "torch" where there are none."""
    return _kernels_for(operator, device, dtype)[0]


def _runnable(operator: str, backend: str) -> tuple[Route, ...]:
    return tuple(route for route in ROUTES[operator] if route.backend in (backend, "torch"))


_RUNNABLE = {(name, backend): _runnable(name, backend) for name in ROUTES for backend in ("cpp", "triton", "torch")}
# Where the first route wins every call of "auto", made once: a small call has no time for more.
_SETTLED = {
    (name, backend): Choice(name, routes[0].method, routes[0].backend, routes[0].wins)
    for (name, backend), routes in _RUNNABLE.items()
    if isinstance(routes[0].wins, str) and routes[0].wins
}


def choose(operator: str, method: str, device: torch.device, dtype: torch.dtype, *sizes: Any, **facts: Any) -> Choice:
    """The route of a call on such tensors; `sizes` and `facts` are the other fields of `Call`, from `batch` on and by name.

    Raises: ValueError for a method that the operator does not have or that refuses this call;
        BackendUnavailableError for one that was asked for by name and cannot run.
    """
    backend, why_not = _kernels_for(operator, device, dtype)
    if method == "auto" and (settled := _SETTLED.get((operator, backend))):
        return settled
    call = Call(device, dtype, *sizes, **facts)
    if method == "auto":
        for route in _RUNNABLE[operator, backend]:
            if why := route.wins if isinstance(route.wins, str) else route.wins(call, why_not):
                return Choice(operator, route.method, route.backend, why)
    check_choice(operator, "method", method, methods(operator))
    for route in ROUTES[operator]:
        if route.method == method and (refusal := route.refuses(call)):
            raise ValueError(f"{operator}: {refusal}")
    for route in _RUNNABLE[operator, backend]:
        if route.method == method:
            return Choice(operator, method, route.backend, "it was asked for by name")
    raise BackendUnavailableError(f"{operator}: method={method!r} cannot run, because {why_not}. Use method='auto'.")
