"""Spikes without time: compiled against reference, gradients, counts, threads."""

import pytest
import torch

from longspike.kernels._spiking.surrogates import SURROGATES
from longspike.kernels.spikes import count_spikes, spikes
from longspike.kernels.spikes.operator import count_spikes_op, spikes_op

SHAPES = [(0,), (1,), (63,), (65, 3), (2, 7, 5)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("shape", SHAPES)
def test_compiled_equals_reference(shape: tuple[int, ...], surrogate: str, dtype: torch.dtype) -> None:
    results = []
    x = torch.randn(shape, dtype=dtype)
    for method in ("compiled", "reference"):
        options = {"threshold": 0.3, "surrogate": surrogate, "scale": 1.7, "method": method}
        leaf = x.clone().requires_grad_()
        s, count = spikes(leaf, **options), count_spikes(leaf, **options)
        loss = (s * torch.cos(torch.arange(s.numel(), dtype=dtype).view_as(s))).sum() + 0.7 * count
        results.append((s, count, torch.autograd.grad(loss, leaf)[0]))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    torch.testing.assert_close(results[0][2], results[1][2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["compiled", "reference"])
def test_a_value_at_the_threshold_is_silent_and_the_next_one_spikes(method: str) -> None:
    x = torch.tensor([1.0, 1.0]).nextafter(torch.tensor([0.0, 2.0]))
    x = torch.cat([x, torch.ones(1)])
    assert spikes(x, threshold=1.0, surrogate="triangle", scale=1.0, method=method).tolist() == [0, 1, 0]
    assert count_spikes(x, threshold=1.0, surrogate="triangle", scale=1.0, method=method) == 1


@pytest.mark.parametrize("method", ["reference", pytest.param("compiled", marks=pytest.mark.needs_extension)])
def test_slopes_at_their_edges(method: str) -> None:
    """Numbers that are exact in binary: a boxcar is zero at its edge, a triangle reaches it there."""
    x = torch.tensor([-0.75, -0.5, 0.0, 0.5, 0.75, 0.25]) + 1
    for surrogate, scale, slopes in (
        ("boxcar", 1.0, [0, 0, 1, 0, 0, 1]),
        ("triangle", 0.5, [0, 0, 2, 0, 0, 1]),
        ("triangle", 1.0, [0.25, 0.5, 1, 0.5, 0.25, 0.75]),
    ):
        leaf = x.clone().requires_grad_()
        spikes(leaf, threshold=1.0, surrogate=surrogate, scale=scale, method=method).sum().backward()
        assert leaf.grad is not None
        assert leaf.grad.tolist() == slopes


def test_what_is_not_contiguous_and_every_number_of_threads_give_the_same() -> None:
    x = torch.randn(5, 40_000).T
    options = {"threshold": 0.0, "surrogate": "atan", "scale": 2.0}
    results, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            leaf = x.clone().requires_grad_()
            count = count_spikes(leaf, **options)
            results.append((spikes(x, **options), count, torch.autograd.grad(count, leaf)[0]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0][0], (x > 0).float())
    assert results[0][1] == (x > 0).sum()
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


@pytest.mark.needs_extension
@pytest.mark.parametrize("op", [spikes_op, count_spikes_op])
def test_pytorch_can_trace_it(op) -> None:
    torch.library.opcheck(op, (torch.randn(3, 5, requires_grad=True), 0.5, "sigmoid", 4.0))
