"""The neuron's Triton kernels in Triton's interpreter: the compiled loop's bits, the definition's gradients."""

import pytest
import torch

from longspike.kernels.refractory_lif import compiled, reference
from operators import GRADIENTS, RESETS, SURROGATES, LIFCase, in_layout, lif_case, relative_error
from tolerances import LIF_GRADIENT_F32, LIF_GRADIENT_F64

pytest.importorskip("triton", reason="triton is not installed")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="the interpreter runs without a GPU; see tests/gpu")
if not torch.cuda.is_available():
    from longspike.kernels._spiking.spans import LIF_SPAN_ON_GPU, num_spans
    from longspike.kernels.refractory_lif import triton_backward, triton_forward, triton_speculative

F32, F64 = torch.float32, torch.float64


def reference_forward(case: LIFCase, reset: str):
    """Spikes and final state by the loop, and the states before every 16th step."""
    spikes, end = reference.forward(*case, reset)
    saved, state = [], case.state
    for t in range(case.current.shape[1]):
        if t % 16 == 0:
            saved.append(torch.stack(state, dim=1))
        state = reference.lif_step(case.current[:, t], state, case.parameters, reset)
    batch, _, channels = case.current.shape
    empty = case.current.new_empty((batch, 0, 3, channels))
    return spikes, end, torch.stack(saved, dim=1) if saved else empty


def assert_same_bits(found, expected):
    assert torch.equal(found[0], expected[0])
    for part, truth in zip(found[1], expected[1], strict=True):
        assert torch.equal(part, truth)
    assert torch.equal(found[2], expected[2])


@pytest.mark.parametrize(
    ("reset", "batch", "seqlen", "channels", "dtype"),
    [
        *[("subtract", 2, seqlen, 5, F32) for seqlen in (0, 1, 15, 16, 63, 65)],
        ("subtract", 2, 130, 37, F32),
        ("zero", 3, 65, 37, F32),
        ("none", 2, 33, 5, F32),
        *[(reset, 2, 50, 5, F64) for reset in RESETS],
        ("subtract", 0, 7, 5, F32),
        ("subtract", 2, 7, 0, F32),
    ],
)
def test_sequential_is_the_loop(reset: str, batch: int, seqlen: int, channels: int, dtype: torch.dtype) -> None:
    case = lif_case(batch, seqlen, channels, dtype=dtype)
    assert_same_bits(triton_forward.forward(*case, reset), reference_forward(case, reset))


@pytest.mark.parametrize("layout", ["transposed", "sliced", "expanded"])
def test_strides_do_not_matter_and_inputs_stay(layout: str) -> None:
    case = lif_case(2, 20, 5, layout=layout)
    copies = [x.clone() for x in (case.current, *case.parameters, *case.state)]
    assert_same_bits(triton_forward.forward(*case, "zero"), reference_forward(case, "zero"))
    for x, copy in zip((case.current, *case.parameters, *case.state), copies, strict=True):
        assert torch.equal(x, copy)


def test_whole_is_chunks_is_steps() -> None:
    case = lif_case(2, 41, 5)
    whole, end, *_ = triton_forward.forward(*case, "subtract")
    for pieces in ((17, 1, 23), (1,) * 9 + (32,)):
        state, parts = case.state, []
        for part in case.current.split(pieces, dim=1):
            spikes, state, *_ = triton_forward.forward(part, case.parameters, state, "subtract")
            parts.append(spikes)
        assert torch.equal(torch.cat(parts, 1), whole)
        assert all(torch.equal(a, b) for a, b in zip(state, end, strict=True))


def test_every_result_is_written(nan_in_fresh_memory: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_speculative, "speculation", lambda *_: (16, 16))
    case = lif_case(3, 35, 7)
    expected = reference_forward(case, "subtract")
    for module in (triton_forward, triton_speculative):
        assert_same_bits(module.forward(*case, "subtract"), expected)
    assert all(x.isfinite().all() for x in gradients(case, "subtract", "atan", 2.0, "full")[0])


@pytest.mark.parametrize(
    ("reset", "chunk", "warmup"), [("subtract", 48, 16), ("zero", 48, 16), ("none", 48, 32), ("subtract", 16, 0)]
)
def test_speculative_in_many_chunks_repairs_and_is_the_loop(
    reset: str, chunk: int, warmup: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton_speculative, "speculation", lambda *_: (chunk, warmup))
    case = lif_case(2, 149, 5)
    *found, repaired = triton_speculative.forward(*case, reset)
    assert int(repaired) > 0
    assert_same_bits(found, reference_forward(case, reset))


