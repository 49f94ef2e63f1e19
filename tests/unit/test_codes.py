"""Wider codes: several neurons a channel, and tokens that go in as spikes."""

from dataclasses import replace

import pytest
import torch

from longspike import Stream, load
from longspike.energy.counts import count_operations, neuron_counts
from longspike.errors import ConfigError
from longspike.models import SpikeLM, SpikeLMConfig, SpikeSSM, SpikeSSMConfig
from longspike.models.shapes import main_shapes
from longspike.nn import NeuronConfig, SpikingBlock
from longspike.training import firing_rate

TOKENS = SpikeSSMConfig(d_input=7, d_model=6, d_state=4, num_layers=2, encoder="embedding", has_spiking_embedding=True)


@pytest.mark.parametrize("kind", ["refractory", "hard_reset", "heaviside", "multi_bit"])
@pytest.mark.parametrize("per_channel", [2, 3])
def test_neurons_of_a_channel_see_it_with_their_offsets(kind: str, per_channel: int) -> None:
    torch.manual_seed(0)
    config = NeuronConfig(kind=kind, threshold=0.3, per_channel=per_channel)
    block = SpikingBlock(5, d_state=4, neuron=config)
    x, lengths = 2 * torch.randn(2, 40, 5), torch.tensor([40, 17])
    y, spikes, _ = block.outputs(x)
    current, _ = block.ssm(block.norm(x))
    alone = block.neuron.neuron
    offsets = (per_channel - 1) / 2 - torch.arange(per_channel).float()
    expected, _ = alone(torch.cat([current + offset for offset in offsets], dim=-1))
    assert torch.equal(spikes, expected)
    torch.testing.assert_close(y, x + torch.nn.functional.glu(block.mix(spikes), dim=-1))
    rates = [float(part.detach().mean()) for part in spikes.chunk(per_channel, dim=-1)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > rates[-1]
    _, counts, _ = block.activity(x, lengths=lengths)
    _, spikes, _ = block.outputs(x, lengths=lengths)
    assert counts.shape == (2, 5 * per_channel)
    torch.testing.assert_close(counts.sum() / (57 * 5 * per_channel), firing_rate(spikes, lengths))


@torch.no_grad()
@pytest.mark.parametrize(
    "config",
    [
        replace(TOKENS, has_spiking_embedding=False, neuron=NeuronConfig(threshold=0.2, per_channel=3)),
        replace(TOKENS, neuron=NeuronConfig(threshold=0.2)),
        replace(TOKENS, neuron=NeuronConfig(kind="hard_reset", per_channel=2)),
    ],
)
def test_whole_chunks_steps_stream_and_file_agree(tmp_path, config: SpikeSSMConfig) -> None:
    torch.manual_seed(1)
    model = SpikeSSM(config).eval()
    assert all(model.state_dict()[name].shape == shape for name, shape in main_shapes(config))
    model.save(tmp_path / "model")
    model, x = load(tmp_path / "model"), torch.randint(7, (1, 31))
    whole = model.outputs(x)
    assert all(0 < float(layer.mean()) < 1 for layer in whole.spikes)
    stream, state, pieces = Stream(model), None, []
    for piece in x.split((1, 13, 17), dim=1):
        found = model.outputs(piece, state)
        state = found.state
        pieces.append(found.spikes)
        pushed = stream.push(piece)
        assert all(torch.equal(a, b) for a, b in zip(pushed, found.spikes, strict=True))
    for k, layer in enumerate(whole.spikes):
        assert torch.equal(torch.cat([piece[k] for piece in pieces], dim=1), layer)
    torch.testing.assert_close(stream.logits(), whole.logits[0])


def test_a_token_is_its_spikes() -> None:
    torch.manual_seed(0)
    model, x = SpikeSSM(TOKENS), torch.tensor([[0, 3, 3, 6]])
    spikes = model.encoder(x)
    assert torch.equal(spikes, (model.encoder.weight[x] > 1).float())
    spikes.sum().backward()
    weight = model.encoder.weight
    slope = (1 - (weight.detach() - 1).abs()).clamp(min=0)
    torch.testing.assert_close(weight.grad, slope * torch.tensor([1, 0, 0, 2, 0, 0, 1])[:, None])


def test_a_language_model_of_spiking_tokens_trains() -> None:
    config = SpikeLMConfig(num_tokens=9, d_model=8, num_layers=1, d_state=4, has_spiking_embedding=True)
    model = SpikeLM(config)
    model(torch.randint(9, (2, 12)))[0].square().sum().backward()
    assert bool((model.encoder.weight.grad != 0).any())


def test_mistakes() -> None:
    with pytest.raises(
        ConfigError, match=r"`has_spiking_embedding` is about tokens, encoder='embedding'; got 'linear'"
    ):
        SpikeSSMConfig(has_spiking_embedding=True)
    with pytest.raises(ConfigError, match="`has_spiking_embedding` needs an embedding of its own"):
        SpikeLMConfig(has_spiking_embedding=True, is_tied=True)
    with pytest.raises(ConfigError, match=r"`per_channel` must be .*64; got 65"):
        NeuronConfig(per_channel=65)


def test_operations_counted_by_hand() -> None:
    config = replace(TOKENS, num_layers=1, neuron=NeuronConfig(per_channel=3))
    parts = {(part.layer, part.part): part.counts for part in count_operations(config, [0.5]).parts}
    assert parts["encoder", "encoder"].weight_bytes == 6 / 8
    one_each, _ = neuron_counts(18, config.neuron)
    assert parts["block 1", "neuron"].add == one_each.add + 18
    assert parts["block 1", "neuron"].weight_bytes == one_each.weight_bytes + 4 * 18
    mixing = parts["block 1", "mixing"]
    assert (mixing.ac, mixing.weight_bytes) == (0.5 * 18 * 12, 4 * (0.5 * 18 * 12 + 12))
    assert mixing.activation_bytes == 4 * 12 + 18 / 8
