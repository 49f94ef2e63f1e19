"""Embedding of cells, layer norm and pooling of ticks: compiled against reference, gradients, independence of rows."""

import pytest
import torch

from longspike.kernels.layer_norm import layer_norm
from longspike.kernels.tick import EventPoolState, embed_cells, event_pool

DTYPES = [torch.float32, torch.float64]
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}


def items(dtype: torch.dtype, *, channels: int, d_model: int) -> tuple[torch.Tensor, ...]:
    values = (torch.rand(11, channels) < 0.4).to(dtype)
    cell = torch.randint(0, 5, (11,))
    return values, cell, torch.tensor([0, 3, 3, 8, 11]), torch.randn(5, channels, d_model, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("channels", "d_model"), [(1, 1), (3, 17), (5, 33)])
def test_embedding_and_its_gradients_equal_the_reference(dtype: torch.dtype, channels: int, d_model: int) -> None:
    values, cell, offsets, weight = items(dtype, channels=channels, d_model=d_model)
    results = []
    for method in ("compiled", "reference"):
        inputs = [values.clone().requires_grad_(), weight.clone().requires_grad_()]
        u = embed_cells(inputs[0], cell, offsets, inputs[1], method=method)
        results.append((u, *torch.autograd.grad((u * torch.cos(torch.arange(u.numel()).view_as(u))).sum(), inputs)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_a_tick_is_embedded_alike_alone_and_among_others() -> None:
    values, cell, offsets, weight = items(torch.float32, channels=7, d_model=19)
    whole = embed_cells(values, cell, offsets, weight)
    alone = embed_cells(values[3:8], cell[3:8], torch.tensor([0, 5]), weight)
    assert torch.equal(whole[2], alone[0])
    assert not whole[1].any()


def test_embedding_refuses_cells_and_offsets_that_do_not_exist() -> None:
    values, cell, offsets, weight = items(torch.float32, channels=2, d_model=3)
    with pytest.raises(ValueError, match=r"`cell` must lie in \[0, 5\)"):
        embed_cells(values, cell + 5, offsets, weight)
    with pytest.raises(ValueError, match="`tick_offsets` must rise from 0 to 11"):
        embed_cells(values, cell, offsets[:-1], weight)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 7, 8, 33])
def test_layer_norm_equals_pytorchs(dtype: torch.dtype, channels: int) -> None:
    results = []
    x, weight, bias = torch.randn(2, 5, channels, dtype=dtype) * 3 + 1, torch.randn(channels), torch.randn(channels)
    for method in ("compiled", "reference"):
        inputs = [t.to(dtype).clone().requires_grad_() for t in (x, weight, bias)]
        y = layer_norm(*inputs, method=method)
        results.append((y, *torch.autograd.grad((y * torch.cos(torch.arange(y.numel()).view_as(y))).sum(), inputs)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=10 * TOLERANCE[dtype], atol=10 * TOLERANCE[dtype])


def test_a_row_is_normalised_alike_alone_and_among_others() -> None:
    x, weight, bias = torch.randn(100, 37), torch.randn(37), torch.randn(37)
    whole = layer_norm(x, weight, bias)
    assert all(torch.equal(whole[k], layer_norm(x[k : k + 1], weight, bias)[0]) for k in (0, 63, 64, 99))


@pytest.mark.parametrize("shape", [(16, 1024, 128), (40000, 64), (100, 1000), (5, 333, 96), (3, 7)])
def test_gradients_of_layer_norm_do_not_depend_on_the_number_of_threads(shape: tuple[int, ...]) -> None:
    inputs = [torch.randn(shape), torch.randn(shape[-1]), torch.randn(shape[-1])]
    grad, results = torch.randn(shape), []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        leaves = [x.clone().requires_grad_() for x in inputs]
        results.append(torch.autograd.grad(layer_norm(*leaves), leaves, grad))
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


def pool_inputs(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, EventPoolState]:
    y, weights = torch.randn(12, 3, dtype=dtype), torch.rand(12, dtype=torch.float64) + 0.5
    state = EventPoolState(
        torch.randn(4, 3).double(), torch.randn(4, 3).double(), torch.tensor([[1.5, 1, 2.0]] * 4).double()
    )
    state.window[1], state.counts[1] = 0, torch.tensor([0, 0, 3.0])
    return y, weights, torch.tensor([0, 5, 5, 6, 12]), state


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 2, 4, 50])
def test_pooling_and_its_gradients_equal_the_reference(dtype: torch.dtype, size: int) -> None:
    y, weights, offsets, start = pool_inputs(dtype)
    if size == 1:
        start = EventPoolState(start.window * 0, start.windows, start.counts * torch.tensor([0, 0, 1.0]))
    results = []
    for method in ("compiled", "reference"):
        inputs = [t.clone().requires_grad_() for t in (y, start.window, start.windows)]
        mean, end = event_pool(
            inputs[0], weights, offsets, EventPoolState(*inputs[1:], start.counts), size=size, method=method
        )
        parts = [mean.double(), end.window, end.windows]
        loss = sum(
            (part * torch.cos(k + torch.arange(part.numel()).view_as(part))).sum() for k, part in enumerate(parts)
        )
        grads = torch.autograd.grad(loss, inputs, allow_unused=True)
        results.append((mean, *end, *(torch.zeros(1) if g is None else g for g in grads)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_pooling_in_pieces_is_pooling_the_whole() -> None:
    y, weights, _, start = pool_inputs(torch.float32)
    start = EventPoolState(*(x[:1] for x in start))
    whole, end = event_pool(y, weights, torch.tensor([0, 12]), start, size=4)
    state = start
    for low, high in ((0, 1), (1, 7), (7, 7), (7, 12)):
        mean, state = event_pool(y[low:high], weights[low:high], torch.tensor([0, high - low]), state, size=4)
    assert torch.equal(mean, whole)
    assert all(torch.equal(a, b) for a, b in zip(state, end, strict=True))


@pytest.mark.parametrize("method", ["compiled", "reference"])
def test_both_routes_check_alike(method: str) -> None:
    values, cell, offsets, weight = items(torch.float32, channels=2, d_model=3)
    with pytest.raises(ValueError, match=r"`cell` must lie in \[0, 5\)"):
        embed_cells(values, cell + 5, offsets, weight, method=method)
    with pytest.raises(ValueError, match=r"embed_cells: `values` must have shape \(items, channels\)"):
        embed_cells(values[0], cell, offsets, weight, method=method)
    with pytest.raises(ValueError, match=r"layer_norm: `bias` must have shape \(3,\)"):
        layer_norm(torch.ones(2, 3), torch.ones(3), torch.ones(4), method=method)
    y, weights, offsets, start = pool_inputs(torch.float32)
    with pytest.raises(ValueError, match=r"event_pool: `weights` must have shape \(12,\)"):
        event_pool(y, weights[:3], offsets, start, size=2, method=method)
    with pytest.raises(ValueError, match="event_pool: `weights` have no gradient"):
        event_pool(y, weights.requires_grad_(), offsets, start, size=2, method=method)
