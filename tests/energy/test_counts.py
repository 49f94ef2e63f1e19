"""Operation counts against counts done by hand."""

from dataclasses import replace

import pytest

from longspike.energy import NetworkCounts, OperationCounts, count_operations, dense_twin
from longspike.energy.counts import PARTS, neuron_counts
from longspike.layers.neuron import NEURONS, NeuronConfig
from longspike.models import SpikeSSMConfig

# D = 3, H = 5, N = 4 (2 complex pairs, so 10 modes), K = 7.
TINY = SpikeSSMConfig(d_input=3, num_outputs=7, d_model=5, num_layers=1, d_state=4)


def part(counts: NetworkCounts, name: str) -> OperationCounts:
    (found,) = counts.select(part=name).parts
    return found.counts


def test_every_part_of_a_tiny_network_counted_by_hand() -> None:
    counts = count_operations(TINY, [0.4])
    by_hand = {
        "encoder": OperationCounts(mac=15, weight_bytes=4 * (15 + 5), activation_bytes=4 * (3 + 5)),
        "norm": OperationCounts(mac=10, mul=7, add=11, special=1, weight_bytes=40, activation_bytes=40),
        "state update": OperationCounts(mul=40, add=30, weight_bytes=80, state_bytes=160, activation_bytes=20),
        "read-out": OperationCounts(mac=20, weight_bytes=80, activation_bytes=20),
        "D skip": OperationCounts(mac=5, weight_bytes=20),
        # v and r are 4 bytes each, a spike is an eighth of one, all read and written: 2 * 5 * 8.125
        "neuron": OperationCounts(
            mul=15, add=20, compare=5, weight_bytes=80, state_bytes=81.25, activation_bytes=20 + 5 / 8
        ),
        # 0.4 * 5 * 10 = 20 weights and 10 biases are read
        "mixing": OperationCounts(ac=20, weight_bytes=4 * 30, activation_bytes=5 / 8 + 40),
        "gate": OperationCounts(mul=5, special=5, activation_bytes=60),
        "residual": OperationCounts(add=5, activation_bytes=60),
        "decoder": OperationCounts(mac=35, weight_bytes=4 * 42, activation_bytes=48),
    }
    for name, expected in by_hand.items():
        assert part(counts, name) == expected, name
    running, mean = counts.select(part="pooling").parts
    assert running.counts == OperationCounts(add=5, state_bytes=40, activation_bytes=20)
    assert mean.counts == OperationCounts(mul=5, activation_bytes=40)
    assert (running.is_per_sample, mean.is_per_sample) == (False, True)
    assert {p.part for p in counts.parts} == set(PARTS)


def test_samples_and_steps_of_a_tiny_network() -> None:
    counts = count_operations(TINY, [0.4])
    sample = counts.per_sample(11)
    assert sample.mac == 11 * (15 + 10 + 20 + 5) + 35
    assert sample.ac == pytest.approx(11 * 20)
    assert sample.mul == 11 * (7 + 40 + 15 + 5) + 5
    assert sample.add == 11 * (11 + 30 + 20 + 5 + 5)
    assert (sample.compare, sample.special) == (55, 66)
    assert counts.per_step(11).scaled(11).mac == pytest.approx(sample.mac)
    total = sample.mac + sample.ac + sample.mul + sample.add + sample.compare + sample.special
    assert sample.num_operations == pytest.approx(total)
    assert sample.num_bytes == sample.weight_bytes + sample.state_bytes + sample.activation_bytes


@pytest.mark.parametrize(
    ("config", "expected", "state_bytes"),
    [
        (NeuronConfig(), {"mul": 3, "add": 4, "compare": 1}, 2 * 8.125),
        (NeuronConfig(reset="zero"), {"mul": 3, "add": 3, "compare": 1}, 2 * 8.125),
        (NeuronConfig(reset="none"), {"mul": 3, "add": 3, "compare": 1}, 2 * 8.125),
        (NeuronConfig(rho=0.0), {"mul": 1, "add": 2, "compare": 1}, 2 * 4.125),
        (NeuronConfig(rho=0.0, reset="zero"), {"mul": 1, "add": 1, "compare": 1}, 2 * 4.125),
        (NeuronConfig(kind="hard_reset"), {"mul": 2, "add": 1, "compare": 1}, 8),
        (NeuronConfig(kind="sdn"), {"mac": 136, "mul": 1, "add": 9, "compare": 17}, 36),
        (NeuronConfig(kind="heaviside"), {"compare": 1}, 0),
        (NeuronConfig(kind="ternary"), {"compare": 2, "add": 1}, 0),
        (NeuronConfig(kind="multi_bit", levels=7), {"compare": 7, "add": 6}, 0),
        (NeuronConfig(kind="bernoulli"), {"compare": 3, "special": 1}, 0),
        (NeuronConfig(kind="gelu"), {"mul": 3, "add": 1, "special": 1}, 0),
    ],
)
def test_neurons_counted_by_hand(config: NeuronConfig, expected: dict[str, int], state_bytes: float) -> None:
    counts, formula = neuron_counts(3, config)
    for name in ("mac", "ac", "mul", "add", "compare", "special"):
        assert getattr(counts, name) == 3 * expected.get(name, 0), name
    assert counts.state_bytes == pytest.approx(3 * state_bytes)
    bits = {"ternary": 2, "multi_bit": 3, "gelu": 32}.get(config.kind, 1)
    assert counts.activation_bytes == pytest.approx(3 * (4 + bits / 8))
    assert "per channel" in formula


