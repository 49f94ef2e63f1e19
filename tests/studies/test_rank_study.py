"""The study of ranks, its memory span, and the training loop."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from longspike._studies.fitting import fit_steps
from longspike._studies.memory_span import SpanSettings, band_limited, final_states, memory_span, read_out_errors
from longspike._studies.rank import RankSettings, _cost, network_config
from longspike.errors import ConfigError
from longspike.ssm.dplr import legs_dplr
from longspike.training import DivergedError, TrainingConfig

SPAN = SpanSettings(d_state=16, dt=0.05, cycles=2.0, num_signals=160, lags=9, max_lag=4.0)


def test_signals_are_band_limited_and_of_unit_variance() -> None:
    x = band_limited(5, 200, 0.1, torch.Generator().manual_seed(1))
    assert x.shape == (5, 200)
    assert float(x.std()) == pytest.approx(1, rel=1e-3)
    power = torch.fft.rfft(x * torch.hann_window(200)).abs().square().sum(dim=0)
    above = torch.fft.rfftfreq(200) > 0.12
    assert float(power[above].sum() / power.sum()) < 1e-3


def test_a_read_out_finds_what_is_linear_and_nothing_else() -> None:
    states = torch.randn(400, 3, dtype=torch.float64)
    targets = torch.stack([states @ torch.tensor([1.0, -2.0, 0.5]).double(), torch.randn(400).double()], dim=1)
    errors = read_out_errors(states, targets, ridge=1e-10)
    assert float(errors[0]) < 1e-6
    assert 0.9 < float(errors[1]) < 1.1


def test_final_states_are_the_layers_own() -> None:
    """A held constant ends at -A^-1 B: all of LegS' memory in the first coefficient, u."""
    states = final_states(torch.ones(2, 2000), settings=SPAN, rank=1)
    assert states.shape == (2, 16)
    torch.testing.assert_close(states[0], states[1])
    coefficients = 2 * (legs_dplr(16).v @ torch.view_as_complex(states[0].view(8, 2).contiguous())).real
    torch.testing.assert_close(coefficients, torch.eye(16, dtype=torch.float64)[0], rtol=0, atol=1e-3)


def test_the_low_rank_keeps_the_memory() -> None:
    """The normal part of LegS alone forgets what LegS keeps; small random columns change little."""
    diag, one, three = (memory_span(SPAN, rank=rank, seed=0) for rank in (0, 1, 3))
    assert one.mean_error < 0.2 * diag.mean_error
    assert three.mean_error == pytest.approx(one.mean_error, rel=0.3, abs=1e-3)
    assert one.errors[0] < 0.01
    assert one.span >= diag.span
    assert one == memory_span(SPAN, rank=1, seed=0)
    assert one != memory_span(SPAN, rank=1, seed=1)


def test_rank_0_is_structure_diag() -> None:
    configs = {
        rank: network_config(RankSettings(), rank, sensor_size=(9, 7), num_classes=4).memory for rank in (0, 1, 8)
    }
    assert [configs[rank].structure for rank in (0, 1, 8)] == ["diag", "dplr", "dplr"]
    assert [configs[rank].rank for rank in (1, 8)] == [1, 8]
    assert replace(configs[1], rank=8) == configs[8]


def test_a_tick_costs_something() -> None:
    cost = _cost(RankSettings.quick(), 1, 32)
    assert 0 < cost.tick_us < cost.training_tick_us < 1e5
    assert 0 < cost.gap_us < 1e5


def test_fit_steps_minimises_and_repeats() -> None:
    target = torch.tensor([1.0, -2.0, 3.0])

    def fitted() -> torch.Tensor:
        torch.manual_seed(3)
        model = nn.Linear(1, 3)
        x = torch.ones(1, 1)
        config = TrainingConfig(lr=0.3, weight_decay=0.0, clip_norm=None)
        last = fit_steps(model, lambda step: (model(x)[0] - target).square().sum(), config, num_steps=150)
        assert last < 1e-3
        return model.weight.detach()

    assert torch.equal(fitted(), fitted())


def test_fit_steps_stops_when_it_diverges() -> None:
    model = nn.Linear(1, 1)
    losses = [1.0, math.inf]
    with pytest.raises(DivergedError, match="stopped being finite at step 2 of 4"):
        fit_steps(model, lambda step: model.weight.sum() * losses[step], TrainingConfig(), num_steps=4)


def test_messages() -> None:
    with pytest.raises(ConfigError, match=r"RankSettings: `epochs` .* got 0; `lr` .* got nan; `ranks` .* got \(-1,\)"):
        RankSettings(ranks=(-1,), epochs=0, lr=math.nan)
    with pytest.raises(ConfigError, match=r"`num_train` must be an integer .*; `cycles` must be one or more positive"):
        RankSettings(num_train=0, cycles=())
    with pytest.raises(ValueError, match="SpanSettings: `max_lag`"):
        SpanSettings(max_lag=9.0, span=8.0)
