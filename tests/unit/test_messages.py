"""Every refusal names the argument, what came, and what to do."""

import re

import pytest
import torch

from longspike import functional
from longspike._core.checks import check_choice
from longspike._core.extras import require
from longspike._explain import explain
from longspike.errors import BackendUnavailableError, ConfigError, LongspikeError, MissingExtraError
from longspike.functional import LIFState, beta_from_tau, hard_reset_orbit, refractory_lif
from longspike.kernels.s4d_scan import s4d_scan
from longspike.models import SpikeSSM, SpikeSSMConfig
from longspike.nn import (
    S4D,
    SDN,
    HardResetLIF,
    MeanPool,
    NeuronConfig,
    RefractoryLIF,
    SpikingBlock,
    Surrogate,
    TiedDropout,
)
from operators import s4d_case

X = torch.zeros(2, 5, 3)


def lif(x=X, **options):
    return lambda: refractory_lif(x, **{"beta": 0.5, **options})


def state(*shapes) -> tuple:
    return tuple(torch.zeros(shape) for shape in shapes)


def network(**changes) -> SpikeSSM:
    return SpikeSSM(SpikeSSMConfig(**{"d_input": 2, "d_model": 4, "d_state": 4, "num_layers": 1, **changes}))


def with_nan(where: tuple[int, ...]) -> torch.Tensor:
    x = torch.zeros(2, 300, 3)
    x[where] = float("nan")
    return x


