"""Cost tables and the two energy figures."""

import json
from dataclasses import replace

import pytest

from longspike.energy import (
    HOROWITZ_45NM_FLOAT32,
    HOROWITZ_45NM_INT8,
    CostTable,
    NetworkCounts,
    OperationCounts,
    dense_twin,
    energy,
)
from longspike.layers.neuron import NeuronConfig
from longspike.models import Flames, SpikeSSM, SpikeSSMConfig

# The example of the literature's convention: H = 256, N = 64, a rate of a tenth.
WIDE = SpikeSSM(SpikeSSMConfig(d_model=256, num_layers=1, d_state=64))
TINY = SpikeSSM(SpikeSSMConfig(d_input=3, num_outputs=7, d_model=5, num_layers=2, d_state=4))


def pj(counts: NetworkCounts, *parts: str) -> float:
    return sum(HOROWITZ_45NM_FLOAT32.energy_pj(counts.select(part=part).per_step(1)) for part in parts)


def test_the_constants_of_horowitz_2014() -> None:
    table = HOROWITZ_45NM_FLOAT32
    assert (table.mul_pj, table.add_pj, table.ac_pj, table.mac_pj) == (3.7, 0.9, 0.9, 4.6)
    assert (HOROWITZ_45NM_INT8.mul_pj, HOROWITZ_45NM_INT8.add_pj, HOROWITZ_45NM_INT8.mac_pj) == (0.2, 0.03, 0.23)
    for table in (HOROWITZ_45NM_FLOAT32, HOROWITZ_45NM_INT8):
        assert "ISSCC 2014" in table.source
        assert table.byte_pj == 0
        assert table.mac_pj == pytest.approx(table.mul_pj + table.add_pj)
        assert table.special_pj == pytest.approx(4 * table.mac_pj)


def test_energy_of_counts_by_hand() -> None:
    table = CostTable(
        name="primes", source="made up", mul_pj=2, add_pj=3, ac_pj=5, mac_pj=7, compare_pj=11, special_pj=13, byte_pj=17
    )
    counts = OperationCounts(
        mul=1, add=10, ac=100, mac=1e3, compare=1e4, special=1e5, weight_bytes=1, state_bytes=2, activation_bytes=4
    )
    assert table.energy_pj(counts) == 2 + 30 + 500 + 7e3 + 11e4 + 13e5 + 17 * 7


def test_mixing_only_saves_51_times_and_the_whole_layer_three_and_a_half() -> None:
    report = energy(WIDE, [0.1], seqlen=1000)
    assert report.mixing_only.saving == pytest.approx(51.1, abs=0.05)
    assert report.mixing_only.dense_per_step_pj == pytest.approx(602.9e3, rel=1e-3)  # 603 nJ
    assert report.mixing_only.per_step_pj == pytest.approx(11.8e3, rel=1e-3)  # 11.8 nJ
    # 8192 modes of 4 MUL + 3 ADD + 2 MAC = 26.7 pJ are 219 nJ on both sides
    core = ("state update", "read-out", "mixing")
    assert pj(report.counts, *core[:2]) == pytest.approx(8192 * 26.7)
    assert pj(report.dense_counts, *core) / pj(report.counts, *core) == pytest.approx(3.56, abs=0.01)
    block, twin = (c.select(layer="block 1") for c in (report.counts, report.dense_counts))
    costs = HOROWITZ_45NM_FLOAT32
    assert costs.energy_pj(twin.per_step(1)) / costs.energy_pj(block.per_step(1)) == pytest.approx(3.42, abs=0.01)
    assert report.full.saving == pytest.approx(3.41, abs=0.01)


def test_at_rate_one_and_equal_costs_only_the_neuron_differs() -> None:
    costs = replace(HOROWITZ_45NM_FLOAT32, ac_pj=4.6)
    report = energy(TINY, [1.0, 1.0], costs, seqlen=11)
    neuron, gelu = (
        costs.energy_pj(c.select(part="neuron").per_sample(11)) for c in (report.counts, report.dense_counts)
    )
    assert report.full.per_sample_pj - neuron == pytest.approx(report.full.dense_per_sample_pj - gelu)
    assert report.mixing_only.saving == pytest.approx(1.0)


