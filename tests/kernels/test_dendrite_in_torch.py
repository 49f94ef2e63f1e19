"""The dendritic operators as PyTorch sees them: schemas, fake kernels, autograd registration; and explain()."""

import pytest
import torch

from dendrites import Geometry, conv_case
from longspike import explain
from longspike.errors import BackendUnavailableError
from longspike.kernels import native
from longspike.kernels.dendrite import operator, pool_plan
from longspike.nn import DendriticLIF

pytestmark = pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
OPTIONS = (0.8, "atan", 1.3)


def conv_arguments(has_state: bool) -> list[torch.Tensor]:
    case = conv_case(3, 5, 2, [20, 0, 15], Geometry((4, 3), 3, 1, 1))
    values, weight, rate, rate_soma, g, i, v = case.leaves(torch.float64)
    rates = torch.cat([rate, rate_soma.reshape(1)]).detach().requires_grad_()
    state = (i, v) if has_state else (i.detach()[:0], v.detach()[:0])
    plan = case.plan
    return [
        values,
        weight,
        rates,
        g,
        *state,
        case.gap,
        plan.chain_offsets,
        plan.pair_offsets,
        plan.pair_input,
        plan.pair_tap,
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("has_state", "keeps_state"), [(True, True), (False, False)])
def test_conv(has_state: bool, keeps_state: bool) -> None:
    torch.library.opcheck(operator.dendritic_conv_op, (*conv_arguments(has_state), *OPTIONS, keeps_state))


@pytest.mark.slow
def test_conv_backward() -> None:
    arguments = [x.detach() for x in conv_arguments(True)]
    membrane, i, v = operator.dendritic_conv_op(*arguments, *OPTIONS, True)
    grads = [torch.randn_like(x) for x in (membrane, i, v)]
    torch.library.opcheck(
        operator.dendritic_conv_backward_op, (*arguments, OPTIONS[0], membrane, *grads, *OPTIONS[1:], True)
    )


@pytest.mark.slow
def test_lif() -> None:
    g = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.rand(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    arguments = [draw(2, 7, 3, 5), draw(4), draw(3), draw(2, 3, 5), draw(2, 5)]
    torch.library.opcheck(operator.dendritic_lif_op, (*(x.requires_grad_() for x in arguments), *OPTIONS))
    arguments = [x.detach() for x in arguments]
    results = operator.dendritic_lif_op(*arguments, *OPTIONS)
    grads = [torch.randn_like(x) for x in results]
    torch.library.opcheck(
        operator.dendritic_lif_backward_op, (*arguments, OPTIONS[0], results[0], *grads, *OPTIONS[1:])
    )


@pytest.mark.slow
def test_segment_max() -> None:
    plan = pool_plan(conv_case(1, 1, 1, [20, 15], Geometry((4, 3), 3, 1, 1)).plan, 2)
    x = torch.randn(plan.group_rows.numel(), 5, requires_grad=True)
    groups = (plan.group_offsets, plan.group_rows)
    torch.library.opcheck(operator.segment_max_op, (x, *groups))
    y, position = operator.segment_max_op(x.detach(), *groups)
    torch.library.opcheck(operator.segment_max_backward_op, (y, position, *groups))


@pytest.mark.slow
def test_compiled_dense_layer() -> None:
    layer = DendriticLIF(4, 3, num_branches=2, tau_min=2, tau_max=9, tau_soma=4)
    torch._dynamo.reset()
    call = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
    for seqlen in (7, 20):
        x = (5 * torch.randn(2, seqlen, 4)).requires_grad_()
        found = [torch.autograd.grad(f(x)[0].sum(), [x, *layer.parameters()]) for f in (call, layer)]
        assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    torch._dynamo.reset()


@pytest.mark.parametrize("name", ["dendritic_conv", "dendritic_lif", "segment_max"])
def test_explain(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain(name, (70, 2)).backend == "cpp"
    assert explain(name, torch.zeros(70, 2).bfloat16()).method == "reference"
    assert explain(name, (70, 2), method="reference").reason == "it was asked for by name"
    with pytest.raises(ValueError, match="`method` must be one of 'auto', 'compiled', 'reference'; got 'scan'"):
        explain(name, (70, 2), method="scan")
    monkeypatch.setattr(native, "_extension", None)
    monkeypatch.setattr(native, "unavailable_reason", "this test hides it")
    with pytest.raises(BackendUnavailableError, match=f"{name}: method='compiled' cannot run"):
        explain(name, (70, 2), method="compiled")
