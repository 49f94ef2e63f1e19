"""What a forward pass keeps for its backward pass."""

import weakref
from collections.abc import Callable

import torch
from torch import Tensor


class _Saved:
    """A tensor that autograd holds; it goes when the graph lets it go."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def saved_bytes(forward: Callable[[], object], *, beside: tuple[Tensor, ...] = ()) -> int:
    """Bytes that the graph of `forward()` keeps alive: every storage once, without those of the tensors in `beside`.

    Measured with torch.autograd.graph.saved_tensors_hooks; what a function keeps outside of autograd is not seen.
    """
    held: weakref.WeakSet[_Saved] = weakref.WeakSet()

    def pack(tensor: Tensor) -> _Saved:
        saved = _Saved(tensor)
        held.add(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
        result = forward()
    storages = {saved.tensor.untyped_storage().data_ptr(): saved.tensor.untyped_storage().nbytes() for saved in held}
    for tensor in beside:
        storages.pop(tensor.untyped_storage().data_ptr(), None)
    del result
    return sum(storages.values())
