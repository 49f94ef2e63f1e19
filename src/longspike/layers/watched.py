"""Whether hooks listen to a module, so that it has to be called and cannot be a part of one fused operator."""

from torch import nn
from torch.nn.modules import module as torch_module


def is_watched(module: nn.Module) -> bool:
    """Whether calling `module` does more than its class's forward: hooks of any kind, or a forward of its own.

    Pruning and the older weight_norm and spectral_norm are forward pre-hooks. A parametrised module is known by its class.
    """
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or "forward" in module.__dict__
    )


def all_are_watched() -> bool:
    """Whether there are hooks on every module of the process, as `torch.nn.modules.module.register_module_*` sets."""
    return torch_module._has_any_global_hook()
