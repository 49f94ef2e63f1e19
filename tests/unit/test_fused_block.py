"""A whole block as one operator against the same block part by part: where it runs, spikes, gradients."""

import pytest
import torch
from torch import Tensor

from longspike._core.lengths import without_padding
from longspike.layers import block as blocks
from longspike.nn import NeuronConfig, SpikingBlock
from operators import relative_error
from tolerances import BLOCK_GRADIENT

DTYPES = (torch.float32, torch.float64)
LENGTHS = torch.tensor([90, 41, 0])
KINDS = (
    {},
    {"is_bidirectional": True},
    {"norm_kind": "batch"},
    {"norm_kind": "batch", "is_bidirectional": True},
)
pytestmark = pytest.mark.needs_extension


def build(dtype: torch.dtype, **options) -> SpikingBlock:
    """A block that fires, of odd sizes."""
    torch.manual_seed(4)
    neuron = NeuronConfig(threshold=0.2, trains_gamma=True)
    block = SpikingBlock(7, d_state=6, neuron=neuron, **options).to(dtype)
    with torch.no_grad():
        if block.norm_position != "none":
            block.norm.weight.uniform_(0.5, 2.0)
            block.norm.bias.normal_(std=0.3)
        block.outputs(3 + 2 * draw(dtype, 2, 30, 7))  # remembered by a batch norm
    return block


def draw(dtype: torch.dtype, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64).to(dtype)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is filled when the fused operator runs."""
    seen: list[str] = []
    fused = blocks.spiking_block

    def listened(*arguments, **options):  # type: ignore[no-untyped-def]
        seen.append("spiking_block")
        return fused(*arguments, **options)

    monkeypatch.setattr(blocks, "spiking_block", listened)
    return seen


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm", ["pre", "post", "none"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_one_pass_has_the_bits_of_the_parts(
    kind: dict, norm: str, dtype: torch.dtype, lengths: Tensor | None, calls: list[str]
) -> None:
    block, x = build(dtype, norm=norm, **kind).eval(), draw(dtype, 3, 90, 7)
    y, counts, _ = block.activity(x, None, lengths)
    assert calls == ["spiking_block"]
    by_parts, spikes, _ = block.outputs(x, None, lengths)
    assert calls == ["spiking_block"]
    assert torch.equal(without_padding(y, lengths), without_padding(by_parts, lengths))
    assert torch.equal(counts, without_padding(spikes, lengths).sum(dim=1))
    assert 0.02 < float(counts.detach().sum() / spikes.numel()) < 0.7


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("is_training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("norm", ["pre", "post", "none"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_one_pass_has_the_gradients_of_the_parts(
    kind: dict, norm: str, is_training: bool, lengths: Tensor | None
) -> None:
    block = build(torch.float64, norm=norm, **kind).train(is_training)
    x, weight = draw(torch.float64, 3, 90, 7).requires_grad_(), draw(torch.float64, 3, 90, 7).flip(0)
    leaves = {"x": x} | {name: p for name, p in block.named_parameters() if p.requires_grad}
    found = []
    for y in (block(x, None, lengths)[0], block.outputs(x, None, lengths)[0]):
        loss = (without_padding(y, lengths) * weight).sum()
        found.append(torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True))
    for name, fused, by_parts in zip(leaves, *found, strict=True):
        assert bool(by_parts.any()) or norm == "none", name
        assert relative_error(fused, by_parts) <= BLOCK_GRADIENT["float64"], name


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_statistics_of_a_batch_are_those_of_the_parts(dtype: torch.dtype, lengths: Tensor | None, calls: list) -> None:
    fused, parts = (build(dtype, norm_kind="batch") for _ in range(2))
    x = 5 + 2 * draw(dtype, 3, 90, 7)
    y, counts, _ = fused.activity(x, None, lengths)
    assert calls == ["spiking_block"]
    by_parts, spikes, _ = parts.outputs(x, None, lengths)
    assert torch.equal(fused.norm.running_mean, parts.norm.running_mean)
    assert torch.equal(fused.norm.running_var, parts.norm.running_var)
    assert not torch.equal(fused.norm.running_mean, build(dtype, norm_kind="batch").norm.running_mean)
    if dtype == torch.float64:  # the normalised input differs by roundings, which no spike of these hangs on
        assert torch.equal(counts, without_padding(spikes, lengths).sum(dim=1))
        torch.testing.assert_close(without_padding(y, lengths), without_padding(by_parts, lengths))


def test_batches_without_a_variance() -> None:
    block, x = build(torch.float32, norm_kind="batch"), draw(torch.float32, 3, 9, 7)
    before = block.norm.running_mean.clone()
    y, counts, _ = block.activity(x, None, torch.zeros(3, dtype=torch.int64))
    assert bool(y.isfinite().all())
    assert not counts.any()
    assert torch.equal(block.norm.running_mean, before)
    with pytest.raises(ValueError, match="at least two valid steps in training; got one"):
        block(x, None, torch.tensor([0, 1, 0]))


def test_a_block_in_both_directions_is_no_plain_one(calls: list[str]) -> None:
    block, x = build(torch.float32, is_bidirectional=True), draw(torch.float32, 2, 9, 7)
    assert not block.is_plain()
    assert build(torch.float32).is_plain()
    block.backward_ssm.method = "reference"
    block(x)
    assert not calls
    block.backward_ssm.method = "auto"
    with pytest.raises(ValueError, match="a bidirectional block takes no state"):
        block(x, block.init_state(2))
    seen = []
    block.backward_ssm.register_forward_hook(lambda *_: seen.append("heard"))
    block(x)
    assert seen == ["heard"]
    assert not calls
