"""Two sequences fed in any turns and pieces spike, and are compared, as the whole ones are."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longspike import Stream
from longspike.models import SpikeSSMConfig, SpikeSSMPair, SpikeSSMPairConfig
from longspike.nn import NeuronConfig
from longspike.streaming.pair_stream import SIDES
from strategies import seeds
from tolerances import LOGITS


def network(kind: str = "refractory", **changes: object) -> SpikeSSMPair:
    torch.manual_seed(11)
    options = {
        "d_input": 7,
        "encoder": "embedding",
        "d_model": 5,
        "num_layers": 2,
        "d_state": 6,
        "neuron": NeuronConfig(kind=kind, beta=0.7, threshold=0.2),
        "dt_max": 0.3,
    }
    tower = SpikeSSMConfig(**{**options, **changes})
    return SpikeSSMPair(SpikeSSMPairConfig(tower=tower, num_outputs=3)).eval()


MODELS = {
    "compiled": network(),
    "hard_reset": network(kind="hard_reset"),
    "values": network(encoder="linear", d_input=2, has_final_norm=True),
}


@st.composite
def pushes(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Sides and numbers of steps, none among them, with at least one step of each side."""
    drawn = draw(st.lists(st.tuples(st.sampled_from(SIDES), st.integers(0, 12)), max_size=8))
    ends = [(side, draw(st.integers(1, 12))) for side in SIDES]
    return draw(st.permutations([*drawn, *ends]))


def sequence(model: SpikeSSMPair, steps: int, generator: torch.Generator) -> torch.Tensor:
    if model.reads_tokens:
        return torch.randint(7, (steps,), generator=generator)
    return torch.randn(steps, 2, generator=generator)


@pytest.mark.needs_extension
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=15)
@given(parts=pushes(), seed=seeds)
def test_any_turns_and_pieces_are_the_whole(name: str, parts: list[tuple[str, int]], seed: int) -> None:
    """Spikes and logits bit for bit; the mean of the whole is summed step by step in float64, as a stream sums it."""
    model, generator = MODELS[name], torch.Generator().manual_seed(seed)
    lengths = {side: sum(steps for of, steps in parts if of == side) for side in SIDES}
    whole = {side: sequence(model, lengths[side], generator) for side in SIDES}
    stream, seen = Stream(model), dict.fromkeys(SIDES, 0)
    fired: dict[str, list[tuple[torch.Tensor, ...]]] = {side: [] for side in SIDES}
    for side, steps in parts:
        fired[side].append(stream.push(whole[side][seen[side] : seen[side] + steps], side=side))
        seen[side] += steps
    assert stream.num_steps == tuple(lengths.values())
    means = []
    with torch.no_grad():
        for side, x in whole.items():
            features, _, expected = model.tower.features(x[None], None, None)
            means.append(features.double().cumsum(dim=1)[:, -1].div(len(x)).float())
            for layer, spikes in zip(zip(*fired[side], strict=True), expected, strict=True):
                assert torch.equal(torch.cat(layer), spikes[0])
        assert torch.equal(stream.logits(), model.compared(torch.cat(means))[0])
        batch = model(*(x[None] for x in whole.values()))[0]
        torch.testing.assert_close(stream.logits(), batch, rtol=LOGITS, atol=LOGITS)
