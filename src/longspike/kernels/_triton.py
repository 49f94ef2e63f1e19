"""What launches of Triton kernels over blocks need: sizes of blocks, and arguments that fit each other."""

from torch import Tensor

ROUNDED = {"enable_fp_fusion": False}  # every operation rounds on its own, whatever the compiler would fuse


def expect(where: str, like: Tensor, **tensors: tuple[Tensor, tuple[int, ...]]) -> None:
    """Raise unless every named tensor has its shape, and the device and dtype of `like`: addresses follow."""
    for name, (x, shape) in tensors.items():
        if tuple(x.shape) != shape or x.dtype != like.dtype or x.device != like.device:
            raise ValueError(
                f"{where}: `{name}` must have shape {shape} and dtype {like.dtype} on {like.device}; "
                f"got shape {tuple(x.shape)} and dtype {x.dtype} on {x.device}."
            )


def power_of_two(n: int) -> int:
    """The smallest power of two that is at least n and 1: sizes of blocks."""
    return 1 << max(n - 1, 0).bit_length()
