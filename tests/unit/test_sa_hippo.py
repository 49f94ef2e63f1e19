"""What the spike-aware memory says about bad arguments, and how it starts."""

import math

import pytest
import torch

from longspike._explain import explain
from longspike.nn import SAHippo

U, DELTA, OFFSETS = torch.zeros(5, 6), torch.ones(5), torch.tensor([0, 2, 5])


def layer(**options) -> SAHippo:
    return SAHippo(6, **{"d_state": 4, "rank": 2, **options})


MESSAGES = {
    "d_state": (lambda: layer(d_state=5), ValueError, "`d_state` must be even .conjugate pairs.; got 5. Use 6"),
    "heads": (lambda: layer(num_heads=4), ValueError, "`num_heads` must divide d_model=6; got 4"),
    "rank": (lambda: layer(rank=65), ValueError, "`rank` must be at most 64; got 65"),
    "negative rank": (lambda: layer(rank=-1), ValueError, "`rank` must be an integer of at least 0; got -1"),
    "transition": (
        lambda: layer(transition="zoh"),
        ValueError,
        "`transition` must be one of 'bilinear', 'expm', 'taylor2'",
    ),
    "structure": (
        lambda: layer(structure="dense"),
        ValueError,
        "`structure` must be one of 'dplr', 'diag'; got 'dense'",
    ),
    "input": (lambda: layer(input="dirac"), ValueError, "`input` must be one of 'impulse', 'held'; got 'dirac'"),
    "decay": (lambda: layer(decay="full"), ValueError, "`decay` must be one of 'separable', 'none'; got 'full'"),
    "method": (lambda: layer(method="scan"), ValueError, "`method` must be one of 'auto', 'recurrent'"),
    "dt": (lambda: layer(dt_min=0.2), ValueError, r"`dt_min` must lie in \(0, 0.1\]; got 0.2"),
    "decays": (lambda: layer(decay_min=9.0), ValueError, r"`decay_min` must lie in \(0, 5\]; got 9"),
    "diag": (
        lambda: layer(structure="diag", transition="taylor2"),
        ValueError,
        "structure='diag' has an exact exponential; got transition='taylor2'. Use 'bilinear' or 'expm'",
    ),
    "u": (lambda: layer()(U[None], DELTA, OFFSETS), ValueError, r"`u` must have shape \(ticks, 6\).*go to sequence"),
    "u dtype": (
        lambda: layer()(U.int(), DELTA, OFFSETS),
        TypeError,
        "`u` must be floating point; got dtype torch.int32",
    ),
    "delta": (lambda: layer()(U, DELTA[:4], OFFSETS), ValueError, r"`delta` must have shape \(5,\), one gap per tick"),
    "negative delta": (
        lambda: layer()(U, -DELTA, OFFSETS),
        ValueError,
        r"`delta` must lie in \[0, inf\); got -1. .* are the ticks of a sample in order",
    ),
    "nan delta": (lambda: layer()(U, DELTA * math.nan, OFFSETS), ValueError, "`delta` must lie in .* got min=nan"),
    "infinite delta": (lambda: layer()(U, DELTA / 0, OFFSETS), ValueError, "`delta` must lie in .* got inf"),
    "offsets": (
        lambda: layer()(U, DELTA, torch.tensor([0, 3, 4])),
        ValueError,
        r"must rise from 0 to 5, the ticks of `u`; got \[0, 3, 4\]",
    ),
    "falling": (lambda: layer()(U, DELTA, torch.tensor([0, 5, 4, 5])), ValueError, "`offsets` must rise from 0 to 5"),
    "offsets dtype": (
        lambda: layer()(U, DELTA, OFFSETS.float()),
        ValueError,
        "`offsets` must be an int64 tensor .* torch.float32",
    ),
    "state": (
        lambda: layer()(U, DELTA, OFFSETS, torch.zeros(2, 1, 2, 2, 5)),
        ValueError,
        r"`state` must have shape \(2, 1, 2, 2, 6\).* Start from init_state",
    ),
    "sequence": (lambda: layer().sequence(U), ValueError, r"SAHippo.sequence: `u` must have shape \(batch, seqlen, ch"),
    "fft": (
        lambda: layer(method="fft")(U, torch.arange(5.0), OFFSETS),
        ValueError,
        "method='fft' needs one gap for all ticks; got 5 different ones in `delta`",
    ),
    "dense route": (
        lambda: layer(transition="expm", method="recurrent")(U, DELTA, OFFSETS),
        ValueError,
        "transition='expm' is dense and runs by method='reference'; got method='recurrent'",
    ),
    "half, compiled": (
        lambda: explain("sa_hippo", (2, 5, 3), dtype=torch.bfloat16, method="recurrent"),
        RuntimeError,
        "sa_hippo: method='recurrent' cannot run, because the compiled kernels take float32 and float64",
    ),
}


