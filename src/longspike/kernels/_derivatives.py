"""Which derivatives an operator of ours lacks, and the sentence that says so: nothing is dropped."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from longspike.errors import DerivativeError


def tensors_in(args: Any) -> Iterator[Tensor]:
    """The tensors among the arguments of a call."""
    return (x for x in args if isinstance(x, Tensor))


def no_gradient(op: Any) -> DerivativeError:
    """What going backward through an operator without a gradient raises."""
    return DerivativeError(
        f"{op} has no gradient of its own; what it belongs to can be differentiated once, not twice."
    )


def refuse_tangents(op: Any, args: Any) -> None:
    """Raise if a tensor among `args` carries a tangent of forward mode, which the operator would drop."""
    if any(forward_ad.unpack_dual(x).tangent is not None for x in tensors_in(args)):
        raise DerivativeError(
            f"{op} has no derivative in forward mode (jvp, jacfwd, hessian, forward_ad). "
            "Use reverse mode: backward, torch.func.grad, vjp or jacrev."
        )


def may_go_backward(*tensors: Tensor | None) -> bool:
    """Whether a backward pass may follow a call on these; inside a transform of torch.func they do not say."""
    if not torch.is_grad_enabled():
        return False
    is_transformed: bool = getattr(torch._C, "_are_functorch_transforms_active", bool)()
    return is_transformed or any(x.requires_grad for x in tensors if x is not None)
