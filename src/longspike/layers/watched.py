"""Whether hooks listen to modules, so that they have to be called and cannot be parts of one fused operator."""

from collections.abc import Iterable

from torch import nn
from torch.nn.modules import module as torch_module


def are_watched(modules: Iterable[nn.Module]) -> bool:
    """Whether calling one of `modules` does more than its class's forward: hooks of any kind, or a forward of its own.

    Pruning and the older weight_norm and spectral_norm are forward pre-hooks. A parametrised module is known by its class.
    """
    for module in modules:  # in every call of a network: one loop over dictionaries, which costs a microsecond
        own = module.__dict__
        if (
            own["_forward_hooks"]
            or own["_forward_pre_hooks"]
            or own["_backward_hooks"]
            or own["_backward_pre_hooks"]
            or "forward" in own
        ):
            return True
    return torch_module._has_any_global_hook()
