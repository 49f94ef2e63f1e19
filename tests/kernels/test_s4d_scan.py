"""The diagonal scan: compiled recurrence, FFT and loop against a complex recurrence in float64."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from longspike import explain
from longspike.kernels import native
from longspike.kernels.s4d_scan import s4d_scan
from longspike.kernels.s4d_scan.arguments import checkpoint_interval
from longspike.kernels.s4d_scan.operator import s4d_scan_op
from operators import LAYOUTS, SEQLENS, numpy_s4d, s4d_case, weighted_sum
from tolerances import S4D_FFT, S4D_SCAN

DTYPES = (torch.float32, torch.float64)
METHODS = ("scan", "fft", "reference")


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


@pytest.mark.parametrize("seqlen", [1, 65])
def test_auto_is_the_route_that_explain_names(seqlen: int) -> None:
    case = s4d_case(2, seqlen, 3, 2)
    choice = explain("s4d_scan", case.u)
    for a, b in zip(s4d_scan(*case, method="auto"), s4d_scan(*case, method=choice.method), strict=True):
        assert torch.equal(a, b)


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


@pytest.mark.parametrize(
    ("n_pairs", "seqlen"), [(9, 127), (9, 128), (9, 129), (9, 300), (17, 191), (17, 193), (25, 515)]
)
def test_gradients_across_saved_states(n_pairs: int, seqlen: int) -> None:
    """Stretches of several blocks between two saved states, full and cut short; whole strips and a masked last vector."""
    case, grads = s4d_case(2, seqlen, 35, n_pairs, dtype=torch.float64), []
    for method in ("scan", "reference"):
        leaves = case.leaves()
        grads.append(torch.autograd.grad(weighted_sum(list(s4d_scan(*leaves, method=method))), leaves))
    for a, b in zip(*grads, strict=True):
        assert error(a.numpy(), b.numpy()) <= S4D_SCAN["float64"]


@pytest.mark.parametrize("n_pairs", [3, 4, 6, 9])
def test_gradients_in_float32_follow_those_in_float64(n_pairs: int, architectures: list[str]) -> None:
    case = s4d_case(2, 300, 19, n_pairs)
    exact = [x.double() for x in case.leaves()]
    expected = torch.autograd.grad(weighted_sum(list(s4d_scan(*exact, method="reference"))), exact)
    for name in architectures:
        native.extension().use_architecture(name)
        leaves = case.leaves()
        ours = torch.autograd.grad(weighted_sum(list(s4d_scan(*leaves, method="scan"))), leaves)
        for a, b in zip(ours, expected, strict=True):
            assert error(a.double().numpy(), b.numpy()) <= S4D_SCAN["float32"]


@pytest.mark.needs_extension
@pytest.mark.parametrize("n_pairs", [1, 8, 9, 32, 100])
def test_saved_states_take_a_byte_per_element(n_pairs: int) -> None:
    seqlen = 4 * checkpoint_interval(n_pairs)
    _, _, saved = s4d_scan_op(*s4d_case(1, seqlen, 2, n_pairs).leaves(), True)
    assert saved.numel() * saved.element_size() <= seqlen * 2


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
        native.extension().use_architecture(name)
        assert_follows(case, *s4d_scan(*case, method="scan"), "scan")


@pytest.mark.parametrize(("batch", "channels"), [(1, 130), (2, 130), (3, 64)])
def test_threads_and_instruction_sets_give_the_same_bits(batch: int, channels: int, architectures: list[str]) -> None:
    """Strips are wider with fewer threads, vectors narrower with AVX2; neither changes a channel's sums."""
    case, results = s4d_case(batch, 300, channels, 9), []
    before = torch.get_num_threads()
    for name in [name for name in architectures if name != "portable"] or architectures:
        native.extension().use_architecture(name)
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            leaves = case.leaves()
            y, end = s4d_scan(*leaves, method="scan")
            results.append([y, end, *torch.autograd.grad(weighted_sum([y, end]), leaves)])
    torch.set_num_threads(before)
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(result, results[0], strict=True))


def test_a_result_written_around_the_caches() -> None:
    """8 MiB and more, on all threads, with gradients as large."""
    u = s4d_case(1, 2048, 16, 1).u.repeat(1, 1, 72)
    case = s4d_case(1, 8, 16 * 72, 1)._replace(u=u)
    leaves = case.leaves()
    y, end = s4d_scan(*leaves, method="scan")
    assert_follows(case, y, end, "scan")
    one = [x[..., :16].detach().requires_grad_() for x in case]
    few = torch.autograd.grad(s4d_scan(*one, method="scan")[0].square().sum(), one[:4])
    many = torch.autograd.grad(y.square().sum(), leaves[:4])
    for a, b in zip(many, few, strict=True):
        assert torch.equal(a[..., :16], b)