def test_steps_times_seqlen_are_a_sample() -> None:
    report = energy(TINY, [0.3, 0.2], seqlen=12.5)
    for figure in (report.mixing_only, report.full):
        assert figure.per_step_pj * 12.5 == pytest.approx(figure.per_sample_pj)
        assert figure.dense_per_step_pj * 12.5 == pytest.approx(figure.dense_per_sample_pj)
    assert report.full.per_sample_pj == pytest.approx(HOROWITZ_45NM_FLOAT32.energy_pj(report.counts.per_sample(12.5)))


def test_a_dense_network_is_its_own_twin() -> None:
    report = energy(SpikeSSM(dense_twin(TINY.config)), (), seqlen=4)
    assert report.counts == report.dense_counts
    assert (report.mixing_only.saving, report.full.saving) == (1.0, 1.0)


def test_a_silent_network_has_no_finite_mixing_saving() -> None:
    report = energy(TINY, [0.0, 0.0], seqlen=4)
    assert report.mixing_only.saving is None
    assert report.full.saving is not None
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["mixing_only"]["saving"] is None


def test_memory_is_off_by_default_and_bytes_are_reported() -> None:
    plain = energy(TINY, [0.3, 0.2], seqlen=4)
    priced = energy(TINY, [0.3, 0.2], replace(HOROWITZ_45NM_FLOAT32, byte_pj=1.25), seqlen=4)
    num_bytes = plain.counts.per_sample(4).num_bytes
    assert num_bytes > 0
    assert priced.full.per_sample_pj - plain.full.per_sample_pj == pytest.approx(1.25 * num_bytes)
    assert any("not part of the joules" in text for text in plain.assumptions)
    assert any("every byte moved costs 1.25 pJ" in text for text in priced.assumptions)


def test_int8_words_are_bytes() -> None:
    wide, narrow = (energy(TINY, [0.3, 0.2], costs, seqlen=4) for costs in (HOROWITZ_45NM_FLOAT32, HOROWITZ_45NM_INT8))
    assert 3 < wide.counts.per_step(4).num_bytes / narrow.counts.per_step(4).num_bytes < 4
    assert narrow.full.per_step_pj < wide.full.per_step_pj / 15


def test_assumptions_name_conventions_and_sources() -> None:
    text = " ".join(energy(TINY, [0.3, 0.2], seqlen=4).assumptions)
    for phrase in (
        "2408.14909",
        "ISSCC 2014",
        "do not compare joules",
        "GELU",
        "Not in the source",
        "measured on a chip",
    ):
        assert phrase in text


def test_the_report_as_json() -> None:
    report = energy(TINY, [0.3, 0.2], seqlen=4)
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert content["rates"] == [0.3, 0.2]
    assert content["full"]["saving"] == report.full.saving
    assert len(content["counts"]["parts"]) == len(report.counts.parts)
    assert content["counts"]["per_step"]["ac"] == pytest.approx(0.5 * 50)
    assert content["costs"]["mac_pj"] == 4.6


def test_a_rate_counts_where_it_was_measured() -> None:
    config = replace(TINY.config, neuron=NeuronConfig(kind="heaviside"))
    report = energy(SpikeSSM(config), [0.3, 0.1], seqlen=4)
    assert report.counts.select(layer="block 1", part="mixing").per_step(4).ac == pytest.approx(15)
    assert report.counts.select(layer="block 2", part="mixing").per_step(4).ac == pytest.approx(5)


@pytest.mark.parametrize("seqlen", [0, -1, float("nan"), float("inf")])
def test_a_seqlen_that_is_none(seqlen: float) -> None:
    with pytest.raises(ValueError, match="`seqlen` must be a positive number of steps"):
        energy(TINY, [0.3, 0.2], seqlen=seqlen)


def test_networks_that_are_not_counted() -> None:
    flames = Flames.from_preset("tiny", sensor_size=(9, 7), num_classes=3)
    with pytest.raises(TypeError, match="the operations of a Flames are not counted yet"):
        energy(flames, [0.1], seqlen=5)


def test_tables_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="`mac_pj` must be finite picojoules, at least 0; got -1"):
        replace(HOROWITZ_45NM_FLOAT32, mac_pj=-1)
    with pytest.raises(ValueError, match="`byte_pj` must be finite picojoules, at least 0; got nan"):
        replace(HOROWITZ_45NM_FLOAT32, byte_pj=float("nan"))
    with pytest.raises(ValueError, match="`source` must say where the figures come from"):
        replace(HOROWITZ_45NM_FLOAT32, source=" ")
    with pytest.raises(ValueError, match="`word_bytes` must be at least 1; got 0"):
        replace(HOROWITZ_45NM_FLOAT32, word_bytes=0)
