"""Dendritic convolution over frames, against its equations; FLAMES on frames; windows side by side."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from longspike import load
from longspike.errors import ConfigError
from longspike.models import FlamesSequence, FlamesSequenceConfig, MemoryConfig
from longspike.models.shapes import main_shapes
from longspike.nn import DendriticConv2d, WindowPool
from longspike.training import TrainingConfig
from longspike.training.optim import parameter_groups

KERNELS = [3, (3, 1), (1, 1), (2, 3)]
MEMORY = MemoryConfig(d_model=8, num_heads=2, d_state=4, rank=2, num_layers=1, input="held", dt_min=1e-2, dt_max=0.5)
FRAMES = FlamesSequenceConfig(
    d_input=5 * 4 * 2, frame=(5, 4, 2), convolutions=(6, 7), num_branches=2, windows=3, window=2, memory=MEMORY
)


def layer(seed: int = 0, **options) -> DendriticConv2d:
    torch.manual_seed(seed)
    made = DendriticConv2d(4, 6, **{"num_branches": 2, "tau_min": 0.5, "tau_max": 4.0, **options})
    with torch.no_grad():
        made.g.normal_()
        if made.norm is not None:
            made.norm.running_mean.normal_()
            made.norm.running_var.uniform_(0.3, 2)
            made.norm.weight.uniform_(0.5, 2)
    return made


def by_equation(made: DendriticConv2d, x: Tensor) -> Tensor:
    """Spikes by a loop over steps and branches."""
    rows, columns = made.kernel
    tau, groups = torch.exp(made.log_tau), made.num_branches if made.weights == "partitioned" else 1
    kernels = made.weight.reshape(-1, made.in_channels // groups, rows, columns)
    traces, v, spikes = [0.0] * made.num_branches, 0.0, []
    around = ((columns - 1) // 2, columns // 2, (rows - 1) // 2, rows // 2)
    for x_t in x.unbind(1):
        u = functional.conv2d(functional.pad(x_t.permute(0, 3, 1, 2), around), kernels, groups=groups)
        u = functional.max_pool2d(u, made.pool, ceil_mode=True) if made.pooled == "current" else u
        drives = [u] * made.num_branches if made.weights == "shared" else u.split(made.channels, dim=1)
        traces = [math.exp(-1 / float(t)) * i + d for t, i, d in zip(tau.detach(), traces, drives, strict=True)]
        m = sum(g[:, None, None] * i for g, i in zip(made.g, traces, strict=True))
        m = functional.max_pool2d(m, made.pool, ceil_mode=True) if made.pooled == "membrane" else m
        if made.norm is not None:
            scale, shift = made.norm.affine(m.dtype)
            m = m * scale[:, None, None] + shift[:, None, None]
        if made.soma is not None:
            beta, *_ = made.soma.dynamics()
            m = beta[:, None, None] * v + m
        s = (m > 1).to(m.dtype)
        v = m * (1 - s)
        spikes.append(s.permute(0, 2, 3, 1))
    return torch.stack(spikes, 1)


CASES = list(itertools.product(("shared", "own", "partitioned"), ("current", "membrane"), (None, 2.0), KERNELS))


@torch.no_grad()
@pytest.mark.parametrize(("weights", "pooled", "tau_soma", "kernel"), CASES)
def test_equation_and_cuts(weights: str, pooled: str, tau_soma: float | None, kernel) -> None:
    options = {"weights": weights, "pooled": pooled, "tau_soma": tau_soma, "kernel": kernel, "pool": 2}
    made, x = layer(**options).double().eval(), torch.randn(2, 9, 5, 4, 4, dtype=torch.float64)
    spikes, end = made(x)
    assert spikes.shape == (2, 9, 3, 2, 6)
    assert 0.02 < float(spikes.mean()) < 0.9
    assert torch.equal(spikes, by_equation(made, x))
    single = made.float()
    x = x.float()
    spikes, end = single(x)
    state, pieces = None, []
    for piece in x.split((1, 3, 5), dim=1):
        found, state = single(piece, state)
        pieces.append(found)
    assert torch.equal(torch.cat(pieces, 1), spikes)
    assert torch.equal(state.traces, end.traces)
    state = single.init_state(2, height=5, width=4)
    for t in range(9):
        found, state = single.step(x[:, t], state)
        assert torch.equal(found, spikes[:, t])
    alone, _ = single(x[1:])
    assert torch.equal(alone[0], spikes[1])


@pytest.mark.parametrize("weights", ["shared", "own", "partitioned"])
def test_training_and_inference_convolve_alike(weights: str) -> None:
    made, x = layer(weights=weights, kernel=(2, 3)), torch.randn(2, 3, 5, 4, 4)
    trained = made.train().drive(x)
    torch.testing.assert_close(made.eval().drive(x), trained)


@pytest.mark.parametrize("weights", ["shared", "own", "partitioned"])
@pytest.mark.parametrize("pooled", ["current", "membrane"])
@pytest.mark.parametrize("is_training", [True, False])
def test_gradients_of_the_membrane(weights: str, pooled: str, is_training: bool) -> None:
    made = layer(weights=weights, pooled=pooled, pool=2, has_norm=False).double().train(is_training)
    made._fired = lambda membrane, soma, lengths: (membrane, None)  # type: ignore[method-assign]
    x = torch.randn(1, 4, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    values = {name: value.detach().clone().requires_grad_() for name, value in made.named_parameters()}
    assert set(values) == {"weight", "g", "log_tau"}

    def membrane(x: Tensor, *parts: Tensor) -> Tensor:
        return torch.func.functional_call(made, dict(zip(values, parts, strict=True)), (x,))[0]

    assert torch.autograd.gradcheck(membrane, (x, *values.values()))


def test_slow_branches_begin_silent() -> None:
    made = DendriticConv2d(3, 5, num_branches=4, has_norm=False).eval()
    assert made.g[0].tolist() == [1] * 5
    assert not bool(made.g[1:].any())
    made.log_tau.data.fill_(-5.0)
    x = torch.randn(2, 3, 6, 6, 3)
    assert torch.equal(made(x)[0], (made.drive(x) > 1).float())


def test_padding_has_no_part_in_the_statistics() -> None:
    x, lengths = torch.randn(2, 8, 4, 4, 4), torch.tensor([8, 3])
    whole, padded = layer().train(), layer().train()
    x[1, 3:] = 50.0
    padded(x, lengths=lengths)
    rows = whole._traced(whole.drive(x), whole.init_state(2, height=4, width=4).traces)[0]
    rows = torch.cat([rows[0].flatten(0, 2), rows[1, :3].flatten(0, 2)])
    mean = 0.9 * whole.norm.running_mean + 0.1 * rows.mean(0)
    torch.testing.assert_close(padded.norm.running_mean, mean)


def test_parameters_have_their_groups() -> None:
    model = FlamesSequence(FRAMES)
    groups = {group["name"]: {id(p) for p in group["params"]} for group in parameter_groups(model, TrainingConfig())}
    first = model.front.convolutions[0]
    assert id(first.log_tau) in groups["dynamics"]
    assert {id(first.g), id(first.norm.weight)} <= groups["plain"]
    assert id(first.weight) in groups["decayed"]


@torch.no_grad()
@pytest.mark.parametrize(
    "changes", [{}, {"has_soma": True, "weights": "own"}, {"kernel": (3, 1), "windows": 1, "pools": (1, 2)}]
)
def test_networks_of_frames(tmp_path, changes: dict) -> None:
    torch.manual_seed(2)
    config = replace(FRAMES, **changes)
    model = FlamesSequence(config).eval()
    assert all(model.state_dict()[name].shape == shape for name, shape in main_shapes(config))
    model.save(tmp_path / "model")
    model, x = load(tmp_path / "model"), 3 * torch.randn(2, 11, 40)
    assert model.config == config
    whole = model.outputs(x)
    assert len(whole.spikes) == len(model.layer_names) == 3
    state, pieces = None, []
    for piece in x.split((1, 4, 6), dim=1):
        found = model.outputs(piece, state)
        state = found.state
        pieces.append(found.spikes)
    for k, layer_spikes in enumerate(whole.spikes):
        assert torch.equal(torch.cat([piece[k] for piece in pieces], 1), layer_spikes)
    torch.testing.assert_close(found.logits, whole.logits)
    padded = torch.cat([x, torch.full((2, 3, 40), 9.0)], 1)
    logits, _ = model(padded, lengths=torch.tensor([11, 11]))
    torch.testing.assert_close(logits, whole.logits)


def windows_by_hand(x: Tensor, num_windows: int, size: int) -> Tensor:
    last, found = (x.shape[1] - 1) // size, []
    for window in range(last - num_windows + 1, last + 1):
        is_there = window >= 0 and x.shape[1] > 0
        found.append(x[:, window * size : (window + 1) * size].mean(1) if is_there else torch.zeros_like(x[:, 0]))
    return torch.cat(found, 1)


@pytest.mark.parametrize(("num_windows", "size"), [(4, 2), (2, 3), (3, 1), (2, 100)])
def test_windows(num_windows: int, size: int) -> None:
    pool, x = WindowPool(3, num_windows=num_windows, size=size), torch.randn(2, 13, 3)
    running = pool.running(x[1])
    for n in range(1, 14):
        expected = windows_by_hand(x[:, :n], num_windows, size)
        torch.testing.assert_close(pool(x[:, :n])[0], expected)
        torch.testing.assert_close(running[n - 1], expected[1])
        torch.testing.assert_close(pool(x, lengths=torch.tensor([n, 13]))[0][0], expected[0])
        early = pool.after(x, torch.tensor([[1, n]] * 2), torch.tensor([13, 13]))
        torch.testing.assert_close(early[:, 1], expected)
    for cuts in ((13,), (1, 12), (2, 4, 7), (1,) * 13, (0, 13)):
        state = None
        for piece in x.split(cuts, dim=1):
            y, state = pool(piece, state)
        torch.testing.assert_close(y, windows_by_hand(x, num_windows, size))
    assert not bool(pool(x[:, :0])[0].any())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame": (5, 4)}, "`frame` must be height, width and channels; got"),
        ({"frame": (5, 4, 3)}, "`frame` must hold d_input=40 features; got"),
        ({"convolutions": ()}, "`frame` and `convolutions` need each other"),
        ({"kernel": (3,)}, "`kernel` must be two integers"),
        ({"weights": "partitioned", "num_branches": 4}, "`num_branches` must divide 2 channels"),
        ({"convolutions": (6, 0)}, "`convolutions` must be integers from 1"),
        ({"windows": 0}, "`windows`"),
        ({"pools": (2, 2, 2)}, "`pools` must be one number, or one a convolution"),
    ],
)
def test_mistakes(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(FRAMES, **changes)


def test_wrong_frames() -> None:
    with pytest.raises(ValueError, match=r"`x` must be \(batch, seqlen, height, width, 4\), channels last; got"):
        layer()(torch.zeros(1, 2, 4, 3, 3))
    with pytest.raises(ValueError, match=r"`num_branches` must divide in_channels=4 if they are partitioned; got 3"):
        DendriticConv2d(4, 2, num_branches=3, weights="partitioned")
