"""A stream cut into packets anywhere spikes as the whole sequence does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longspike import Stream
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.nn import NeuronConfig
from strategies import seeds, splits
from tolerances import LOGITS

SEQLEN = 90


def network(kind: str = "refractory", **changes) -> SpikeSSM:
    torch.manual_seed(11)
    neuron = NeuronConfig(kind=kind, beta=0.7, threshold=0.2)
    options = {
        "d_input": 2,
        "d_model": 5,
        "num_layers": 2,
        "d_state": 6,
        "num_outputs": 3,
        "neuron": neuron,
        "dt_max": 0.3,
    }
    return SpikeSSM(SpikeSSMConfig(**{**options, **changes})).eval()


MODELS = {kind: network(kind) for kind in ("refractory", "hard_reset", "heaviside")}
PER_STEP = network(pool="none", norm="post")


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=15)
@given(lengths=splits(SEQLEN), seed=seeds, num_streams=st.sampled_from([1, 3]))
def test_packets_are_the_whole(kind: str, lengths: list[int], seed: int, num_streams: int) -> None:
    model = MODELS[kind]
    x = torch.randn(num_streams, SEQLEN, 2, generator=torch.Generator().manual_seed(seed))
    whole = model.outputs(x)
    stream = Stream(model, batch=num_streams)
    parts = [stream.push(packet if num_streams > 1 else packet[0]) for packet in x.split(lengths, dim=1)]
    axis = 1 if num_streams > 1 else 0
    for k, expected in enumerate(whole.spikes):
        ours = torch.cat([spikes[k] for spikes in parts], axis)
        assert torch.equal(ours, expected if num_streams > 1 else expected[0])
    assert stream.num_steps == SEQLEN
    expected = whole.logits if num_streams > 1 else whole.logits[0]
    torch.testing.assert_close(stream.logits(), expected, rtol=LOGITS, atol=LOGITS)


@settings(max_examples=15)
@given(cut=st.integers(0, SEQLEN), seed=seeds)
def test_going_back_to_a_state_repeats_the_future(cut: int, seed: int) -> None:
    x = torch.randn(SEQLEN, 2, generator=torch.Generator().manual_seed(seed))
    stream = Stream(MODELS["refractory"])
    stream.push(x[:cut])
    state = stream.state
    first, logits = stream.push(x[cut:]), stream.logits()
    stream.push(torch.randn(7, 2))
    stream.state = state
    assert stream.num_steps == cut
    again = stream.push(x[cut:])
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(stream.logits(), logits)


@settings(max_examples=15)
@given(lengths=splits(SEQLEN), seed=seeds)
def test_logits_of_every_step(lengths: list[int], seed: int) -> None:
    x = torch.randn(SEQLEN, 2, generator=torch.Generator().manual_seed(seed))
    stream, whole = Stream(PER_STEP), PER_STEP(x[None])[0][0]
    seen = 0
    for packet in x.split(lengths):
        stream.push(packet)
        seen += len(packet)
        if seen:
            torch.testing.assert_close(stream.logits(), whole[seen - 1], rtol=LOGITS, atol=LOGITS)
