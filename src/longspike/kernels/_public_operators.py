"""The operators of `_operators` by the public `torch.library.custom_op`: slower, and of no private part of PyTorch."""

from collections.abc import Callable
from typing import Any

import torch

NO_GRADIENT = "{} has no gradient of its own; what it belongs to can be differentiated once, not twice."
_DEFINITIONS: dict[Any, torch.library.CustomOpDef] = {}


def operator(name: str) -> Callable[[Callable], Any]:
    """See `_operators.operator`."""

    def define(kernel: Callable) -> Any:
        definition = torch.library.custom_op(f"longspike::{name}", kernel, mutates_args=())
        op = getattr(torch.ops.longspike, name).default

        def no_gradient(ctx: Any, *grads: Any) -> Any:
            raise RuntimeError(NO_GRADIENT.format(op))

        definition.register_autograd(no_gradient)
        _DEFINITIONS[op] = definition
        return op

    return define


def on_cuda(op: Any, kernel: Callable) -> None:
    """See `_operators.on_cuda`."""
    _DEFINITIONS[op].register_kernel("cuda", kernel)
