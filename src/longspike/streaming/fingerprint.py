"""What a saved stream must have in common with its model."""

import hashlib

import torch
from torch import Tensor

from longspike.models.classifier import AbstractClassifier


def raw_bytes(x: Tensor) -> bytes:
    """The numbers of a tensor as they lie in memory, row by row."""
    whole = x.detach().cpu().clone(memory_format=torch.contiguous_format)
    return whole.flatten().view(torch.uint8).numpy().tobytes()


def fingerprint(model: AbstractClassifier) -> bytes:
    """SHA-256 of the configuration and of the name, dtype and bytes of every parameter and buffer."""
    digest = hashlib.sha256(repr(model.config).encode())
    for name, x in model.state_dict().items():
        digest.update(f"{name} {x.dtype}".encode() + raw_bytes(x))
    return digest.digest()
