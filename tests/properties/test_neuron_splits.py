"""A sequence cut anywhere, with the state handed on, is the whole sequence."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longspike.functional import LIFState, refractory_lif
from operators import lif_case
from strategies import resets, seeds, splits

EXAMPLES = settings(max_examples=25)


def in_chunks(case, lengths: list[int], reset: str, method: str) -> tuple[torch.Tensor, LIFState]:
    state, parts = LIFState(*case.state), []
    for chunk in case.current.split(lengths, dim=1):
        spikes, state = refractory_lif(chunk, **case.named(), reset=reset, state=state, method=method)
        parts.append(spikes)
    return torch.cat(parts, 1), state


@pytest.mark.parametrize("method", ["sequential", "speculative", "reference"])
@EXAMPLES
@given(
    data=st.data(), reset=resets, seed=seeds, seqlen=st.integers(0, 150), dtype=st.sampled_from(["float32", "float64"])
)
def test_chunks_are_the_whole_bit_for_bit(method: str, data, reset: str, seed: int, seqlen: int, dtype: str) -> None:
    case = lif_case(2, seqlen, 3, seed=seed, dtype=getattr(torch, dtype))
    lengths = data.draw(splits(seqlen))
    spikes, end = in_chunks(case, lengths, reset, method)
    whole, whole_end = in_chunks(case, [seqlen], reset, "sequential")
    assert torch.equal(spikes, whole)
    assert all(torch.equal(a, b) for a, b in zip(end, whole_end, strict=True))


@settings(max_examples=8)
@given(data=st.data(), reset=st.sampled_from(["subtract", "none"]), seed=seeds, seqlen=st.integers(0, 90))
def test_pmbc_chunks_spike_as_the_whole(data, reset: str, seed: int, seqlen: int) -> None:
    case = lif_case(2, seqlen, 3, seed=seed, dtype=torch.float64)
    spikes, _ = in_chunks(case, data.draw(splits(seqlen)), reset, "pmbc")
    assert torch.equal(spikes, in_chunks(case, [seqlen], reset, "reference")[0])


@EXAMPLES
@given(seed=seeds, reset=resets, channels=st.integers(1, 40), seqlen=st.integers(0, 200), batch=st.integers(1, 4))
def test_any_sizes_on_every_route(seed: int, reset: str, channels: int, seqlen: int, batch: int) -> None:
    case = lif_case(batch, seqlen, channels, seed=seed)
    expected, expected_end = in_chunks(case, [seqlen], reset, "reference")
    for method in ("sequential", "speculative"):
        spikes, end = in_chunks(case, [seqlen], reset, method)
        assert torch.equal(spikes, expected)
        assert all(torch.equal(a, b) for a, b in zip(end, expected_end, strict=True))


@EXAMPLES
@given(seed=seeds, reset=resets, channel=st.integers(0, 36))
def test_a_neuron_does_not_see_its_neighbours(seed: int, reset: str, channel: int) -> None:
    case = lif_case(2, 70, 37, seed=seed)
    whole, _ = in_chunks(case, [70], reset, "sequential")
    alone = type(case)(
        case.current[..., channel : channel + 1],
        tuple(p[channel : channel + 1] for p in case.parameters),
        tuple(x[:, channel : channel + 1] for x in case.state),
    )
    assert torch.equal(in_chunks(alone, [70], reset, "sequential")[0], whole[..., channel : channel + 1])


@EXAMPLES
@given(seed=seeds)
def test_more_refractoriness_never_adds_spikes_without_a_membrane(seed: int) -> None:
    """With reset none the drive is fixed, and the count of spikes cannot grow with rho."""
    case = lif_case(1, 300, 5, seed=seed)
    counts = [refractory_lif(case.current, beta=0.5, rho=rho, gamma=0.0, reset="none")[0].sum(1) for rho in (0.0, 1e3)]
    assert bool((counts[1] <= counts[0]).all())
