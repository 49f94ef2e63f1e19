"""What the tensors of a call of the scan must be, and how far apart the states lie that its kernels save."""

from torch import Tensor

from longspike.kernels._arguments import expect
from longspike.kernels._spiking.spans import num_spans

SPAN = 64


def checkpoint_interval(n_pairs: int) -> int:
    """Steps between two saved states: at most one byte of them per element of the input in float32.

    The backward pass computes the states in between once more, span by span from the saved one.
    """
    return SPAN * max(1, (n_pairs + 7) // 8)


def num_saved(seqlen: int, n_pairs: int) -> int:
    """Saved states of a sequence in the compiled kernels."""
    return num_spans(seqlen, checkpoint_interval(n_pairs))


def expect_shapes(u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor) -> None:
    """Raise unless they fit together."""
    pairs = (lam.shape[0], 2, u.shape[2])
    expect("s4d_scan", u, lam=(lam, pairs), c=(c, pairs), d=(d, pairs[2:]), state=(state, (u.shape[0], *pairs)))