CASES = {
    "lif: list": (lif([1.0]), TypeError, r"refractory_lif: `current` must be a torch.Tensor; got \[1.0\] of type list"),
    "lif: two axes": (
        lif(X[0]),
        ValueError,
        r"`current` must have shape \(batch, seqlen, channels\); got .*\(5, 3\).*Add",
    ),
    "lif: integers": (
        lif(X.long()),
        TypeError,
        r"`current` must be floating point; got dtype torch.int64.*x.float\(\)",
    ),
    "lif: beta 1": (lif(beta=1.0), ValueError, r"`beta` must lie in \(0, 1\); got 1\. Did .*beta_from_tau"),
    "lif: beta 0": (lif(beta=0.0), ValueError, r"`beta` must lie in \(0, 1\); got 0\."),
    "lif: beta is a time": (lif(beta=20), ValueError, "beta_from_tau"),
    "lif: beta nan": (lif(beta=float("nan")), ValueError, "got min=nan"),
    "lif: beta rows": (lif(beta=torch.tensor([0.5, 1.02, 0.1])), ValueError, "got min=0.1, max=1.02"),
    "lif: beta shape": (
        lif(beta=torch.full((2,), 0.5)),
        ValueError,
        r"`beta` must be a scalar or one value per channel \(3\)",
    ),
    "lif: beta matrix": (lif(beta=torch.full((1, 3), 0.5)), ValueError, r"one value per channel \(3\).*\(1, 3\)"),
    "lif: threshold": (lif(threshold=0.0), ValueError, r"`threshold` must lie in \(0, inf\); got 0"),
    "lif: endless threshold": (lif(threshold=float("inf")), ValueError, r"`threshold` must lie in \(0, inf\); got inf"),
    "lif: rho": (lif(rho=-0.1), ValueError, r"`rho` must lie in \[0, inf\); got -0.1. rho=0 is the plain LIF"),
    "lif: gamma": (lif(gamma=1.0), ValueError, r"`gamma` must lie in \[0, 1\); got 1"),
    "lif: reset": (lif(reset="soft"), ValueError, "`reset` must be one of 'subtract', 'zero', 'none'; got 'soft'"),
    "lif: gradient": (lif(gradient="none"), ValueError, "`gradient` must be one of 'full', 'detach_reset', 'instant'"),
    "lif: method": (lif(method="fast"), ValueError, "`method` must be one of 'auto', 'sequential', 'pmbc'.*got 'fast'"),
    "lif: surrogate": (lif(surrogate="step"), ValueError, "Surrogate: `name` must be one of 'triangle', .*got 'step'"),
    "lif: state of two": (
        lif(state=state((2, 3), (2, 3))),
        ValueError,
        r"`state` must be \(v, r, spike\); got 2 entries",
    ),
    "lif: state of another batch": (
        lif(state=LIFState(*state((2, 3), (1, 3), (2, 3)))),
        ValueError,
        r"`state.r` must have shape \(2, 3\); got .*\(1, 3\)",
    ),
    "lif: pmbc with zero reset": (
        lif(method="pmbc", reset="zero"),
        ValueError,
        "method='pmbc' needs a linear reset path",
    ),
    "lif: nan": (lif(with_nan((1, 7, 2))), ValueError, "`current` must not hold NaN; the membrane of channel 2"),
    "lif: nan, zero reset": (lif(with_nan((0, 0, 0)), reset="zero"), ValueError, "must not hold NaN; .* channel 0"),
    "lif: compiled in half": (
        lambda: explain("refractory_lif", X.bfloat16(), method="sequential"),
        BackendUnavailableError,
        "method='sequential' cannot run, because the compiled kernels take float32 and float64, not torch.bfloat16",
    ),
    "s4d: compiled in half": (
        lambda: s4d_scan(*s4d_case(1, 2, 3, 1, dtype=torch.bfloat16), method="scan"),
        BackendUnavailableError,
        "s4d_scan: method='scan' cannot run.*Use method='auto'",
    ),
    "linear: compiled in half": (
        lambda: explain("linear", (2, 5, 3), method="compiled", dtype=torch.bfloat16),
        BackendUnavailableError,
        "linear: method='compiled' cannot run",
    ),
    "tau": (lambda: beta_from_tau(0.0, 1e-3), ValueError, "`tau_s` must be a positive number of seconds; got 0.0"),
    "step": (
        lambda: beta_from_tau(0.02, float("inf")),
        ValueError,
        "`step_s` must be a positive number of seconds; got inf",
    ),
    "orbit: beta": (
        lambda: hard_reset_orbit(X, beta=1.5),
        ValueError,
        r"hard_reset_orbit: `beta` must lie in \(0, 1\)",
    ),
    "orbit: shape": (
        lambda: hard_reset_orbit(X[0], beta=0.5),
        ValueError,
        "hard_reset_orbit: `current` must have shape",
    ),
    "surrogate scale": (lambda: Surrogate("atan", -1.0), ValueError, "`scale` must be positive and finite; got -1.0"),
    "surrogate nan": (
        lambda: Surrogate("atan", float("nan")),
        ValueError,
        "`scale` must be positive and finite; got nan",
    ),
    "neuron: channels": (lambda: RefractoryLIF(0), ValueError, "`channels` must be an integer of at least 1; got 0"),
    "neuron: half a channel": (lambda: RefractoryLIF(1.5), ValueError, "`channels` must be an integer .* got 1.5"),
    "neuron: true": (lambda: HardResetLIF(True), ValueError, "`channels` must be an integer .* got True"),
    "neuron: beta": (lambda: RefractoryLIF(3, beta=0.0), ValueError, r"RefractoryLIF: `beta` must lie in \(0, 1\)"),
    "neuron: gamma": (lambda: RefractoryLIF(3, gamma=0.0), ValueError, r"`gamma` must lie in \(0, 1\)"),
    "neuron: threshold": (lambda: RefractoryLIF(3, threshold=-1.0), ValueError, "`threshold` must lie in"),
    "neuron: rho": (lambda: RefractoryLIF(3, rho=-1.0), ValueError, "`rho` must lie in"),
    "neuron: reset": (lambda: RefractoryLIF(3, reset="soft"), ValueError, "RefractoryLIF: `reset` must be one of"),
    "neuron: gradient": (
        lambda: RefractoryLIF(3, gradient="x"),
        ValueError,
        "RefractoryLIF: `gradient` must be one of",
    ),
    "neuron: input": (lambda: RefractoryLIF(4)(X), ValueError, "`x` must have 4 channels on its last axis"),
    "hard reset: beta": (lambda: HardResetLIF(3, beta=1.0), ValueError, "HardResetLIF: `beta` must lie in"),
    "hard reset: method": (lambda: HardResetLIF(3, method="pmbc"), ValueError, "HardResetLIF: `method` must be one of"),
    "hard reset: input": (lambda: HardResetLIF(4)(X), ValueError, "HardResetLIF: `x` must have 4 channels"),
    "sdn: channels": (lambda: SDN(0), ValueError, "SDN: `channels` must be an integer"),
    "sdn: input": (lambda: SDN(4)(X), ValueError, "SDN: `x` must have 4 channels"),
    "s4d: odd": (lambda: S4D(3, d_state=5), ValueError, r"`d_state` must be even \(conjugate pairs\); got 5. Use 6"),
    "s4d: small": (lambda: S4D(3, d_state=1), ValueError, "`d_state` must be an integer of at least 2; got 1"),
    "s4d: model": (lambda: S4D(0), ValueError, "S4D: `d_model` must be an integer of at least 1"),
    "s4d: init": (
        lambda: S4D(3, init="random"),
        ValueError,
        "`init` must be one of 'lin', 'inv', 'legs'; got 'random'",
    ),
    "s4d: discretisation": (
        lambda: S4D(3, discretisation="euler"),
        ValueError,
        "`discretisation` must be one of 'zoh'",
    ),
    "s4d: method": (lambda: S4D(3, method="loop"), ValueError, "S4D: `method` must be one of"),
    "s4d: dt": (lambda: S4D(3, dt_min=0.2, dt_max=0.1), ValueError, r"`dt_min` must lie in \(0, 0.1\]; got 0.2"),
    "s4d: input": (lambda: S4D(4)(X), ValueError, "S4D: `x` must have 4 channels"),
    "s4d: state": (
        lambda: S4D(3, d_state=4)(X, torch.zeros(1, 2, 2, 3)),
        ValueError,
        r"`state` must have shape \(2, 2, 2, 3\)",
    ),
    "neuron config: kind": (lambda: NeuronConfig(kind="cell"), ValueError, "NeuronConfig: `kind` must be one of"),
    "neuron config: surrogate": (lambda: NeuronConfig(surrogate="step"), ValueError, "`name` must be one of"),
    "block: norm": (lambda: SpikingBlock(3, norm="batch"), ValueError, "SpikingBlock: `norm` must be one of"),
    "block: bidirectional": (
        lambda: (block := SpikingBlock(3, d_state=4, is_bidirectional=True))(X, block.init_state(2)),
        ValueError,
        "a bidirectional block takes no state; it needs the whole sequence",
    ),
    "dropout": (lambda: TiedDropout(1.0), ValueError, r"TiedDropout: `p` must lie in \[0, 1\); got 1"),
    "pool: count": (lambda: MeanPool(3)(X, lengths=torch.tensor([1])), ValueError, "`lengths` must hold 2 integers"),
    "pool: floats": (
        lambda: MeanPool(3)(X, lengths=torch.tensor([1.0, 2.0])),
        ValueError,
        "`lengths` must hold 2 integers",
    ),
    "pool: long": (lambda: MeanPool(3)(X, lengths=torch.tensor([1, 6])), ValueError, r"`lengths` must lie in \[0, 5\]"),
    "pool: negative": (
        lambda: MeanPool(3)(X, lengths=torch.tensor([-1, 5])),
        ValueError,
        r"`lengths` must lie in \[0, 5\]",
    ),
    "network: input": (lambda: network()(X), ValueError, "SpikeSSM: `x` must have 2 channels"),
    "network: tokens": (
        lambda: network(encoder="embedding")(X),
        ValueError,
        r"must hold integer tokens of shape \(batch, seqlen\)",
    ),
    "network: lengths": (
        lambda: network()(X[..., :2], lengths=torch.tensor([5, 6])),
        ValueError,
        "No sample is longer",
    ),
    "preset": (
        lambda: SpikeSSM.from_preset("smnst"),
        ConfigError,
        "no preset 'smnst'. Did you mean 'smnist'.* The presets are",
    ),
    "explain": (lambda: explain("lif", X), ValueError, "explain: `operator` must be one of 'refractory_lif'"),
    "explain: shape": (
        lambda: explain("glu", (2, 3)),
        ValueError,
        r"`x` must have shape \(batch, seqlen, channels\); got \(2, 3\)",
    ),
    "extra": (
        lambda: require("nothing_of_this_name.part", extra="viz", purpose="Plotting"),
        MissingExtraError,
        re.escape(
            "Plotting needs the package 'nothing_of_this_name', which is not installed. "
            'Run: pip install "longspike[viz]"'
        ),
    ),
    "choice": (lambda: check_choice("f", "x", 3, ("a", "b")), ValueError, r"f: `x` must be one of 'a', 'b'; got 3\.$"),
    "nearest choice": (
        lambda: check_choice("f", "x", "bilnear", ("expm", "bilinear")),
        ValueError,
        r"got 'bilnear'\. Did you mean 'bilinear'\?$",
    ),
}


