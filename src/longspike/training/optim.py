"""AdamW with one group of parameters per role, and the learning rate as a function of the step."""

import math
from typing import Any

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from longspike.layers.adaptive import Biases
from longspike.layers.batch_norm import BatchNorm
from longspike.layers.dendritic_conv import DendriticLIFConv2d
from longspike.layers.dendritic_frames import DendriticConv2d
from longspike.neurons.dendritic import DendriticLIF
from longspike.ssm.s4d import S4D
from longspike.ssm.sa_hippo import SAHippo
from longspike.training.config import TrainingConfig

NEURON_PARAMETERS = ("log_threshold", "log_rho", "logit_beta", "logit_gamma", "ln_vth", "log_tau", "g")
"""Names of the neurons' parameters, wherever they are."""
WITH_DYNAMICS = (S4D, SAHippo, DendriticLIF, DendriticConv2d, DendriticLIFConv2d)
"""Modules that name the parameters of their dynamics in DYNAMICS."""


def _role(module: nn.Module, name: str, parameter: nn.Parameter) -> str:
    if isinstance(module, WITH_DYNAMICS) and name in module.DYNAMICS:
        return "dynamics"
    is_bias_like = (
        name.startswith("bias") or isinstance(module, Biases) or (isinstance(module, S4D | SAHippo) and name == "D")
    )
    if is_bias_like or name in NEURON_PARAMETERS or isinstance(module, nn.LayerNorm | BatchNorm):
        return "plain"
    return "decayed"


def parameter_groups(model: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """Every trained parameter in exactly one of three groups.

    dynamics  what a module names in DYNAMICS (time scales, poles): lr = min(config.lr, config.ssm_lr), no weight decay
    plain     biases, norms, neurons, the skip D of a state space: config.lr, no weight decay
    decayed   everything else: config.lr, config.weight_decay
    """
    members: dict[str, list[nn.Parameter]] = {"dynamics": [], "plain": [], "decayed": []}
    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                members[_role(module, name, parameter)].append(parameter)
    lrs = {"dynamics": min(config.lr, config.ssm_lr), "plain": config.lr, "decayed": config.lr}
    return [
        {
            "name": role,
            "params": found,
            "lr": lrs[role],
            "weight_decay": config.weight_decay if role == "decayed" else 0.0,
        }
        for role, found in members.items()
        if found
    ]


def schedule_factor(step: int, *, num_steps: int, warmup_fraction: float) -> float:
    """What multiplies the learning rate at `step` (from 0): a pure function, so a resumed run needs no memory.

        w = floor(warmup_fraction * num_steps)
        f = (step + 1) / (w + 1)                                   for step < w
        f = (1 + cos(pi * (step - w) / (num_steps - w))) / 2       otherwise, 0 from num_steps on

    Example:
        >>> [round(schedule_factor(k, num_steps=4, warmup_fraction=0.25), 3) for k in range(5)]
        [0.5, 1.0, 0.75, 0.25, 0.0]
    """
    warmup = math.floor(warmup_fraction * num_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = min((step - warmup) / max(num_steps - warmup, 1), 1.0)
    return (1 + math.cos(math.pi * done)) / 2


def build_optimizer(model: nn.Module, config: TrainingConfig, *, num_steps: int) -> tuple[AdamW, LambdaLR]:
    """The optimiser (fused kernels, one call a step), and its schedule, to be stepped after every batch."""
    optimizer = AdamW(parameter_groups(model, config), fused=True)
    fraction = config.warmup_fraction
    schedule = LambdaLR(optimizer, lambda step: schedule_factor(step, num_steps=num_steps, warmup_fraction=fraction))
    return optimizer, schedule
