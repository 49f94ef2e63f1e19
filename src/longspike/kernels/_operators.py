"""Operators that PyTorch traces, compiles, exports and differentiates, at a few microseconds a call.

`torch.library.custom_op` gives the same operators at two to three times the cost: it walks through two Python wrappers,
compares every output's storage with every input's, and imports the compiler at the first call. Here a call goes through
PyTorch's dispatcher once. The dispatcher says which of its layers (fake tensors, modes, functorch, views with a pending
sign) still lie between the call and the kernel; where there are none, the kernel runs directly.

Every operator that has a gradient has it once, in reverse mode, also inside the transforms of `torch.func`; what it has not,
forward mode and the gradient of a gradient, it refuses (`_derivatives`).

That rests on private parts of PyTorch. Where one is missing, or LONGSPIKE_PUBLIC_OPERATORS=1 is in the environment, the
operators are made by `torch.library.custom_op` (`_public_operators`): the same results, more slowly, and gradients inside
`torch.func` are refused by PyTorch itself.
"""

import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch._functorch.utils as functorch
from torch import _C
from torch.autograd import Function, forward_ad

from longspike.kernels import _public_operators
from longspike.kernels._derivatives import no_gradient, refuse_tangents, tensors_in

if TYPE_CHECKING:
    from torch._ops import OpOverload
else:
    OpOverload = type(torch.ops.aten.abs.default)

NEWEST_TORCH = "2.13.0"
"""The newest PyTorch with which the private parts were tried; `requirements/cpu.txt` installs it."""

PRIVATE_PARTS = (
    "_C.DispatchKey.CPU",
    "_C.DispatchKey.CUDA",
    "_C.DispatchKeySet.from_raw_repr",
    "_C.DispatchKeySet.raw_repr",
    "_C.DispatchKeySet.highestPriorityTypeId",
    "_C._after_ADInplaceOrView_keyset",
    "_C._after_autograd_keyset",
    "_C._AutoDispatchBelowAutograd",
    "_C._any_requires_grad",
    "_C._are_functorch_transforms_active",
    "_C._is_fwd_grad_enabled",
    "_functorch.utils.enable_single_level_autograd_function",
    "autograd.forward_ad._current_level",
    "autograd.forward_ad._set_fwd_grad_enabled",
)


def _has(path: str) -> bool:
    home: Any = torch
    for name in path.split("."):
        home = getattr(home, name, None)
    return home is not None


def uses_private_parts() -> bool:
    """Whether operators are made here, or by `torch.library.custom_op`."""
    is_asked_for = os.environ.get("LONGSPIKE_PUBLIC_OPERATORS", "") in ("", "0")
    return is_asked_for and hasattr(OpOverload, "redispatch") and all(_has(part) for part in PRIVATE_PARTS)


_IS_FAST = uses_private_parts()
_LIBRARY = torch.library.Library("longspike", "FRAGMENT")
_GRADIENTS: dict[OpOverload, tuple[Callable, Callable]] = {}  # backward and setup_context
_KERNELS: dict[OpOverload, dict[str, Callable]] = {}  # by type of device


def operator(name: str) -> Callable[[Callable], OpOverload]:
    """Make the decorated function the operator longspike::`name`; its annotations are the schema.

    It must not change its inputs nor return one of them or a view of one, and it takes and returns tensors one by one:
    in a list, PyTorch's vmap refuses them, and its autograd does not see them among results. Shapes for tracing come from
    `torch.library.register_fake`, gradients from `register_gradient`; without them, going backward raises DerivativeError.
    `on_cuda` gives it another kernel for tensors on CUDA: the dispatcher looks where they are, the operator need not.
    """
    return _define(name) if _IS_FAST else _public_operators.operator(name)


def on_cuda(op: OpOverload) -> Callable[[Callable], Callable]:
    """Make the decorated function, of the same arguments, the operator's kernel for tensors on CUDA."""

    def register(kernel: Callable) -> Callable:
        if _IS_FAST:
            _KERNELS[op]["CUDA"] = kernel
            _LIBRARY.impl(op._opname, _hidden_from_compiler(kernel), "CUDA")
        else:
            _public_operators.on_cuda(op, kernel)
        return kernel

    return register