COMPILED = "lif: compiled in half"


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=pytest.mark.needs_extension if name == COMPILED else ()) for name in CASES]
)
def test_message(case: str) -> None:
    call, error, message = CASES[case]
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 0}, "`d_model` must be an integer of at least 1 and at most 65536; got 0"),
        ({"num_layers": True}, "`num_layers` must be an integer of at least 1 and at most 1024; got True"),
        ({"d_state": 7}, r"`d_state` must be even \(conjugate pairs\); got 7"),
        ({"dropout": 1.0}, r"`dropout` must lie in \[0, 1\); got 1.0"),
        ({"dt_min": 0.0}, "0 < `dt_min` <= `dt_max` must hold; got 0.0 and 0.1"),
        ({"norm": "batch"}, "`norm` must be one of 'pre', 'post', 'none'; got 'batch'"),
        ({"init": "x"}, "`init` must be one of 'lin', 'inv', 'legs'"),
        ({"discretisation": "x"}, "`discretisation` must be one of 'zoh', 'bilinear'"),
        ({"encoder": "x"}, "`encoder` must be one of 'linear', 'embedding'"),
        ({"pool": "max"}, "`pool` must be one of 'mean', 'none'; got 'max'"),
        ({"dropout": None}, r"`dropout` must lie in \[0, 1\); got None"),
        ({"dt_max": "long"}, "must hold; got 0.001 and 'long'"),
        ({"d_input": 0, "pool": "max"}, "`d_input` must .*; `pool` must"),
    ],
)
def test_configuration_names_every_mistake(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SpikeSSMConfig(**changes)


def test_a_neuron_names_every_mistake() -> None:
    with pytest.raises(
        ConfigError,
        match=r"^NeuronConfig: `kind` .*; `beta` must lie in \(0, 1\); got 1.5; `threshold` must be positive and finite"
        r"; got 0; `rho` must be at least 0 and finite; got -1; Surrogate: `scale` must be .*; got -2\.$",
    ):
        NeuronConfig(kind="cell", beta=1.5, threshold=0, rho=-1, surrogate_scale=-2)


def test_errors_are_also_pythons_own() -> None:
    """So that `except ValueError` and `except RuntimeError` go on working."""
    assert issubclass(ConfigError, ValueError)
    assert issubclass(BackendUnavailableError, RuntimeError)
    assert issubclass(MissingExtraError, ImportError)
    assert issubclass(ConfigError, LongspikeError)


@pytest.mark.needs_extension
def test_explain_says_which_and_why() -> None:
    choice = explain("refractory_lif", torch.zeros(8, 130, 64))
    assert (choice.method, choice.backend) == ("sequential", "cpp")
    assert "8 x 64 lanes" in choice.reason
    assert str(choice) == f"refractory_lif: sequential (cpp), because {choice.reason}"
    assert explain("refractory_lif", (1, 20_000, 3), dtype=torch.bfloat16).method == "reference"
    assert explain("s4d_scan", (2, 65, 3)).method == "scan"
    assert explain("s4d_scan", (2, 65, 3), device="meta").method == "fft"
    assert explain("s4d_scan", (2, 2, 3), device="meta").method == "reference"
    assert explain("linear", (2, 65, 3)).method == "compiled"
    assert explain("glu", (2, 65, 3), dtype=torch.float16).method == "reference"


@pytest.mark.needs_extension
def test_auto_speculates_on_one_long_sequence() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert explain("refractory_lif", (1, 20_000, 3)).method == "speculative"
        assert explain("refractory_lif", (1, 20_000, 33)).method == "sequential"
        assert explain("refractory_lif", (8, 20_000, 3)).method == "sequential"
        torch.set_num_threads(1)
        assert explain("refractory_lif", (1, 20_000, 3)).method == "sequential"
    finally:
        torch.set_num_threads(before)


def test_certificate_is_what_explain_said() -> None:
    x = torch.randn(2, 65, 3)
    *_, certificate = functional.refractory_lif(x, beta=0.5, return_certificate=True)
    assert certificate.method == explain("refractory_lif", x).method
