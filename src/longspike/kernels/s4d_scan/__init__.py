"""The diagonal state-space scan: one definition (`reference`), a compiled recurrence, an FFT convolution."""

from torch import Tensor

from longspike.kernels._derivatives import may_go_backward
from longspike.kernels._dispatch import choose
from longspike.kernels.s4d_scan import convolution, reference
from longspike.kernels.s4d_scan.arguments import expect_shapes
from longspike.kernels.s4d_scan.operator import s4d_scan_op


def s4d_scan(
    u: Tensor, lam: Tensor, c: Tensor, d: Tensor, state: Tensor, *, method: str = "auto"
) -> tuple[Tensor, Tensor]:
    """y (batch, seqlen, channels) and the state (batch, n_pairs, 2, channels) after the last step."""
    choice = choose("s4d_scan", method, u.device, u.dtype, seqlen=u.shape[1])
    if choice.method == "scan":
        y, end, _ = s4d_scan_op(u, lam, c, d, state, may_go_backward(u, lam, c, d, state))
        return y, end
    expect_shapes(u, lam, c, d, state)
    if choice.method == "fft":
        return convolution.forward(u, lam, c, d, state)
    return reference.forward(u, lam, c, d, state)
