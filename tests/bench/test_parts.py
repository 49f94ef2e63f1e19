"""The parts of `longspike bench`: rounds, rows, memory kept, torch's forms of S4D, the block's rate, slopes."""

import time

import pytest
import torch

from longspike.bench import language_head
from longspike.bench.block import GeluBlock, bench_block, firing_block
from longspike.bench.growth import slope
from longspike.bench.language_head import bench_language_head, shares_of_head
from longspike.bench.saved_memory import saved_bytes
from longspike.bench.small_block import bench_small_block, multiply_adds
from longspike.bench.tables import rows_of, text_cells
from longspike.bench.timing import Rounds, Step, Timing, time_rounds, time_steps
from longspike.bench.torch_s4d import complex_fft_s4d, two_level_fft_s4d
from longspike.evaluation.machine import caches
from longspike.nn import S4D
from tolerances import S4D_FFT


def test_rounds_are_interleaved_after_a_warm_up_and_behind_lead_in_calls() -> None:
    called: list[str] = []
    timings = time_rounds({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, Rounds(count=2))
    assert called == ["a", "b", *["a", "a", "b", "b"] * 2]
    assert [(t.name, len(t.seconds)) for t in timings] == [("a", 2), ("b", 2)]


def test_a_slow_candidate_sits_out_after_three_rounds() -> None:
    timings = time_rounds(
        {"slow": lambda: time.sleep(0.002), "fast": lambda: None}, Rounds(count=5, lead_in=0, budget_s=0.005)
    )
    assert [len(t.seconds) for t in timings] == [3, 5]
    assert len(timings[0].ratios_to(timings[1])) == 3


def test_a_step_is_timed_in_halves_and_its_result_is_handed_on_and_dropped() -> None:
    received: list[int] = []
    step = Step(lambda: 7, received.append)
    backward, whole = time_steps({"x": step}, Rounds(count=1, lead_in=0))
    assert received == [7, 7]
    assert 0 <= backward[0].seconds[0] <= whole[0].seconds[0]


def test_ratios_and_shares_are_taken_within_a_round() -> None:
    timings = [Timing("limit: copy NT", (1.0, 10.0)), Timing("ours", (2.0, 20.0)), Timing("peer", (8.0, 60.0))]
    rows = rows_of(
        timings,
        elements=10,
        ours="ours",
        work={"limit: copy NT": 80.0, "ours": 80.0, "peer": 40.0},
        limit="limit: copy NT",
        kept={"peer": 4.0},
    )
    assert [row["times_ours"] for row in rows] == [None, [1, 1, 1], [3.5, 3, 4]]
    assert [row["share"] for row in rows] == [None, [0.5, 0.5, 0.5], [0.073, 0.062, 0.083]]
    assert [row["kept"] for row in rows] == [None, None, 4.0]
    assert rows[1]["ns_per_element"] == 1.1e9
    assert rows[1]["ms"] == [11000, 2000, 20000]


def test_a_column_that_no_row_fills_is_left_out() -> None:
    rows = rows_of([Timing("ours", (0.5,))], elements=4, ours="ours")
    header, row = text_cells({"rows": rows, "unit": "", "per": "call"})
    assert header == ("", "ms, median (min .. max)", "ns/call", "times ours")
    assert row == ("ours", "500 (500 .. 500)", "125000000", "1x (1 .. 1)")


def test_saved_bytes_counts_every_storage_once_without_the_input() -> None:
    x = torch.randn(5, 3, requires_grad=True)
    assert saved_bytes(lambda: x.sin()) == x.nbytes
    assert saved_bytes(lambda: x.sin(), beside=(x,)) == 0
    assert saved_bytes(lambda: x.exp() * x[:2].exp().sum(), beside=(x,)) == x.nbytes + 2 * 3 * 4 + 4
    with torch.no_grad():
        assert saved_bytes(lambda: x.exp()) == 0


@pytest.mark.parametrize("seqlen", [1, 64, 127, 128, 300])
@pytest.mark.parametrize("form", [complex_fft_s4d, two_level_fft_s4d])
def test_forms_of_torch_compute_what_the_layer_computes(seqlen: int, form) -> None:
    layer, x = S4D(5, d_state=8), torch.randn(2, seqlen, 5)
    truth = layer(x)[0].detach()
    torch.testing.assert_close(form(layer, x), truth, rtol=0, atol=S4D_FFT["float32"] * float(truth.abs().max()))


def test_the_block_fires_at_eight_percent_and_its_twins_have_its_sizes() -> None:
    torch.manual_seed(0)
    block, rate = firing_block(torch.randn(1, 400, 16), d_state=8)
    assert rate == pytest.approx(0.08, abs=0.005)
    twin = GeluBlock(block.ssm, two_level_fft_s4d)
    assert sum(p.numel() for p in twin.parameters()) == sum(p.numel() for p in block.parameters()) - 2 * 16  # neuron
    inference, training = bench_block((2, 33, 16), Rounds(count=1), d_state=8)
    assert "of the neurons fire" in inference.setting
    assert all(row["kept"] is not None for row in training.rows)


def test_a_small_block_counts_its_multiply_adds() -> None:
    assert multiply_adds("inference", 8, 2, 0.25) == 6 * 2 + 2 * 8 * 0.25
    assert multiply_adds("training step", 8, 2, 0.25) == (6 + 17) * 2 + 2 * (2 * 8 * 0.25) + 2 * 8
    inference, training = bench_small_block((1, 33, 8), Rounds(count=1))
    for table in (inference, training):
        rows = {row["name"]: row for row in table.rows}
        for name in ("N = 4", "N = 16", "N = 64"):
            assert rows[name]["rate"] is not None
            assert rows[name]["times_ours"] == [1, 1, 1]
            assert rows[f"{name}, both directions"]["times_ours"] is not None


def test_slope_of_a_power() -> None:
    assert slope([1, 10, 100], [5, 50, 500]) == pytest.approx(1)
    assert slope([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2)
    assert slope([1], [5]) == 0


def test_caches_are_read_where_the_system_tells(tmp_path) -> None:
    for number, (level, kind, size) in enumerate(
        (("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2M"))
    ):
        (tmp_path / f"index{number}").mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (tmp_path / f"index{number}" / name).write_text(f"{text}\n")
    assert caches(tmp_path) == {"L1d": "48K", "L1i": "32K", "L2": "2M"}
    assert caches(tmp_path / "nothing") == {}


def test_the_share_of_a_head_is_what_the_step_without_it_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    timings = [Timing("no head, 20", (1.0,)), Timing("plain head, 20", (4.0,)), Timing("adaptive head, 20", (2.0,))]
    assert shares_of_head(timings) == {"plain head, 20": 0.75, "adaptive head, 20": 0.5}
    monkeypatch.setattr(language_head, "VOCABULARIES", {20: (4, 10)})
    (table,) = bench_language_head((2, 5, 16), Rounds(count=1))
    assert [row["name"] for row in table.rows] == ["no head, 20", "plain head, 20", "adaptive head, 20"]
    assert table.rows[1]["times_ours"] == [1, 1, 1]
    assert len(table.remarks) == 2