@pytest.mark.parametrize("kind", NEURONS)
def test_only_the_mixing_layer_follows_the_rate(kind: str) -> None:
    config = replace(TINY, num_layers=2, neuron=NeuronConfig(kind=kind))
    rates = ((0.0, 0.0), (0.1, 0.6)) if config.neuron.is_spiking else ((), ())
    silent, active = (count_operations(config, r) for r in rates)
    for a, b in zip(silent.parts, active.parts, strict=True):
        assert (a.counts == b.counts) == (a.part != "mixing" or kind == "gelu"), a.part
    mixing = active.select(part="mixing").per_step(1)
    expected = (0, 2 * 50) if kind == "gelu" else (0.7 * 50, 0)
    assert (mixing.ac, mixing.mac) == pytest.approx(expected)


def test_the_dense_twin_reads_all_weights() -> None:
    twin = count_operations(dense_twin(TINY), ())
    assert part(twin, "mixing") == OperationCounts(mac=50, weight_bytes=4 * 60, activation_bytes=60)


def test_two_directions_scan_twice_and_are_added() -> None:
    counts = count_operations(replace(TINY, is_bidirectional=True), [0.4])
    assert part(counts, "state update") == OperationCounts(
        mul=80, add=60, weight_bytes=160, state_bytes=320, activation_bytes=40
    )
    assert part(counts, "read-out") == OperationCounts(mac=40, add=5, weight_bytes=160, activation_bytes=60)
    assert part(counts, "D skip").mac == 10


def test_tokens_norm_and_read_out_without_pool() -> None:
    config = replace(TINY, encoder="embedding", norm="none", pool="none")
    counts = count_operations(config, [0.4])
    assert part(counts, "encoder") == OperationCounts(weight_bytes=20, activation_bytes=24)
    assert not counts.select(part="norm").parts
    assert not counts.select(part="pooling").parts
    assert counts.select(part="decoder").per_sample(11).mac == 11 * 35


def test_an_input_skip_makes_the_read_out_wider() -> None:
    config = replace(TINY, pool="none", task="forecasting", has_input_skip=True)
    assert part(count_operations(config, [0.5]), "decoder").mac == (5 + 3) * 7


def test_layers_are_named_in_order() -> None:
    counts = count_operations(replace(TINY, num_layers=2), [0.4, 0.2])
    assert list(dict.fromkeys(p.layer for p in counts.parts)) == ["encoder", "block 1", "block 2", "decoder"]
    assert counts.select(layer="block 2", part="mixing").per_step(3).ac == pytest.approx(10)


def test_bytes_follow_the_word_size_except_for_spikes() -> None:
    wide, narrow = (count_operations(TINY, [0.4], word_bytes=size) for size in (4, 1))
    assert part(wide, "encoder").num_bytes == 4 * part(narrow, "encoder").num_bytes
    assert part(narrow, "mixing").activation_bytes == 10 + 5 / 8


@pytest.mark.parametrize(
    ("config", "rates", "message"),
    [
        (TINY, [], r"`rates` must hold 1 firing rates, one per block; got 0"),
        (TINY, [0.1, 0.2], r"`rates` must hold 1 firing rates, one per block; got 2"),
        (dense_twin(TINY), [0.1], r"`rates` must hold 0 firing rates, a GELU network has none; got 1"),
        (TINY, [12.0], r"`rates` must lie in \[0, 1\]; got \[12.0\]. Pass means of spikes, no percentages"),
        (TINY, [float("nan")], r"`rates` must lie in \[0, 1\]"),
    ],
)
def test_rates_that_do_not_fit(config: SpikeSSMConfig, rates: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        count_operations(config, rates)


def test_a_final_norm_costs_what_a_norm_costs() -> None:
    plain = count_operations(SpikeSSMConfig(d_model=6, num_layers=2, d_state=4), [0.1, 0.2])
    normed = count_operations(SpikeSSMConfig(d_model=6, num_layers=2, d_state=4, has_final_norm=True), [0.1, 0.2])
    norm = plain.select(layer="block 1", part="norm").per_sample(8)
    assert normed.per_sample(8) == plain.per_sample(8) + norm
