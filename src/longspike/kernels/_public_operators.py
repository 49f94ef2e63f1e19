"""The operators of `_operators` by the public `torch.library.custom_op`: slower, and of no private part of PyTorch."""

from collections.abc import Callable
from typing import Any

import torch
from torch.library import CustomOpDef  # type: ignore[attr-defined]

from longspike.kernels._derivatives import no_gradient, refuse_tangents


class _Operator(CustomOpDef):
    """An operator, known by `name`: before a call it looks for tangents of forward mode, which PyTorch would drop."""

    name: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        refuse_tangents(f"longspike.{self.name}.default", args)
        return super().__call__(*args, **kwargs)


def operator(name: str) -> Callable[[Callable], Any]:
    """See `_operators.operator`."""

    def define(kernel: Callable) -> Any:
        definition = torch.library.custom_op(f"longspike::{name}", kernel, mutates_args=())
        definition.__class__, definition.name = _Operator, name  # type: ignore[attr-defined]

        def backward(ctx: Any, *grads: Any) -> Any:
            raise no_gradient(f"longspike.{name}.default")

        definition.register_autograd(backward)
        return definition

    return define


def on_cuda(definition: Any, kernel: Callable) -> None:
    """See `_operators.on_cuda`."""
    definition.register_kernel("cuda", kernel)
