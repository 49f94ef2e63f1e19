"""What some operators give, in every way that PyTorch calls them: one way of making operators is held against another."""

import sys

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from block_cases import OPTIONS, block_case
from longspike.kernels import _operators, native
from longspike.kernels.layer_norm import layer_norm
from longspike.kernels.mixing import glu, linear
from longspike.kernels.mixing.operator import glu_op, linear_op
from longspike.kernels.refractory_lif.operator import refractory_lif_op
from longspike.kernels.s4d_scan.operator import s4d_scan_op
from longspike.kernels.spikes import count_spikes, spikes
from longspike.kernels.spiking_block import spiking_block
from operators import lif_case, s4d_case, weighted_sum

MODES = ("subtract", "atan", 1.3, "full")


def _with_gradients(outputs: tuple[Tensor, ...], leaves: list[Tensor]) -> list[Tensor]:
    floats = [x for x in outputs if x.is_floating_point() and x.requires_grad]
    grads = torch.autograd.grad(weighted_sum(floats), leaves, allow_unused=True, materialize_grads=True)
    return [*(x.detach() for x in outputs), *grads]


def _leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).requires_grad_()


def _mixed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return glu(linear(x, weight, bias))


def results() -> dict[str, list[Tensor]]:
    """Outputs and gradients by name."""
    x, weight, bias, row = _leaf(2, 3, 6), _leaf(4, 6), _leaf(4), _leaf(6)
    neuron, scan = lif_case(2, 70, 3).leaves(), s4d_case(2, 70, 3, 4).leaves()
    found = {
        "mixing": _with_gradients((_mixed(x, weight, bias),), [x, weight, bias]),
        "compiled by torch": _with_gradients(
            (torch.compile(_mixed, backend="aot_eager", fullgraph=True)(x, weight, bias),), [x, weight, bias]
        ),
        "layer_norm": _with_gradients((layer_norm(x, row, row),), [x, row]),
        "spikes": _with_gradients((spikes(x, threshold=0.2, surrogate="atan", scale=2.0),), [x]),
        "count": _with_gradients((count_spikes(x, threshold=0.2, surrogate="atan", scale=2.0),), [x]),
        "neuron": _with_gradients(refractory_lif_op(*neuron, *MODES, "auto"), neuron),
        "scan": _with_gradients(s4d_scan_op(*scan, True), scan),
    }
    if native.is_available():
        block = block_case(2, 9, 5, 2).leaves()
        y, counts, ends = spiking_block(block.x, block.inputs, block.state, **OPTIONS)
        found["block"] = _with_gradients((y, counts, *ends), list(block.differentiable().values()))
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        shapes = [y.shape for y in refractory_lif_op(*(mode.from_tensor(t) for t in neuron), *MODES, "auto")]
    found["shapes"] = [torch.tensor(shape) for shape in shapes]
    return found


def check_registration() -> None:
    """PyTorch's own checks of schema, shapes and gradients."""
    x, weight, bias = _leaf(2, 3, 6), _leaf(4, 6), _leaf(4)
    torch.library.opcheck(linear_op, (x, weight, bias))
    torch.library.opcheck(glu_op, (x,))
    torch.library.opcheck(refractory_lif_op, (*lif_case(2, 5, 3).leaves(), *MODES, "auto"))


if __name__ == "__main__":
    found = results()
    check_registration()
    torch.save((_operators.uses_private_parts(), found), sys.argv[1])
