"""Every route of the neuron gives the spikes of the reference loop."""

import math

import numpy as np
import pytest
import torch

from longspike import explain, functional
from longspike.functional import Certificate, LIFState, refractory_lif
from longspike.kernels import native
from longspike.kernels.refractory_lif import compiled
from operators import LAYOUTS, RESETS, SEQLENS, lif_case, numpy_lif
from tolerances import PMBC_STATE

ROUTES = [(m, r) for m in ("sequential", "speculative", "pmbc") for r in RESETS if (m, r) != ("pmbc", "zero")]
DTYPES = (torch.float32, torch.float64)


def run(case, reset, method, **options):
    return refractory_lif(
        case.current, **case.named(), reset=reset, state=LIFState(*case.state), method=method, **options
    )


def assert_same_bits(a, b):
    assert a.dtype == b.dtype
    assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reset", RESETS)
def test_reference_follows_the_equations(reset: str, dtype: torch.dtype) -> None:
    case = lif_case(2, 71, 7, dtype=dtype)
    spikes, _ = run(case, reset, "reference")
    expected = numpy_lif(case, reset)
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(spikes.numpy(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seqlen", SEQLENS)
@pytest.mark.parametrize(("batch", "channels"), [(1, 1), (2, 5), (3, 37)])
@pytest.mark.parametrize(("method", "reset"), ROUTES)
def test_equals_reference(method: str, reset: str, batch: int, channels: int, seqlen: int, dtype: torch.dtype) -> None:
    # PMBC needs hundreds of passes on slow neurons; those have tests of their own below.
    seqlen = min(seqlen, 400) if method == "pmbc" and channels > 5 else seqlen
    case = lif_case(batch, seqlen, channels, dtype=dtype, slowest=0.5 if method == "pmbc" else 0.98)
    spikes, end, certificate = run(case, reset, method, return_certificate=True)
    expected, expected_end = run(case, reset, "reference")
    assert_same_bits(spikes, expected)
    assert spikes.shape == (batch, seqlen, channels)
    for part, truth in zip(end, expected_end, strict=True):
        if method == "pmbc":
            torch.testing.assert_close(part, truth, rtol=0, atol=PMBC_STATE[str(dtype).removeprefix("torch.")])
        else:
            assert_same_bits(part, truth)
    assert isinstance(certificate, Certificate)
    assert certificate.method == method
    assert certificate.positions == (0 if seqlen == 0 and method == "pmbc" else spikes.numel())
    assert 0 <= certificate.resolved <= certificate.positions


def test_auto_is_the_route_that_explain_names() -> None:
    case = lif_case(2, 130, 5)
    choice = explain("refractory_lif", case.current)
    assert choice.method == ("sequential" if native.is_available() else "reference")
    spikes, end, certificate = run(case, "subtract", "auto", return_certificate=True)
    expected, expected_end = run(case, "subtract", choice.method)
    assert certificate.method == choice.method
    for part, truth in zip((spikes, *end), (expected, *expected_end), strict=True):
        assert_same_bits(part, truth)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("method", "reset"), ROUTES)
def test_strides_do_not_matter(method: str, reset: str, layout: str) -> None:
    case = lif_case(2, 70, 5, layout=layout)
    copy = case.current.clone()
    spikes, _ = run(case, reset, method)
    expected, _ = run(case._replace(current=case.current.contiguous()), reset, "reference")
    assert_same_bits(spikes, expected)
    assert torch.equal(case.current, copy)


def test_inputs_stay_as_they_were() -> None:
    case = lif_case(2, 70, 5)
    copies = [x.clone() for x in (*case.parameters, *case.state)]
    for method, reset in ROUTES:
        run(case, reset, method)
    for x, copy in zip((*case.parameters, *case.state), copies, strict=True):
        assert torch.equal(x, copy)


@pytest.mark.parametrize("reset", RESETS)
def test_speculative_in_many_chunks_is_sequential(reset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "speculation", lambda *_: (64, 3))
    case = lif_case(3, 715, 19)
    spikes, end, certificate = run(case, reset, "speculative", return_certificate=True)
    expected, expected_end = run(case, reset, "sequential")
    assert certificate.repaired > 0
    assert_same_bits(spikes, expected)
    for part, truth in zip(end, expected_end, strict=True):
        assert_same_bits(part, truth)


@pytest.mark.needs_extension
def test_speculative_checkpoints_are_those_of_sequential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "speculation", lambda *_: (64, 2))
    case = lif_case(2, 333, 5)
    saved = [compiled.forward(*case, "zero", method)[2] for method in ("sequential", "speculative")]
    assert_same_bits(*saved)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("batch", "channels"), [(1, 1), (1, 16), (2, 17), (1, 300)])
