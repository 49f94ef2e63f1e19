"""What a stream of steps remembers, and the checks that it could have been written by a stream."""

import hashlib
from copy import deepcopy
from typing import NamedTuple, TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn

from longspike._core.checks import describe
from longspike._core.states import fill_state, flatten_state
from longspike.models.spiking_stack import AbstractSpikingStack, SpikeSSMState
from longspike.streaming.fingerprint import raw_bytes

LARGEST = 1e18
"""Of any number in a state that is read: squares of it fit float32."""
MOST_STEPS = 1 << 62
LAST, NUM_STEPS, MODEL, SEAL = "last", "num_steps", "model_sha256", "sha256"
Network = TypeVar("Network", bound=nn.Module)


class Remembered(NamedTuple):
    """state: of the network. last: what the read-out sees of the last step (batch, d_read_out), NaN if that is not known."""

    state: SpikeSSMState
    last: Tensor
    num_steps: int


def frozen_copy(model: Network) -> Network:
    """The network as it is now, in evaluation mode and without gradients."""
    parts = [value for module in model.modules() for value in vars(module).values()]
    # what hooks of pruning or weight norm compute is no leaf, which deepcopy refuses
    computed = {id(x): x.detach().clone() for x in parts if isinstance(x, Tensor) and not x.is_leaf}
    return deepcopy(model, computed).eval().requires_grad_(False)


def nothing_yet(model: AbstractSpikingStack, batch: int) -> Remembered:
    """Before the first step."""
    last = next(model.parameters()).new_full((batch, model.stack.d_read_out), torch.nan)
    return Remembered(model.init_state(batch), last, 0)


def check_state(expected: SpikeSSMState, given: SpikeSSMState) -> None:
    """Raise ValueError unless `given` has the tensors of `expected`, every number is finite and no count is negative."""
    tensors, templates = flatten_state(given), flatten_state(expected)
    if {name: x.shape for name, x in tensors.items()} != {name: x.shape for name, x in templates.items()}:
        raise ValueError("the state is of another model or batch size")
    for name, x in tensors.items():
        _check_like(name, templates[name], x)


def _check_like(name: str, template: Tensor, x: Tensor) -> None:
    if x.shape != template.shape or x.dtype != template.dtype:
        raise ValueError(f"`{name}` must be like {describe(template)}; got {describe(x)}")
    if x.is_floating_point() and not bool((x.detach().abs() <= LARGEST).all()):  # NaN lies in no range
        raise ValueError(f"`{name}` holds NaN or a number beyond {LARGEST:g}")
    if not x.is_floating_point() and not bool(((x >= 0) & (x <= MOST_STEPS)).all()):
        raise ValueError(f"`{name}` holds a count below 0 or beyond 2^62")


def _of_bytes(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _digest(tensors: dict[str, Tensor]) -> bytes:
    digest = hashlib.sha256()
    for name, x in sorted(tensors.items()):
        digest.update(f"{name} {x.dtype} {tuple(x.shape)}".encode() + raw_bytes(x))
    return digest.digest()


def as_tensors(remembered: Remembered) -> dict[str, Tensor]:
    """By their names in a file; `from_tensors` backwards."""
    tensors = flatten_state(remembered.state) | {NUM_STEPS: torch.tensor([remembered.num_steps])}
    return tensors | ({LAST: remembered.last} if bool(remembered.last.isfinite().all()) else {})


def to_file(tensors: dict[str, Tensor], model: bytes) -> bytes:
    """The content of a safetensors file; `model` is the fingerprint of the model. `from_file` backwards."""
    tensors = tensors | {MODEL: _of_bytes(model)}
    tensors = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
    return safetensors.torch.save(tensors | {SEAL: _of_bytes(_digest(tensors))})


def from_file(content: bytes, model: bytes) -> dict[str, Tensor]:
    """The tensors in a file of this model.

    Raises: ValueError if it is of another model, or damaged.
    """
    tensors = safetensors.torch.load(content)
    seal, owner = tensors.pop(SEAL, None), tensors.get(MODEL)
    if seal is None or owner is None:
        raise ValueError("it is something else, or of an earlier version")
    if raw_bytes(seal) != _digest(tensors):
        raise ValueError("it is damaged")
    if raw_bytes(owner) != model:
        raise ValueError("it is of another model")
    return {name: x for name, x in tensors.items() if name != MODEL}


def from_tensors(tensors: dict[str, Tensor], template: Remembered) -> Remembered:
    """What these tensors hold, every one of them checked; `template` is what a fresh stream of the model remembers.

    Raises: ValueError if they are of another batch size, or what no stream can have written.
    """
    found = {name: x.to(template.last.device) for name, x in tensors.items()}
    last, num_steps = found.pop(LAST, template.last), found.pop(NUM_STEPS, None)
    if set(found) != set(flatten_state(template.state)):
        raise ValueError("it holds other layers")
    state = fill_state(template.state, found)
    check_state(template.state, state)
    if last is not template.last:
        _check_like(LAST, template.last, last)
    if num_steps is None:
        raise ValueError(f"`{NUM_STEPS}` is missing")
    _check_like(NUM_STEPS, torch.zeros(1, dtype=torch.int64), num_steps)
    return Remembered(state, last, int(num_steps))