@pytest.mark.needs_extension
def test_repairs_are_counted_as_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (triton_speculative, compiled):
        monkeypatch.setattr(module, "speculation", lambda *_: (64, 32))
    case = lif_case(2, 200, 5)
    on_cpu = compiled.forward(*case, "subtract", "speculative")[3]
    assert int(triton_speculative.forward(*case, "subtract")[3]) == on_cpu > 0


def test_neurons_that_forget_need_no_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that spike so rarely that a trace of half a chunk ago is all that is left of the last spike."""
    monkeypatch.setattr(triton_speculative, "speculation", lambda *_: (96, 96))
    case = lif_case(1, 200, 5, slowest=0.3)
    case = case._replace(parameters=(*case.parameters[:3], case.parameters[3].clamp(max=0.3)))
    *found, repaired = triton_speculative.forward(*case, "subtract")
    assert int(repaired) == 0
    assert_same_bits(found, reference_forward(case, "subtract"))


def test_chunks_follow_from_sizes() -> None:
    assert triton_speculative.speculation(262_144, 128) == (2048, 4096)
    assert triton_speculative.speculation(16_384, 256) == (512, 1024)
    assert triton_speculative.speculation(100, 10**6)[0] == 512
    assert num_spans(0, LIF_SPAN_ON_GPU) == 0
    assert num_spans(17, LIF_SPAN_ON_GPU) == 2


def gradients(case: LIFCase, reset: str, surrogate: str, scale: float, gradient: str, sums: bool = True):
    """By Triton, and by the definition in float64."""
    g = torch.Generator().manual_seed(7)
    draw = lambda x: torch.randn(x.shape, generator=g, dtype=F64).to(x.dtype)  # noqa: E731
    grad_spikes, grad_state = draw(case.current), tuple(draw(x) for x in case.state)
    options = {"reset": reset, "surrogate": surrogate, "scale": scale, "gradient": gradient}
    checkpoints = triton_forward.forward(*case, reset)[2]
    found = triton_backward.backward(
        case.current, grad_spikes, grad_state, case.parameters, checkpoints, wants_parameters=sums, **options
    )
    expected = reference.backward(case.current, grad_spikes, grad_state, case.parameters, case.state, **options)
    return found, expected


@pytest.mark.parametrize(
    ("reset", "gradient", "surrogate", "seqlen", "dtype"),
    [
        *[(reset, gradient, SURROGATES[2], 18, F64) for reset in RESETS for gradient in GRADIENTS],
        *[("subtract", "full", surrogate, 18, dtype) for surrogate in SURROGATES for dtype in (F32, F64)],
        *[("zero", "full", SURROGATES[0], seqlen, F32) for seqlen in (0, 1, 16, 65)],
    ],
)
def test_adjoint_is_the_definition(reset: str, gradient: str, surrogate, seqlen: int, dtype: torch.dtype) -> None:
    case = lif_case(2, seqlen, 5, dtype=dtype)
    found, expected = gradients(case, reset, surrogate.name, surrogate.value, gradient)
    tolerance = LIF_GRADIENT_F64 if dtype == F64 else LIF_GRADIENT_F32
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        assert relative_error(a, b) < tolerance


def test_parameters_that_want_no_gradient_get_zeros() -> None:
    found, expected = gradients(lif_case(2, 18, 5), "subtract", "atan", 2.0, "full", sums=False)
    assert relative_error(found[0], expected[0]) < LIF_GRADIENT_F32
    assert all(not x.any() for x in found[1:5])
    assert all(relative_error(a, b) < LIF_GRADIENT_F32 for a, b in zip(found[5:], expected[5:], strict=True))


def test_gradients_behind_other_strides() -> None:
    case = lif_case(2, 18, 5)
    checkpoints = triton_forward.forward(*case, "subtract")[2]
    grad, options = torch.randn_like(case.current), {"reset": "subtract", "surrogate": "atan", "scale": 2.0}
    call = lambda g: triton_backward.backward(  # noqa: E731
        case.current, g, case.state, case.parameters, checkpoints, gradient="full", wants_parameters=True, **options
    )
    for a, b in zip(call(grad), call(in_layout(grad, "transposed")), strict=True):
        assert torch.equal(a, b)


def test_wrong_shapes_are_named() -> None:
    case = lif_case(2, 7, 5)
    with pytest.raises(ValueError, match=r"refractory_lif: `v` must have shape \(2, 5\)"):
        triton_forward.forward(case.current, case.parameters, tuple(x[:1] for x in case.state), "subtract")
    with pytest.raises(ValueError, match=r"refractory_lif_backward: `checkpoints` must have shape \(2, 1, 3, 5\)"):
        triton_backward.backward(
            case.current, case.current, case.state, case.parameters, case.current,
            reset="zero", surrogate="atan", scale=2.0, gradient="full", wants_parameters=True,
        )  # fmt: skip
