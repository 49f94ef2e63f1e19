"""Operators that PyTorch traces, compiles, exports and differentiates, at a few microseconds a call.

`torch.library.custom_op` gives the same operators at two to three times the cost: it walks through two Python wrappers,
compares every output's storage with every input's, and imports the compiler at the first call. Here a call goes through
PyTorch's dispatcher once. The dispatcher says which of its layers (fake tensors, modes, functorch, views with a pending
sign) still lie between the call and the kernel; where there are none, the kernel runs directly.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import _C
from torch._ops import OpOverload

_LIBRARY = torch.library.Library("longspike", "FRAGMENT")
_GRADIENTS: dict[OpOverload, tuple[Callable, Callable]] = {}  # backward and setup_context


def operator(name: str) -> Callable[[Callable], OpOverload]:
    """Make the decorated function the operator longspike::`name`; its annotations are the schema.

    It must not change its inputs nor return one of them or a view of one. Shapes for tracing come from
    `torch.library.register_fake`, gradients from `register_gradient`; without them, going backward raises RuntimeError.
    """

    def define(kernel: Callable) -> OpOverload:
        schema = torch.library.infer_schema(kernel, mutates_args=())
        _LIBRARY.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
        _LIBRARY.impl(name, _hidden_from_compiler(kernel), "CompositeExplicitAutograd")
        op: OpOverload = getattr(torch.ops.longspike, name).default
        _LIBRARY.impl(name, _hidden_from_compiler(_with_gradient(op, kernel)), "Autograd", with_keyset=True)
        return op

    return define


def register_gradient(op: OpOverload, backward: Callable, *, setup_context: Callable) -> None:
    """The gradient of an operator, as in `torch.library.register_autograd`: backward(ctx, *grads) -> a gradient an input."""
    _GRADIENTS[op] = (backward, setup_context)


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
def _reaches_the_kernel(keys: int) -> bool:
    """Whether nothing lies between autograd and the kernel for these dispatch keys."""
    below = _C.DispatchKeySet.from_raw_repr(keys) & _C._after_ADInplaceOrView_keyset
    return below.highestPriorityTypeId() in (_C.DispatchKey.CPU, _C.DispatchKey.CUDA)


def _with_gradient(op: OpOverload, kernel: Callable) -> Callable:
    """The operator as autograd sees it."""

    def below_autograd(keys: _C.DispatchKeySet, args: tuple) -> Any:
        if _reaches_the_kernel(keys.raw_repr()):
            return kernel(*args)
        with _C._AutoDispatchBelowAutograd():
            return op.redispatch(keys & _C._after_autograd_keyset, *args)

    def forward(ctx: Any, *args: Any) -> Any:
        *inputs, keys = args
        output = below_autograd(keys, tuple(inputs))
        _GRADIENTS[op][1](ctx, tuple(inputs), output)
        return output

    def backward(ctx: Any, *grads: Any) -> Any:
        found = _GRADIENTS[op][0](ctx, *grads)
        return (*found, None) if isinstance(found, tuple) else (found, None)

    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    differentiable = type(f"longspike_{op._opname}_", (torch.autograd.Function,), methods)

    def run(keys: _C.DispatchKeySet, *args: Any) -> Any:
        if not (torch.is_grad_enabled() and _C._any_requires_grad(*args)):
            return below_autograd(keys, args)
        if op in _GRADIENTS:
            return differentiable.apply(*args, keys)  # type: ignore[attr-defined]
        call = functools.partial(below_autograd, keys, args)
        return _WithoutGradient.apply(op, call, *_tensors(args))  # type: ignore[no-untyped-call]

    return run


def _tensors(args: tuple) -> Iterator[torch.Tensor]:
    for x in args:
        if isinstance(x, torch.Tensor):
            yield x
        elif isinstance(x, list | tuple):
            yield from _tensors(tuple(x))


class _WithoutGradient(torch.autograd.Function):
    """An operator without a gradient: it runs, and going backward through it says so."""

    @staticmethod
    def forward(ctx: Any, op: OpOverload, call: Callable, *tensors: torch.Tensor) -> Any:
        ctx.op = op
        return call()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(
            f"{ctx.op} has no gradient of its own; what it belongs to can be differentiated once, not twice."
        )
