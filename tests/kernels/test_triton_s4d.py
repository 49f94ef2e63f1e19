"""S4D's Triton kernels in Triton's interpreter: the recurrence, its gradients, and the scan with the neuron behind it."""

import pytest
import torch

from longspike.kernels.s4d_scan import reference
from operators import S4DCase, lif_case, relative_error, s4d_case
from tolerances import S4D_SCAN

pytest.importorskip("triton", reason="triton is not installed")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="the interpreter runs without a GPU; see tests/gpu")
if not torch.cuda.is_available():
    from longspike.kernels.refractory_lif import triton_forward as lif
    from longspike.kernels.s4d_lif import triton_forward as fused
    from longspike.kernels.s4d_scan import triton_backward, triton_forward

CASES = [
    *[(2, seqlen, 5, 3, torch.float32) for seqlen in (0, 1, 7, 8, 63, 65)],
    (1, 130, 5, 1, torch.float32),
    (3, 9, 37, 9, torch.float32),
    (2, 65, 5, 3, torch.float64),
]


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@pytest.mark.parametrize(("batch", "seqlen", "channels", "n_pairs", "dtype"), CASES)
def test_scan_and_gradients(batch: int, seqlen: int, channels: int, n_pairs: int, dtype: torch.dtype) -> None:
    case = s4d_case(batch, seqlen, channels, n_pairs, dtype=dtype)
    leaves = S4DCase(*(x.detach().double().requires_grad_() for x in case))
    y, end = triton_forward.forward(*case)
    expected = [x + 0 * leaves.u.sum() for x in reference.forward(*leaves)]  # no steps: still a function of u
    for a, b in zip((y, end), expected, strict=True):
        assert relative_error(a, b.detach()) < S4D_SCAN[name(dtype)]
    grads = [torch.randn_like(x) for x in expected]
    found = triton_backward.backward(
        case.u, grads[0].to(dtype), grads[1].to(dtype), case.lam, case.c, case.d, case.state
    )
    truth = torch.autograd.grad(expected, leaves, grads, materialize_grads=True)
    for a, b in zip(found, truth, strict=True):
        assert relative_error(a, b) < S4D_SCAN[name(dtype)]


def test_scan_whole_is_chunks_is_steps() -> None:
    case = s4d_case(2, 29, 5, 3)
    whole, end = triton_forward.forward(*case)
    for pieces in ((9, 1, 19), (1,) * 9 + (20,)):
        state, parts = case.state, []
        for u in case.u.split(pieces, dim=1):
            y, state = triton_forward.forward(u, *case[1:4], state)
            parts.append(y)
        assert torch.equal(torch.cat(parts, 1), whole)
        assert torch.equal(state, end)


def test_a_sample_alone_is_the_sample_in_a_batch() -> None:
    case = s4d_case(3, 11, 5, 3)
    whole, _ = triton_forward.forward(*case)
    alone, _ = triton_forward.forward(case.u[1:2], *case[1:4], case.state[1:2])
    assert torch.equal(alone, whole[1:2])


@pytest.mark.parametrize("layout", ["transposed", "sliced", "expanded"])
def test_strides_do_not_matter(layout: str) -> None:
    case = s4d_case(2, 11, 5, 3, layout=layout)
    copy = case.u.clone()
    for a, b in zip(triton_forward.forward(*case), triton_forward.forward(copy, *case[1:]), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(case.u, copy)


@pytest.mark.parametrize(("seqlen", "reset"), [(0, "subtract"), (1, "zero"), (37, "subtract"), (48, "none")])
def test_scan_and_neuron_in_one_pass_are_the_two_in_turn(seqlen: int, reset: str) -> None:
    scan, neuron = s4d_case(2, seqlen, 5, 3), lif_case(2, seqlen, 5)
    spikes, ssm_end, end, saved = fused.forward(
        scan.u, scan[1:4], scan.state, neuron.parameters, neuron.state, reset, True
    )
    current, expected_ssm = triton_forward.forward(*scan)
    expected, expected_end, expected_saved, _ = lif.forward(current, neuron.parameters, neuron.state, reset)
    assert torch.equal(spikes, expected)
    assert torch.equal(ssm_end, expected_ssm)
    assert torch.equal(saved, expected_saved)
    assert all(torch.equal(a, b) for a, b in zip(end, expected_end, strict=True))
    assert fused.forward(scan.u, scan[1:4], scan.state, *neuron[1:], reset, False)[3].shape[1] == 0


def test_every_result_is_written(nan_in_fresh_memory: None) -> None:
    case = s4d_case(2, 11, 5, 3)
    y, end = triton_forward.forward(*case)
    assert all(x.isfinite().all() for x in (y, end, *triton_backward.backward(case.u, y, end, *case[1:])))


def test_wrong_shapes_are_named() -> None:
    case = s4d_case(2, 7, 5, 3)
    with pytest.raises(ValueError, match=r"s4d_scan: `c` must have shape \(3, 2, 5\)"):
        triton_forward.forward(case.u, case.lam, case.c[:2], case.d, case.state)