def register_gradient(op: OpOverload, backward: Callable, *, setup_context: Callable) -> None:
    """The gradient of an operator, as in `torch.library.register_autograd`: backward(ctx, *grads) -> a gradient an input."""
    if _IS_FAST:
        _GRADIENTS[op] = (backward, setup_context)
    else:
        torch.library.register_autograd(op, backward, setup_context=setup_context)


def _define(name: str) -> Callable[[Callable], OpOverload]:
    def define(kernel: Callable) -> OpOverload:
        schema = torch.library.infer_schema(kernel, mutates_args=())
        _LIBRARY.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
        _LIBRARY.impl(name, _hidden_from_compiler(kernel), "CompositeExplicitAutograd")
        op: OpOverload = getattr(torch.ops.longspike, name).default
        _KERNELS[op] = {"CPU": kernel, "CUDA": kernel}
        _LIBRARY.impl(name, _hidden_from_compiler(_with_gradient(op)), "Autograd", with_keyset=True)
        return op

    return define


def _hidden_from_compiler(function: Callable) -> Callable:
    """The function for eager calls, and one that torch.compile does not look into once somebody has imported it."""
    hidden: Callable | None = None

    def run(*args: Any) -> Any:
        nonlocal hidden
        if "torch._dynamo" not in sys.modules:
            return function(*args)
        if hidden is None:
            hidden = torch.compiler.disable(function)
        return hidden(*args)

    return run


@functools.cache
def _device_reached(keys: int) -> str:
    """The type of device whose kernel comes next below autograd for these dispatch keys; "" if something lies between."""
    below = _C.DispatchKeySet.from_raw_repr(keys) & _C._after_ADInplaceOrView_keyset
    return {_C.DispatchKey.CPU: "CPU", _C.DispatchKey.CUDA: "CUDA"}.get(below.highestPriorityTypeId(), "")


def _with_gradient(op: OpOverload) -> Callable:
    """The operator as autograd sees it."""
    kernels = _KERNELS[op]

    def below_autograd(keys: _C.DispatchKeySet, args: tuple) -> Any:
        if device := _device_reached(keys.raw_repr()):
            return kernels[device](*args)
        with _C._AutoDispatchBelowAutograd():
            return op.redispatch(keys & _C._after_autograd_keyset, *args)

    def within_function(keys: _C.DispatchKeySet, args: tuple) -> Any:
        """There autograd is off; the transforms of torch.func that lie further out differentiate all the same."""
        if not _C._are_functorch_transforms_active():
            return below_autograd(keys, args)
        with torch.enable_grad(), forward_ad._set_fwd_grad_enabled(True):
            return below_autograd(keys, args)

    def forward(ctx: Any, *args: Any) -> Any:
        *inputs, keys = args
        output = within_function(keys, tuple(inputs))
        _GRADIENTS[op][1](ctx, tuple(inputs), output)
        return output

    def backward(ctx: Any, *grads: Any) -> Any:
        found = _GRADIENTS[op][0](ctx, *grads)
        return (*found, None) if isinstance(found, tuple) else (found, None)

    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    differentiable = type(f"longspike_{op._opname}_", (Function,), methods)

    def run(keys: _C.DispatchKeySet, *args: Any) -> Any:
        if forward_ad._current_level >= 0 and _C._is_fwd_grad_enabled():
            refuse_tangents(op, args)
        if not (torch.is_grad_enabled() and _C._any_requires_grad(*args)):
            return below_autograd(keys, args)
        if op in _GRADIENTS:
            return _apply(differentiable, *args, keys)
        return _apply(_WithoutGradient, op, functools.partial(within_function, keys, args), *tensors_in(args))

    return run


def _apply(function: Any, *args: Any) -> Any:
    """function.apply; inside transforms of torch.func for the innermost alone, as PyTorch's own operators do it."""
    if not _C._are_functorch_transforms_active():
        return function.apply(*args)
    with functorch.enable_single_level_autograd_function():
        return super(Function, function).apply(*args)


class _WithoutGradient(Function):
    """An operator without a gradient: it runs, and going backward through it says so."""

    @staticmethod
    def forward(ctx: Any, op: OpOverload, call: Callable, *tensors: torch.Tensor) -> Any:
        ctx.op = op
        return call()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise no_gradient(ctx.op)
