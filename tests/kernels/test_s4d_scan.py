"""The diagonal scan: compiled recurrence, FFT and loop against a complex recurrence in float64."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from longspike import _native
from longspike.kernels.s4d_scan import s4d_scan
from operators import LAYOUTS, SEQLENS, numpy_s4d, s4d_case, weighted_sum
from tolerances import S4D_FFT, S4D_SCAN

DTYPES = (torch.float32, torch.float64)
METHODS = ("scan", "fft", "reference", "auto")


def error(a: np.ndarray, b: np.ndarray) -> float:
    return 0.0 if b.size == 0 else float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))


def assert_follows(case, y, end, method: str) -> None:
    expected, expected_end = numpy_s4d(case)
    tolerance = (S4D_FFT if method == "fft" else S4D_SCAN)[str(y.dtype).removeprefix("torch.")]
    end = end.detach().double().numpy()
    assert error(y.detach().double().numpy(), expected) <= tolerance
    assert error(end[:, :, 0] + 1j * end[:, :, 1], expected_end) <= tolerance


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seqlen", SEQLENS)
@pytest.mark.parametrize(("batch", "channels", "n_pairs"), [(1, 1, 1), (2, 3, 2), (1, 19, 3), (3, 7, 5), (2, 17, 9)])
@pytest.mark.parametrize("method", METHODS)
def test_follows_the_recurrence(
    method: str, batch: int, channels: int, n_pairs: int, seqlen: int, dtype: torch.dtype
) -> None:
    case = s4d_case(batch, seqlen, channels, n_pairs, dtype=dtype)
    y, end = s4d_scan(*case, method=method)
    assert y.shape == case.u.shape
    assert end.shape == case.state.shape
    assert_follows(case, y, end, method)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", METHODS)
def test_strides_do_not_matter(method: str, layout: str) -> None:
    case = s4d_case(2, 66, 3, 5, layout=layout)
    strided = case._replace(
        lam=case.lam.transpose(0, 2).contiguous().transpose(0, 2),
        c=case.c.transpose(1, 2).contiguous().transpose(1, 2),
        d=case.d[:1].expand(3),
        state=case.state.transpose(0, 3).contiguous().transpose(0, 3),
    )
    copies = [x.clone() for x in strided]
    y, end = s4d_scan(*strided, method=method)
    assert_follows(strided, y, end, method)
    assert all(torch.equal(x, copy) for x, copy in zip(strided, copies, strict=True))


@pytest.mark.parametrize("method", ["scan", "reference"])
@pytest.mark.parametrize("cuts", [(0, 1, 64, 65, 130), (0, 63, 63, 129, 130), tuple(range(131))])
def test_chunks_equal_the_whole_bit_for_bit(method: str, cuts: tuple[int, ...]) -> None:
    case = s4d_case(2, 130, 19, 5)
    whole, whole_end = s4d_scan(*case, method=method)
    state, parts = case.state, []
    for start, stop in pairwise(cuts):
        y, state = s4d_scan(case.u[:, start:stop], *case[1:4], state, method=method)
        parts.append(y)
    assert torch.equal(torch.cat(parts, 1), whole)
    assert torch.equal(state, whole_end)


@pytest.mark.parametrize("dtype", DTYPES)
def test_saving_for_the_backward_does_not_change_the_result(dtype: torch.dtype) -> None:
    case = s4d_case(2, 130, 5, 3, dtype=dtype)
    plain, _ = s4d_scan(*case, method="scan")
    recorded, _ = s4d_scan(*case.leaves(), method="scan")
    assert torch.equal(plain, recorded.detach())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("n_pairs", [1, 2, 3, 5])
@pytest.mark.parametrize("method", METHODS)
def test_gradcheck(method: str, n_pairs: int, channels: int) -> None:
    leaves = s4d_case(2, 5, channels, n_pairs, dtype=torch.float64).leaves()
    assert torch.autograd.gradcheck(lambda *x: s4d_scan(*x, method=method), leaves, fast_mode=True)


@pytest.mark.parametrize("seqlen", [0, 1, 63, 64, 65, 130])
@pytest.mark.parametrize(("channels", "n_pairs"), [(1, 1), (17, 2), (3, 5), (5, 9)])
def test_scan_has_the_gradients_of_the_loop(channels: int, n_pairs: int, seqlen: int) -> None:
    """Across blocks of 64 steps, where the states are computed again, with gradients of y and of the final state."""
    case, grads = s4d_case(3, seqlen, channels, n_pairs, dtype=torch.float64, layout="transposed"), []
    for method in ("scan", "reference"):
        leaves = case.leaves()
        loss = weighted_sum(list(s4d_scan(*leaves, method=method)))
        grads.append(torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True))
    for a, b in zip(*grads, strict=True):
        assert error(a.numpy(), b.numpy()) <= S4D_SCAN["float64"]


def test_gradient_of_one_output_alone() -> None:
    for k in (0, 1):
        leaves = s4d_case(2, 66, 3, 2, dtype=torch.float64).leaves()
        ours = torch.autograd.grad(
            s4d_scan(*leaves, method="scan")[k].sum(), leaves, allow_unused=True, materialize_grads=True
        )
        expected = torch.autograd.grad(
            s4d_scan(*leaves, method="reference")[k].sum(), leaves, allow_unused=True, materialize_grads=True
        )
        for a, b in zip(ours, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=S4D_SCAN["float64"], atol=S4D_SCAN["float64"])


def test_instruction_sets_agree(architectures: list[str]) -> None:
    case = s4d_case(2, 130, 19, 5)
    for name in architectures:
        _native.use_architecture(name)
        assert_follows(case, *s4d_scan(*case, method="scan"), "scan")


def test_large_result_on_all_threads() -> None:
    case = s4d_case(2, 1500, 130, 3)
    y, end = s4d_scan(*case, method="scan")
    assert_follows(case, y, end, "scan")