COMPILED = "half, compiled"


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=pytest.mark.needs_extension if name == COMPILED else ()) for name in MESSAGES]
)
def test_messages(case: str) -> None:
    call, error, match = MESSAGES[case]
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize(
    ("seqlen", "dtype", "method"),
    [
        pytest.param(9, torch.float32, "recurrent", marks=pytest.mark.needs_extension),
        (9, torch.bfloat16, "fft"),
        (2, torch.bfloat16, "reference"),
    ],
)
def test_explain(seqlen: int, dtype: torch.dtype, method: str) -> None:
    assert explain("sa_hippo", (2, seqlen, 3), dtype=dtype).method == method


def test_half_precision_in_and_out() -> None:
    memory = layer()
    u = torch.randn(5, 6, dtype=torch.bfloat16)
    y, end = memory(u, DELTA, OFFSETS)
    assert y.dtype == torch.bfloat16
    assert end.dtype == torch.float32
    assert torch.equal(y, memory(u.float(), DELTA, OFFSETS)[0].bfloat16())


def test_whole_numbers_may_be_integers() -> None:
    memory, u = layer(), torch.randn(5, 6)
    delta = torch.tensor([1, 4, 2, 1, 9])
    assert torch.equal(memory(u, delta, OFFSETS)[0], memory(u, delta.float(), OFFSETS)[0])


def test_every_parameter_gets_a_gradient_and_dynamics_names_them() -> None:
    memory = layer(num_heads=2)
    y, _ = memory(torch.randn(5, 6), torch.tensor([1.0, 4.0, 2.0, 1.0, 9.0]), OFFSETS)
    y.square().sum().backward()
    for parameter in memory.parameters():
        assert parameter.grad is not None
        assert bool(parameter.grad.isfinite().all())
        assert bool(parameter.grad.any())
    assert {*SAHippo.DYNAMICS, "C", "D"} == dict(memory.named_parameters()).keys()
    assert layer(decay="none").log_decay is None


def test_steps_and_decays_start_log_uniform_between_their_bounds() -> None:
    memory = SAHippo(4001, d_state=2, num_heads=4001, dt_min=2e-3, dt_max=5e-2, decay_min=0.1, decay_max=10.0)
    for value, low, high in ((memory.log_dt, 2e-3, 5e-2), (memory.log_decay, 0.1, 10.0)):
        log, middle = value.detach(), math.log(low * high) / 2
        assert math.log(low) - 1e-5 <= float(log.min()) < math.log(1.1 * low)
        assert math.log(0.9 * high) < float(log.max()) <= math.log(high) + 1e-5
        assert abs(float(log.mean()) - middle) < 0.1


def test_a_lone_spike_moves_the_output_by_about_one() -> None:
    memory = SAHippo(2000, d_state=64)
    with torch.no_grad():
        y, _ = memory(torch.ones(1, 2000), torch.ones(1), torch.tensor([0, 1]))
    assert 0.8 < float((y[0] - memory.D.detach()).std()) < 1.2


def test_the_columns_behind_the_first_start_small() -> None:
    memory = SAHippo(6, d_state=64, rank=8, num_heads=6)
    assert abs(float(memory.R[..., 1:].detach().std()) * 64**0.5 - 0.1) < 0.01
