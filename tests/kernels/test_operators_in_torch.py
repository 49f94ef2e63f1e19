"""The operators as PyTorch sees them: schemas, fake kernels, autograd registration, compile and export."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from block_cases import block_case
from longspike.functional import refractory_lif
from longspike.kernels import native
from longspike.kernels.mixing.operator import glu_backward_op, glu_op, linear_op
from longspike.kernels.refractory_lif.operator import refractory_lif_backward_op, refractory_lif_op
from longspike.kernels.s4d_scan.operator import s4d_scan_backward_op, s4d_scan_op
from longspike.kernels.spiking_block.operator import spiking_block_backward_op, spiking_block_op
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.nn import S4D, HardResetLIF, NeuronConfig, RefractoryLIF, SpikingBlock
from operators import SURROGATES, lif_case, s4d_case
from tolerances import LOGITS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built"),
]
OPTIONS = ("subtract", "atan", 1.3, "full")
BLOCK_OPTIONS = (*OPTIONS, "affine")


def lif_arguments(seqlen: int, layout: str = "contiguous") -> list[Tensor]:
    case = lif_case(2, seqlen, 3, dtype=torch.float64, layout=layout)
    leaves = case.leaves()
    return [case.current.requires_grad_(), *leaves[1:]]


@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
@pytest.mark.parametrize(("method", "seqlen"), [("sequential", 65), ("speculative", 66), ("pmbc", 7), ("reference", 5)])
def test_refractory_lif(method: str, seqlen: int, layout: str) -> None:
    torch.library.opcheck(refractory_lif_op, (*lif_arguments(seqlen, layout), *OPTIONS, method))


@pytest.mark.parametrize("method", ["sequential", "pmbc"])
def test_refractory_lif_of_one_step(method: str) -> None:
    torch.library.opcheck(refractory_lif_op, (*lif_arguments(1, "transposed"), *OPTIONS, method))


@pytest.mark.parametrize("method", ["sequential", "reference"])
def test_refractory_lif_backward(method: str) -> None:
    case = lif_case(2, 65, 3, dtype=torch.float64)
    spikes, v, r, s, checkpoints, _ = refractory_lif_op(case.current, *case.parameters, *case.state, *OPTIONS, method)
    grads = [torch.randn_like(x) for x in (spikes, v, r, s)]
    arguments = (case.current, *grads, *case.parameters, *case.state, checkpoints, *OPTIONS, True, True)
    torch.library.opcheck(refractory_lif_backward_op, arguments)


@pytest.mark.parametrize("saves", [True, False])
def test_s4d_scan(saves: bool) -> None:
    case = s4d_case(2, 65, 3, 5, dtype=torch.float64, layout="transposed")
    torch.library.opcheck(s4d_scan_op, (*(case.leaves() if saves else case), saves))


def test_s4d_scan_backward() -> None:
    case = s4d_case(2, 65, 3, 5, dtype=torch.float64)
    y, end, checkpoints = s4d_scan_op(*case, True)
    arguments = (case.u, torch.randn_like(y), torch.randn_like(end), *case[1:4], checkpoints)
    torch.library.opcheck(s4d_scan_backward_op, arguments)


@pytest.mark.parametrize("has_bias", [True, False])
def test_linear(has_bias: bool) -> None:
    x, weight = torch.randn(2, 7, 5, requires_grad=True), torch.randn(3, 5, requires_grad=True)
    torch.library.opcheck(linear_op, (x, weight, torch.randn(3, requires_grad=True) if has_bias else None))


def test_glu() -> None:
    torch.library.opcheck(glu_op, (torch.randn(2, 7, 6, requires_grad=True),))
    torch.library.opcheck(glu_backward_op, (torch.randn(2, 7, 6), torch.randn(2, 7, 3)))


@pytest.mark.parametrize("is_bidirectional", [False, True])
@pytest.mark.parametrize("saves", [True, False])
def test_spiking_block(saves: bool, is_bidirectional: bool) -> None:
    options = {"has_dropout": True, "has_lengths": True, "is_bidirectional": is_bidirectional}
    case = block_case(2, 65, 3, 2, dtype=torch.float64, **options)
    case = case.leaves() if saves else case
    torch.library.opcheck(spiking_block_op, (case.x, *case.inputs, *case.state, *BLOCK_OPTIONS, saves))


@pytest.mark.parametrize("variant", [{}, {"has_norm": False}, {"is_bidirectional": True}], ids=str)
def test_spiking_block_backward(variant: dict) -> None:
    case = block_case(2, 65, 3, 2, dtype=torch.float64, **variant)
    y, counts, *rest = spiking_block_op(case.x, *case.inputs, *case.state, *BLOCK_OPTIONS, True)
    grads = [torch.randn_like(t) for t in case.state]
    arguments = (
        case.x,
        torch.randn_like(y),
        torch.randn_like(counts),
        *case.inputs,
        *grads,
        *rest[4:],
        *BLOCK_OPTIONS,
        True,
    )
    torch.library.opcheck(spiking_block_backward_op, arguments)


def lif(x: Tensor) -> tuple[Tensor, object]:
    return refractory_lif(
        x, beta=0.9, threshold=torch.tensor(0.8), rho=0.3, gamma=0.4, reset="zero", surrogate=SURROGATES[2]
    )


class Logits(nn.Module):
    """A network whose state is left out: what one exports for classification."""

    def __init__(self, model: SpikeSSM) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)[0]


CALLABLES: dict[str, Callable[[], Callable]] = {
    "functional": lambda: lif,
    "RefractoryLIF": lambda: RefractoryLIF(3, beta=0.7, reset="none", trains_beta=True),
    "HardResetLIF": lambda: HardResetLIF(3, beta=0.4),
    "S4D": lambda: S4D(3, d_state=6, init="legs"),
    "SpikingBlock": lambda: SpikingBlock(3, d_state=4, neuron=NeuronConfig(beta=0.5, trains_gamma=True)),
    "bidirectional SpikingBlock": lambda: SpikingBlock(3, d_state=4, is_bidirectional=True),
    "SpikingBlock with batch norm": lambda: SpikingBlock(3, d_state=4, norm_kind="batch").eval(),
    "SpikeSSM": lambda: SpikeSSM(SpikeSSMConfig(d_input=3, d_model=5, d_state=4, num_outputs=2)),
}


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def forward_and_gradients(call: Callable, x: Tensor, parameters: list[Tensor]) -> list[Tensor]:
    x = x.clone().requires_grad_()
    y = call(x)[0]
    return [
        y.detach(),
        *torch.autograd.grad((y * y + y).sum(), [x, *parameters], allow_unused=True, materialize_grads=True),
    ]


@pytest.mark.parametrize("name", CALLABLES)
def test_compile_full_graph_with_dynamic_shapes(name: str) -> None:
    call = CALLABLES[name]()
    parameters = list(call.parameters()) if isinstance(call, nn.Module) else []
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager", dynamic=True)
    for batch, seqlen in ((2, 7), (3, 66)):
        x = torch.randn(batch, seqlen, 3)
        ours = forward_and_gradients(compiled, x, parameters)
        expected = forward_and_gradients(call, x, parameters)
        for a, b in zip(ours, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=LOGITS, atol=LOGITS)


@pytest.mark.parametrize("name", ["RefractoryLIF", "S4D", "SpikeSSM"])
def test_export_with_dynamic_seqlen(name: str) -> None:
    module = CALLABLES[name]().eval()
    module = Logits(module) if name == "SpikeSSM" else module
    low = 2 if name == "SpikeSSM" else 65  # the operators apart keep states for a backward pass: more than one block
    seqlen = torch.export.Dim("seqlen", min=low, max=4096)
    program = torch.export.export(module, (torch.randn(2, 200, 3),), dynamic_shapes=({1: seqlen},))
    for steps in (low, 130, 333):
        x = torch.randn(2, steps, 3)
        ours, expected = program.module()(x), module(x)
        torch.testing.assert_close(ours, expected, rtol=LOGITS, atol=LOGITS)


def test_exported_block_says_that_it_has_no_gradient() -> None:
    block = SpikingBlock(3, d_state=4)
    program = torch.export.export(block, (torch.randn(2, 9, 3),))
    y, _ = program.module()(torch.randn(2, 9, 3, requires_grad=True))
    with pytest.raises(RuntimeError, match="kept nothing for a backward pass"):
        y.sum().backward()


def test_exported_network_survives_a_file(tmp_path) -> None:
    module = Logits(CALLABLES["SpikeSSM"]().eval())
    x = torch.randn(2, 9, 3)
    torch.export.save(torch.export.export(module, (x,)), tmp_path / "network.pt2")
    torch.testing.assert_close(torch.export.load(tmp_path / "network.pt2").module()(x), module(x), rtol=0, atol=0)
