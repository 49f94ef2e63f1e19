"""The diagonal state-space layer: compiled scan against FFT convolution in PyTorch, kernel computation included."""

from collections.abc import Callable

import torch
from torch import Tensor

from longspike._core.errors import LongspikeError
from longspike.benchmark.timing import Timing, time_rounds
from longspike.ssm.s4d import S4D


def complex_fft_s4d(layer: S4D, x: Tensor) -> Tensor:
    """The usual formulation: a complex Vandermonde kernel over all steps, then an FFT convolution.

    K[l] = 2 Re sum_n C_n (exp(dt A_n) - 1)/A_n exp(l dt A_n);  y = K * x + D x.
    """
    seqlen = x.shape[1]
    poles = torch.complex(-torch.exp(layer.log_A_real), layer.A_imag)
    rates = poles * torch.exp(layer.log_dt)
    weight = torch.complex(layer.C[:, 0], layer.C[:, 1]) * (torch.exp(rates) - 1) / poles
    steps = torch.arange(seqlen, device=x.device)
    kernel = 2 * (weight[..., None] * torch.exp(rates[..., None] * steps)).sum(dim=0).real  # (channels, seqlen)
    channels_first = x.transpose(1, 2)
    spectrum = torch.fft.rfft(channels_first, n=2 * seqlen) * torch.fft.rfft(kernel, n=2 * seqlen)
    y = torch.fft.irfft(spectrum, n=2 * seqlen)[..., :seqlen]
    return y.transpose(1, 2) + layer.D * x


def bench_state_space(
    shape: tuple[int, int, int],
    *,
    d_state: int = 64,
    rounds: int = 5,
    lead_in: int = 1,
    on_progress: Callable[[str], None] = lambda name: None,
) -> tuple[list[Timing], list[Timing]]:
    """Forward and training step of S4D at (batch, seqlen, channels): ours by scan, ours by FFT, the usual formulation.

    Raises: LongspikeError if scan and convolution disagree; nothing is timed then.
    """
    x = torch.randn(shape)
    scan, fft = S4D(shape[2], d_state=d_state, method="auto"), S4D(shape[2], d_state=d_state, method="fft")
    fft.load_state_dict(scan.state_dict())
    layers: dict[str, Callable[[Tensor], Tensor]] = {
        "longspike scan": lambda u: scan(u)[0],
        "longspike FFT": lambda u: fft(u)[0],
        "complex kernel + FFT": lambda u: complex_fft_s4d(scan, u),
    }
    small = x[:1, : min(256, shape[1])]
    with torch.no_grad():
        truth = layers["longspike scan"](small)
        if not torch.allclose(
            layers["complex kernel + FFT"](small), truth, rtol=1e-3, atol=1e-3 * float(truth.abs().max())
        ):
            raise LongspikeError("bench: scan and convolution of S4D disagree; nothing was timed. Run `make test`.")
    grad = torch.randn(shape)

    def forward(layer: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        def run() -> Tensor:
            with torch.no_grad():
                return layer(x)

        return run

    def training(layer: Callable[[Tensor], Tensor]) -> Callable[[], None]:
        leaf = x.detach().requires_grad_()

        def run() -> None:
            leaf.grad = None
            layer(leaf).backward(grad)

        return run

    return (
        time_rounds(
            {name: forward(layer) for name, layer in layers.items()},
            rounds=rounds,
            lead_in=lead_in,
            on_progress=on_progress,
        ),
        time_rounds(
            {name: training(layer) for name, layer in layers.items()},
            rounds=rounds,
            lead_in=lead_in,
            on_progress=on_progress,
        ),
    )
