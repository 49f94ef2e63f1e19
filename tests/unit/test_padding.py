"""Padding changes nothing, whatever stands in it: not the logits, not the spikes, not a gradient."""

import pytest
import torch
from torch import Tensor

from longspike.layers.neuron import NEURONS
from longspike.models import FlamesSequence, FlamesSequenceConfig, MemoryConfig, SpikeSSM, SpikeSSMConfig
from longspike.nn import MeanPool, NeuronConfig, SpikingBlock

LENGTHS = torch.tensor([9, 4, 0])
FILLINGS = (float("nan"), float("inf"), -float("inf"), 1e30)
MEMORY = MemoryConfig(d_model=4, num_layers=1, num_heads=1, d_state=4, rank=2, input="held")


def padded(x: Tensor, filling: float) -> Tensor:
    y = x.clone()
    for row, length in zip(y, LENGTHS.tolist(), strict=True):
        row[length:] = filling
    return y


def network(kind: str, **options: object) -> torch.nn.Module:
    torch.manual_seed(3)
    if kind == "flames":
        return FlamesSequence(FlamesSequenceConfig(d_input=2, num_outputs=3, num_branches=2, memory=MEMORY))
    neuron = NeuronConfig(kind=kind)
    return SpikeSSM(SpikeSSMConfig(d_input=2, num_outputs=3, d_model=5, d_state=4, neuron=neuron, **options))


def found(model: torch.nn.Module, x: Tensor) -> list[Tensor]:
    """Logits of `forward` and `outputs`, spikes of valid steps, and all gradients, that of x too."""
    x = x.clone().requires_grad_()
    results = []
    for call in (model.outputs, model):
        torch.manual_seed(4)
        logits, *rest = call(x, lengths=LENGTHS)
        valid = [(s[0], s[1, :4]) for s in rest[1]] if len(rest) > 1 else []
        grads = torch.autograd.grad(
            logits[:2].square().sum(),
            [x, *(p for p in model.parameters() if p.requires_grad)],
            materialize_grads=True,
            allow_unused=True,
        )
        results += [logits, *(part for pair in valid for part in pair), *grads]
    return results


@pytest.mark.parametrize("kind", [*NEURONS, "flames"])
def test_of_every_neuron(kind: str) -> None:
    model, x = network(kind), torch.randn(3, 9, 2)
    expected = found(model, padded(x, 0.0))
    assert all(bool(t.isfinite().all()) for t in expected)
    assert not expected[-1].shape or bool(expected[-1].any())
    for filling in FILLINGS:
        for a, b in zip(found(model, padded(x, filling)), expected, strict=True):
            assert torch.equal(a, b), filling


@pytest.mark.parametrize(
    "options", [{"is_bidirectional": True}, {"norm": "post"}, {"norm": "none"}, {"dropout": 0.5}], ids=str
)
def test_of_every_block(options: dict) -> None:
    model, x = network("refractory", **options), torch.randn(3, 9, 2)
    expected = found(model, padded(x, 0.0))
    for a, b in zip(found(model, padded(x, float("nan"))), expected, strict=True):
        assert torch.equal(a, b)


def test_tokens_in_padding_need_not_exist() -> None:
    model = SpikeSSM(SpikeSSMConfig(d_input=7, encoder="embedding", d_model=4, d_state=4, num_layers=1))
    tokens = torch.randint(0, 7, (3, 9))
    expected = model(tokens, lengths=LENGTHS)[0]
    assert torch.equal(model(padded(tokens, -100), lengths=LENGTHS)[0], expected)


def test_of_a_layer_alone() -> None:
    block, pool, x = SpikingBlock(3, d_state=4), MeanPool(3), torch.randn(3, 9, 3)
    for filling in FILLINGS:
        y, spikes, _ = block.outputs(padded(x, filling), None, LENGTHS)
        expected, expected_spikes, _ = block.outputs(padded(x, 0.0), None, LENGTHS)
        assert torch.equal(y[1, :4], expected[1, :4])
        assert torch.equal(spikes[0], expected_spikes[0])
        counts = [block.activity(padded(x, each), None, LENGTHS)[1] for each in (filling, 0.0)]
        assert torch.equal(*counts)
        means = [pool(padded(x, each), None, LENGTHS)[0] for each in (filling, 0.0)]
        assert torch.equal(*means)
