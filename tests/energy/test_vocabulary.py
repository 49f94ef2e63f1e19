"""Operations of a vocabulary in clusters, counted by hand and by the layers themselves."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from longspike.energy import count_operations, energy
from longspike.energy.vocabulary import network_counts
from longspike.models import SpikeLM, SpikeLMConfig

CONFIG = SpikeLMConfig(num_tokens=50, d_model=16, num_layers=1, d_state=4, cutoffs=(5, 20), div=2)


def test_hand_counted_numbers() -> None:
    """Widths 16, 8, 4; head of 5 + 2 entries, tails of 15 and 30."""
    counts = network_counts(CONFIG, [0.1])
    encoder = counts.select(part="encoder").per_step(10)
    assert (encoder.mac, encoder.mul) == (16 * 16, 16)
    assert encoder.weight_bytes == 4 * (16 + 16 * 16)
    decoder = counts.select(part="decoder").per_step(10)
    assert decoder.mac == (16 * 16 + 7 * 16) + (16 * 8 + 15 * 8) + (16 * 4 + 30 * 4)
    assert decoder.special == 7 + 15 + 30 + 3
    assert decoder.add == 2 * (7 + 15 + 30) + 15 + 30
    assert decoder.weight_bytes == 4 * (decoder.mac + 7 + 15 + 30)
    assert decoder.activation_bytes == 4 * (16 + 50)
    rest = count_operations(CONFIG.stack, [0.1])
    for part in ("norm", "state update", "read-out", "neuron", "mixing", "gate", "residual"):
        assert counts.select(part=part) == rest.select(part=part)


def test_the_layers_do_as_many_multiplications() -> None:
    model = SpikeLM(CONFIG)
    decoder = network_counts(CONFIG, [0.1]).select(part="decoder").per_step(1)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.decoder(torch.randn(1, 16))
    assert counter.get_total_flops() == 2 * decoder.mac
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.encoder(torch.tensor([3]))
    assert counter.get_total_flops() == 2 * 16 * 16


def test_both_figures_count_the_vocabulary_in_full() -> None:
    report = energy(SpikeLM(CONFIG), [0.1], seqlen=7)
    plain = energy(SpikeLM(SpikeLMConfig(num_tokens=50, d_model=16, num_layers=1, d_state=4)), [0.1], seqlen=7)
    assert report.mixing_only == plain.mixing_only
    for mine, theirs in ((report.counts, plain.counts), (report.dense_counts, plain.dense_counts)):
        assert mine.select(part="decoder") != theirs.select(part="decoder")
    assert report.full.per_step_pj == pytest.approx(report.costs.energy_pj(report.counts.per_step(7)))
