"""The neuron behind any strides, in narrow and wide tiles, cached and streaming: the bits of the contiguous call."""

import pytest
import torch
from torch import Tensor

from longspike.functional import refractory_lif
from longspike.kernels import native
from operators import RESETS, LIFCase, in_layout, lif_case

OPTIONS = {"beta": 0.9, "rho": 0.4, "gamma": 0.6, "surrogate": "atan"}


def channels_first(x: Tensor) -> Tensor:
    return x.transpose(1, 2).contiguous().transpose(1, 2)


def result(current: Tensor, grad: Tensor, **options: object) -> tuple[Tensor, Tensor]:
    """Spikes and the gradient of the current."""
    leaf = current.detach().requires_grad_()
    spikes, _ = refractory_lif(leaf, **(OPTIONS | options))
    (found,) = torch.autograd.grad(spikes, leaf, grad)
    return spikes.detach(), found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 2, 16, 17, 64, 83])
@pytest.mark.parametrize("seqlen", [1, 63, 64, 65, 330])
def test_layouts_give_the_same_bits(seqlen: int, channels: int, dtype: torch.dtype) -> None:
    current, grad = torch.randn(2, seqlen, channels, dtype=dtype), torch.randn(2, seqlen, channels, dtype=dtype)
    expected = result(current, grad)
    for layout in ("transposed", "sliced"):
        for other in ("contiguous", "transposed", "sliced"):
            found = result(in_layout(current, layout), in_layout(grad, other))
            assert torch.equal(found[0], expected[0]), (layout, other)
            assert torch.equal(found[1], expected[1]), (layout, other)


def test_channels_first_comes_out_channels_first() -> None:
    current = channels_first(torch.randn(2, 70, 5))
    for method in ("sequential", "speculative", "pmbc", "reference"):
        spikes, found = result(current, torch.randn(2, 70, 5), method=method)
        assert spikes.transpose(1, 2).is_contiguous(), method
        assert found.transpose(1, 2).is_contiguous(), method


@pytest.mark.parametrize("channels", [3, 40])
def test_gradient_of_a_sum_and_of_a_mean_over_time(channels: int) -> None:
    """Autograd hands such gradients over expanded, with strides of zero."""
    current = torch.randn(2, 130, channels)
    for make in (lambda x: torch.ones(1, 1, 1).expand_as(x), lambda x: torch.randn(2, 1, channels).expand_as(x)):
        grad = make(current)
        assert torch.equal(result(current, grad)[1], result(current, grad.contiguous())[1])


@pytest.mark.needs_extension
@pytest.mark.parametrize("channels", [64, 61])
@pytest.mark.parametrize("is_channels_first", [False, True])
def test_results_that_go_around_the_caches(channels: int, is_channels_first: bool) -> None:
    """34 MB: non-temporal stores, of rows that are whole vectors and of rows that are not."""
    seqlen = (1 << 25) // (8 * channels) + 77
    current, grad = torch.randn(2, seqlen, channels), torch.randn(2, seqlen, channels)
    few = result(current[:, :, :3].contiguous(), grad[:, :, :3].contiguous())
    spikes, found = result(channels_first(current) if is_channels_first else current, grad)
    assert bool(((spikes == 0) | (spikes == 1)).all())
    assert torch.equal(spikes[:, :, :3], few[0])
    assert torch.equal(found[:, :, :3], few[1])
    last = result(current[:, :, -2:].contiguous(), grad[:, :, -2:].contiguous())
    assert torch.equal(spikes[:, :, -2:], last[0])
    assert torch.equal(found[:, :, -2:], last[1])


@pytest.mark.parametrize("reset", RESETS)
def test_threads_do_not_change_gradients(reset: str) -> None:
    current, grad = torch.randn(3, 400, 67), torch.randn(3, 400, 67)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            for x in (current, channels_first(current)):
                results.append(result(x, grad, reset=reset)[1])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "sliced"])
def test_instruction_sets_agree_on_every_layout(layout: str, architectures: list[str]) -> None:
    current = in_layout(torch.randn(2, 200, 37), layout)
    results = []
    for name in architectures:
        native.extension().use_architecture(name)
        results.append(refractory_lif(current, **OPTIONS, method="sequential")[0])
    assert all(torch.equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize("value", [0.3, -0.7, 2.5])
@pytest.mark.parametrize("reset", RESETS)
def test_a_start_with_any_spike_value(reset: str, value: float) -> None:
    """The state's spike is differentiable, so it may be any number; the equations then hold with that number."""
    case: LIFCase = lif_case(2, 70, 19)
    state = (case.state[0], case.state[1], torch.full_like(case.state[2], value))
    found = [
        refractory_lif(case.current, **case.named(), reset=reset, state=state, method=method)
        for method in ("sequential", "speculative", "reference")
    ]
    for other in found[:2]:
        assert torch.equal(other[0], found[2][0])
        assert all(torch.equal(a, b) for a, b in zip(other[1], found[2][1], strict=True))


def test_pool_lends_a_buffer_of_nearly_the_size() -> None:
    if not native.is_available():
        pytest.skip("the compiled extension is not built")
    mega = 1 << 20
    large = native.empty((400 * mega,), torch.uint8)
    address = large.data_ptr()
    del large
    held = native.extension().pooled_bytes()
    small = native.empty((100 * mega,), torch.uint8)
    assert small.data_ptr() != address
    close = native.empty((370 * mega,), torch.uint8)
    assert close.data_ptr() == address
    assert native.extension().pooled_bytes() <= held - 400 * mega
    del close
    assert native.empty((400 * mega,), torch.uint8).data_ptr() == address  # it went back with its whole size
