"""What the transforms of torch.func and of the compiler leave visible of a tensor: whether its entries can be read."""

import torch
from torch import Tensor


def _beneath(x: Tensor) -> Tensor | None:
    """x without the wrappers of torch.func.grad; None under vmap, where its samples differ."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(x):
        if functorch.is_batchedtensor(x):
            return None
        x = functorch.get_unwrapped(x)
    return x


def is_readable(x: Tensor) -> bool:
    """Whether the entries of `x` can be looked at: not while a graph is traced, nor under vmap."""
    return not torch.compiler.is_compiling() and _beneath(x) is not None


def structure_of(where: str, x: Tensor) -> Tensor:
    """x as numbers that decide which rows there are; raise under vmap, where every sample would have other rows."""
    plain = _beneath(x)
    if plain is None:
        raise ValueError(
            f"{where}: which rows there are depends on the values, so vmap cannot map over them. Use a loop."
        )
    return plain
