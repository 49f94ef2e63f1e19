"""The library's FLAMES against a second, slow one of the same equations, in float64 and float32."""

import numpy as np
import pytest
import torch

from flames_cases import CASES, events_for, network, streamed, whole
from flames_oracle import Said, listen
from longspike.kernels import native
from tolerances import FLAMES_DEFINITION, FLAMES_MARGIN

SEEDS = (1, 2)


def heard(name: str, seed: int, num_events: int) -> tuple:
    model, events = network(CASES[name], seed), events_for(CASES[name], num_events, steps=12, seed=seed)
    return model, events, listen(model, events)


def assert_same(said: Said, steps: list[int], spikes: list[np.ndarray]) -> None:
    assert steps == said.steps
    for ours, expected in zip(spikes, said.spikes, strict=True):
        assert np.array_equal(ours, np.stack(expected))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_the_batch_in_float64(name: str, seed: int) -> None:
    model, events, said = heard(name, seed, 60)
    batch = whole(model.double(), events)
    assert len(said.steps) > 2
    assert said.margin > 1e-9
    assert_same(said, batch.ticks.step.tolist(), list(torch.stack(batch.spikes, 1).numpy()))
    assert said.front_spikes == [int(layer.num_spikes) for layer in batch.activity[: len(said.front_spikes)]]
    assert said.front_updates == [layer.num_updates for layer in batch.activity[: len(said.front_spikes)]]
    np.testing.assert_allclose(batch.logits[0].numpy(), said.logits, rtol=0, atol=FLAMES_DEFINITION["float64"])


@pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")
@pytest.mark.parametrize("name", CASES)
def test_the_stream_in_float32(name: str) -> None:
    """On the recordings of which no membrane comes so near to its threshold that float32 may decide otherwise."""
    clear = [found for found in (heard(name, seed, 25) for seed in range(1, 9)) if found[2].margin > FLAMES_MARGIN]
    assert clear
    for model, events, said in clear:
        stream, ticks = streamed(model, [events])
        assert_same(said, [tick.step for tick in ticks], [tick.spikes for tick in ticks])
        assert list(stream.counts.spikes[: len(said.front_spikes)]) == said.front_spikes
        assert list(stream.counts.updates[: len(said.front_spikes)]) == said.front_updates
        np.testing.assert_allclose(stream.logits().numpy(), said.logits, rtol=0, atol=FLAMES_DEFINITION["float32"])
