"""The spike-aware memory as PyTorch sees it: schemas, fake kernels, autograd registration, compiled sequences."""

import pytest
import torch

from longspike.kernels import native
from longspike.kernels.sa_hippo.operator import sa_hippo_backward_op, sa_hippo_op, sa_hippo_tables_op
from longspike.nn import SAHippo
from sa_hippo_cases import memory, start, ticks
from tolerances import LOGITS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built"),
]


def arguments(variant: str) -> list[torch.Tensor]:
    layer = memory(variant, 6, 4, 2, torch.float64)
    u, delta, offsets = ticks(6, torch.float64, (0, 65, 66))  # every saved state is used: opcheck compares them too
    gaps, index = delta.unique(return_inverse=True)
    tables = layer.tables(gaps, torch.float64).detach()
    state = start(layer, 2)
    return [u, index, offsets, tables, layer.R.detach(), layer.C.detach(), layer.D.detach(), state]


@pytest.mark.parametrize("variant", ["rank 3", "rank 1, held, no decay", "diag, held"])
def test_tables(variant: str) -> None:
    layer = memory(variant, 6, 4, 2, torch.float64)
    gaps = torch.tensor([0.5, 1.0, 7.0], dtype=torch.float64)
    torch.library.opcheck(sa_hippo_tables_op, (gaps, *layer.dynamics(torch.float64), layer.structure, layer.input))


@pytest.mark.parametrize("saves", [True, False])
def test_recurrence(saves: bool) -> None:
    values = arguments("rank 3")
    if saves:
        values = [x.requires_grad_() if x.is_floating_point() else x for x in values]
    torch.library.opcheck(sa_hippo_op, (*values, saves))


def test_backward() -> None:
    values = arguments("rank 8, held")
    y, end, checkpoints = sa_hippo_op(*values, True)
    rest = (torch.randn_like(y), torch.randn_like(end), checkpoints)
    torch.library.opcheck(sa_hippo_backward_op, (*values[:7], *rest))


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_compiled_sequences() -> None:
    layer = SAHippo(6, d_state=4, rank=2, num_heads=2)
    compiled = torch.compile(layer.sequence, fullgraph=True, backend="aot_eager", dynamic=True)
    for batch, seqlen in ((2, 7), (3, 66)):
        results = []
        for call in (compiled, layer.sequence):
            x = torch.randn(batch, seqlen, 6, generator=torch.Generator().manual_seed(4)).requires_grad_()
            y, end = call(x)
            loss = y.square().sum() + end.sum()
            results.append([y, end, *torch.autograd.grad(loss, [x, *layer.parameters()])])
        for ours, expected in zip(*results, strict=True):
            torch.testing.assert_close(ours, expected, rtol=LOGITS, atol=LOGITS)