@pytest.mark.parametrize("warmup", [1, 40, 64])
def test_speculative_waves_of_chunks_are_sequential(
    warmup: int, batch: int, channels: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks side by side, the last one short, guesses that fail early or late; also where speculation is given up."""
    monkeypatch.setattr(compiled, "speculation", lambda *_: (64, warmup))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        for seqlen in (64 * 14, 64 * 13 + 1, 64 * 27 + 50):
            case = lif_case(batch, seqlen, channels, slowest=0.9, seed=seqlen)
            for current in (case.current, torch.full_like(case.current, 0.3)):
                case = case._replace(current=current)
                found, end = run(case, "subtract", "speculative")
                expected, expected_end = run(case, "subtract", "sequential")
                assert_same_bits(found, expected)
                for part, truth in zip(end, expected_end, strict=True):
                    assert_same_bits(part, truth)
    finally:
        torch.set_num_threads(before)


def test_speculation_is_given_up_where_guesses_fail() -> None:
    """A constant drive locks phases: the first wave shows it, and the rest of the chunks is not guessed."""
    options = {"beta": 0.9, "rho": 0.0, "gamma": 0.5, "return_certificate": True}
    spikes, _, certificate = refractory_lif(torch.full((1, 60_000, 2), 0.15), **options, method="speculative")
    expected, _, _ = refractory_lif(torch.full((1, 60_000, 2), 0.15), **options, method="sequential")
    chunk, _ = compiled.speculation(
        (1, 60_000, 2), (torch.full((2,), 0.9), *torch.zeros(3, 2)), torch.get_num_threads()
    )
    assert 0 < certificate.repaired < 2 * (60_000 // chunk)
    assert_same_bits(spikes, expected)


def test_speculative_repairs_a_nearly_constant_drive() -> None:
    current = 0.011 + 1e-6 * torch.randn(1, 40_001, 3)
    options = {"beta": 0.99, "threshold": 1.0, "rho": 0.3, "gamma": 0.7}
    spikes, end, certificate = refractory_lif(current, **options, method="speculative", return_certificate=True)
    expected, expected_end = refractory_lif(current, **options, method="sequential")
    assert certificate.repaired > 0
    assert expected.sum() > 100
    assert_same_bits(spikes, expected)
    for part, truth in zip(end, expected_end, strict=True):
        assert_same_bits(part, truth)


@pytest.mark.parametrize("method", ["sequential", "speculative"])
def test_a_trace_that_fades_out_decides_nothing(method: str) -> None:
    """Below the smallest normal number the compiled routes count a state as zero; the reference loop does not."""
    current = torch.zeros(2, 3000, 5)
    current[:, ::1000] = torch.tensor([1.5, 2.0, 0.5, 1.1, 3.0])
    options = {"beta": 0.97, "rho": 0.4, "gamma": torch.tensor([0.9, 0.8, 0.5, 0.99, 0.3])}
    spikes, end = refractory_lif(current, **options, method=method)
    expected, expected_end = refractory_lif(current, **options, method="reference")
    smallest = torch.finfo(torch.float32).smallest_normal
    assert bool(((expected_end.r > 0) & (expected_end.r < smallest)).any())
    assert 0 < expected.sum() < 100
    assert_same_bits(spikes, expected)
    for part, truth in zip(end, expected_end, strict=True):
        assert_same_bits(part, torch.where(truth.abs() < smallest, 0, truth))


@pytest.mark.parametrize("dtype", DTYPES)
def test_pmbc_on_constant_drive_repairs_and_is_exact(dtype: torch.dtype) -> None:
    current = torch.tensor([0.3, 0.45, 0.85], dtype=dtype).expand(2, 1003, 3)
    options = {"beta": 0.9, "rho": 0.4, "gamma": 0.6}
    spikes, _, certificate = refractory_lif(current, **options, method="pmbc", return_certificate=True)
    expected, _ = refractory_lif(current, **options, method="reference")
    assert certificate.iterations == 64
    assert certificate.repaired > 0
    assert certificate.resolved < certificate.positions
    assert_same_bits(spikes, expected)


@pytest.mark.parametrize("reset", ["subtract", "none"])
@pytest.mark.parametrize(("mean", "noise"), [(0.2, 0.02), (0.6, 0.3), (-0.1, 0.5), (3.0, 0.1)])
def test_pmbc_on_mean_driven_firing_is_exact(mean: float, noise: float, reset: str) -> None:
    current = mean + noise * torch.randn(2, 701, 3, dtype=torch.float64)
    options = {"beta": 0.95, "rho": 0.7, "gamma": 0.8, "reset": reset}
    spikes, _ = refractory_lif(current, **options, method="pmbc")
    assert_same_bits(spikes, refractory_lif(current, **options, method="reference")[0])


def test_pmbc_on_a_drive_exactly_at_the_threshold_is_the_loop() -> None:
    """0.5 after 0.5*(1 - 0.5) ... meets the threshold to the last bit again and again."""
    current = torch.full((1, 257, 2), 0.5)
    current[..., 1] = 1.0
    spikes, _ = refractory_lif(current, beta=0.5, threshold=1.0, method="pmbc")
    assert_same_bits(spikes, refractory_lif(current, beta=0.5, threshold=1.0, method="reference")[0])


def test_pmbc_settles_white_noise_in_a_few_iterations() -> None:
    current = torch.randn(2, 2001, 3, dtype=torch.float64)
    *_, certificate = refractory_lif(current, beta=0.125, rho=0.5, gamma=0.5, method="pmbc", return_certificate=True)
    assert 2 <= certificate.iterations <= 20
    assert certificate.resolved == certificate.positions == current.numel()
    assert certificate.repaired == 0


def test_spike_needs_more_than_the_threshold() -> None:
    for method in ("reference", "sequential", "speculative", "pmbc"):
        spikes, _ = refractory_lif(torch.tensor([[[1.0], [1.0 + 2**-20]]]), beta=1e-9, method=method)
        assert spikes.flatten().tolist() == [0.0, 1.0], method


@pytest.mark.parametrize("method", ["sequential", "speculative", "reference", "pmbc"])
def test_prefix_of_the_result_is_the_result_of_the_prefix(method: str) -> None:
    case = lif_case(2, 200, 5)
    whole, _ = run(case, "subtract", method)
    for seqlen in (1, 63, 64, 137):
        part, _ = run(case._replace(current=case.current[:, :seqlen]), "subtract", method)
        assert_same_bits(part, whole[:, :seqlen])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("method", ["sequential", "speculative"])
def test_instruction_sets_agree(method: str, reset: str, dtype: torch.dtype, architectures: list[str]) -> None:
    if len(architectures) < 2:
        pytest.skip("this processor has one instruction set only")
    case = lif_case(2, 331, 41, dtype=dtype)
    results = []
    for name in architectures:
        native.extension().use_architecture(name)
        spikes, end = run(case, reset, method)
        results.append((spikes, *end))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert_same_bits(a, b)


def test_number_of_threads_does_not_matter() -> None:
    case = lif_case(3, 400, 67)  # 80,400 positions: above the size from which threads are used
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(run(case, "subtract", "sequential")[0])
    finally:
        torch.set_num_threads(before)
    assert_same_bits(results[0], results[1])
    assert_same_bits(results[0], results[2])


def test_large_result_through_pooled_memory_and_streaming_stores() -> None:
    """1.3 M positions: a pooled buffer, and stores around the caches where a row is whole vectors."""
    for channels in (64, 61):
        current = torch.randn(2, 10_007, channels)
        spikes, _ = refractory_lif(current, beta=0.5, rho=0.2, method="sequential")
        expected, _ = refractory_lif(current[:, :, :3], beta=0.5, rho=0.2, method="sequential")
        assert_same_bits(spikes[:, :, :3].contiguous(), expected)
        assert bool(((spikes == 0) | (spikes == 1)).all())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", ["sequential", "pmbc", "reference", "auto"])
def test_half_precision_computes_in_float32(method: str, dtype: torch.dtype) -> None:
    case = lif_case(2, 70, 5)
    half = case._replace(current=case.current.to(dtype))
    spikes, end = run(half, "subtract", method)
    expected, _ = run(case._replace(current=half.current.float()), "subtract", "reference")
    assert spikes.dtype == dtype
    assert {x.dtype for x in end} == {torch.float32}
    assert torch.equal(spikes.float(), expected)


def test_scalars_and_tensors_say_the_same() -> None:
    case = lif_case(2, 65, 3)
    numbers = {"beta": 0.75, "threshold": 0.5, "rho": 0.25, "gamma": 0.125}
    from_numbers, _ = refractory_lif(case.current, **numbers)
    from_scalars, _ = refractory_lif(case.current, **{k: torch.tensor(x) for k, x in numbers.items()})
    from_rows, _ = refractory_lif(case.current, **{k: torch.full((3,), x) for k, x in numbers.items()})
    assert_same_bits(from_numbers, from_scalars)
    assert_same_bits(from_numbers, from_rows)


def test_empty_batch() -> None:
    spikes, end = refractory_lif(torch.zeros(0, 5, 3), beta=0.5)
    assert spikes.shape == (0, 5, 3)
    assert end.v.shape == (0, 3)


def test_beta_from_tau() -> None:
    assert functional.beta_from_tau(0.02, 0.001) == pytest.approx(math.exp(-0.05), rel=1e-15)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("method", ["sequential", "speculative"])
def test_a_spike_between_zero_and_one_enters_as_it_is(method: str, reset: str) -> None:
    """The state is a number like any other to whoever differentiates it; only later spikes are known to be 0 or 1."""
    case = lif_case(2, 70, 19)
    v, r, _ = case.state
    case = case._replace(state=(v, r, torch.linspace(0.1, 0.9, 38).view(2, 19)))
    spikes, end = run(case, reset, method)
    expected, expected_end = run(case, reset, "reference")
    assert_same_bits(spikes, expected)
    for part, truth in zip(end, expected_end, strict=True):
        assert_same_bits(part, truth)
