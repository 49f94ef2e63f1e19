"""Cases for dendritic neurons, and definitions of our own: rows by brute force, layers as dense sequences."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from longspike.events.ragged import RaggedEvents
from longspike.kernels.dendrite import DendritePlan, dendrite_plan
from longspike.layers.sparse import SparseSpikes
from longspike.nn import Surrogate

Row = tuple[int, int, int]  # sample, cell, step


class Geometry(NamedTuple):
    """An input grid (width, height) and a kernel over it."""

    grid_size: tuple[int, int]
    kernel: int
    stride: int
    padding: int

    @property
    def output(self) -> tuple[int, int]:
        """(width, height) behind the kernel."""
        return tuple((n + 2 * self.padding - self.kernel) // self.stride + 1 for n in self.grid_size)


def ragged_offsets(counts: list[int]) -> Tensor:
    """Offsets of samples with `counts` items."""
    return torch.tensor([0, *np.cumsum(counts)], dtype=torch.int64)


def random_items(
    counts: list[int], geometry: Geometry, channels: int, *, steps: int = 9, density: float = 0.4, seed: int = 1
) -> SparseSpikes:
    """Items sorted by step, several on one cell and step among them, some silent; float64 values."""
    g = torch.Generator().manual_seed(seed)
    n = sum(counts)
    step = torch.cat([torch.randint(-3, steps - 3, (k,), generator=g).sort().values for k in counts])
    place = [torch.randint(0, size, (n,), generator=g, dtype=torch.int32) for size in geometry.grid_size]
    values = torch.randn(n, channels, generator=g, dtype=torch.float64)
    values *= torch.rand(n, channels, generator=g) < density
    return SparseSpikes(values, step, *place, ragged_offsets(counts), geometry.grid_size)


def unique_items(counts: list[int], geometry: Geometry, channels: int, *, steps: int, seed: int = 1) -> SparseSpikes:
    """Items as a layer makes them: at most one a cell and step, sorted by both; some silent; float64 values."""
    g = torch.Generator().manual_seed(seed)
    (width, height), n = geometry.grid_size, sum(counts)
    at = torch.cat([torch.randperm(steps * width * height, generator=g)[:k].sort().values for k in counts])
    values = torch.randn(n, channels, generator=g, dtype=torch.float64)
    values *= torch.rand(n, channels, generator=g) < 0.4
    x, y, step = (at % width).int(), (at // width % height).int(), at // (width * height)
    return SparseSpikes(values, step, x, y, ragged_offsets(counts), geometry.grid_size)


def random_events(counts: list[int], sensor_size: tuple[int, int], *, until_us: int, seed: int = 1) -> RaggedEvents:
    """Events sorted by time."""
    g = torch.Generator().manual_seed(seed)
    n = sum(counts)
    t = torch.cat([torch.randint(0, until_us, (k,), generator=g).sort().values for k in counts])
    x, y = (torch.randint(0, size, (n,), generator=g, dtype=torch.int32) for size in sensor_size)
    return RaggedEvents(x, y, t, torch.randint(0, 2, (n,), generator=g, dtype=torch.int32), ragged_offsets(counts))


def plan_of(items: SparseSpikes, geometry: Geometry) -> DendritePlan:
    """The library's plan of some items."""
    is_active = (items.values != 0).any(1)
    kernel, stride, padding = geometry[1:]
    places = (items.step, items.x, items.y, is_active, items.offsets)
    return dendrite_plan(*places, grid_size=geometry.grid_size, kernel=kernel, stride=stride, padding=padding)


def rows_by_brute_force(items: SparseSpikes, geometry: Geometry) -> dict[Row, list[tuple[int, int]]]:
    """(input, tap) pairs of every row, in the order of the inputs; rows in their order."""
    width, height = geometry.output
    found: dict[Row, list[tuple[int, int]]] = {}
    active: set[Row] = set()
    for sample in range(items.offsets.numel() - 1):
        for q in range(int(items.offsets[sample]), int(items.offsets[sample + 1])):
            for cell in range(width * height):
                kx = int(items.x[q]) - (cell % width * geometry.stride - geometry.padding)
                ky = int(items.y[q]) - (cell // width * geometry.stride - geometry.padding)
                if 0 <= kx < geometry.kernel and 0 <= ky < geometry.kernel:
                    row = (sample, cell, int(items.step[q]))
                    found.setdefault(row, []).append((q, ky * geometry.kernel + kx))
                    if bool((items.values[q] != 0).any()):
                        active.add(row)
    return {row: found[row] for row in sorted(active)}


class ConvCase(NamedTuple):
    """Arguments of `dendritic_conv`."""

    values: Tensor
    weight: Tensor
    rate: Tensor
    rate_soma: Tensor
    g: Tensor
    i: Tensor
    v: Tensor
    plan: DendritePlan
    gap: Tensor

    def leaves(self, dtype: torch.dtype) -> list[Tensor]:
        """Copies of the first seven that require gradients."""
        return [x.detach().to(dtype).clone().requires_grad_() for x in self[:7]]


def conv_case(
    branches: int, channels: int, c_in: int, counts: list[int], geometry: Geometry, *, steps: int = 9, seed: int = 2
) -> ConvCase:
    """Random inputs, neurons that fire now and then, a state before the first rows, gaps of 1 to 4 steps; float64."""
    items = random_items(counts, geometry, c_in, steps=steps, seed=seed)
    plan = plan_of(items, geometry)
    g = torch.Generator().manual_seed(seed + 1)
    draw = lambda *shape: torch.rand(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    normal = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    chains = plan.chain_offsets.numel() - 1
    return ConvCase(
        items.values,
        0.6 * normal(geometry.kernel**2, c_in, branches, channels),
        0.05 + draw(branches),
        0.1 + draw(()),
        (0.5 + draw(branches)) / branches,
        normal(chains, branches, channels),
        0.5 * normal(chains, channels),
        plan,
        torch.randint(1, 5, plan.row_step.shape, generator=g),
    )


class _Spike(torch.autograd.Function):
    """A step forward, the surrogate's slope backward."""

    @staticmethod
    def forward(ctx, z, surrogate):
        ctx.save_for_backward(z)
        ctx.surrogate = surrogate
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.surrogate.slope(ctx.saved_tensors[0]), None


def frames_of(items: SparseSpikes, steps: int, first: int = 0) -> Tensor:
    """(batch, steps, channels, height, width): items of one cell and step added up; differentiable."""
    width, height = items.grid_size
    batch = items.offsets.numel() - 1
    sample = torch.repeat_interleave(torch.arange(batch), items.offsets.diff())
    at = ((sample * steps + items.step - first) * height + items.y) * width + items.x
    flat = items.values.new_zeros(batch * steps * height * width, items.values.shape[1]).index_add(0, at, items.values)
    return flat.view(batch, steps, height, width, -1).permute(0, 1, 4, 2, 3)


def dense_layer(
    frames: Tensor,
    weight: Tensor,
    rates: tuple[Tensor, Tensor, Tensor],
    *,
    threshold: float,
    surrogate: Surrogate,
    stride: int,
    padding: int,
) -> tuple[Tensor, Tensor]:
    """Membranes (batch, steps, channels, height, width) and where there are rows, by a masked clock at every position.

    weight (branches, channels, c_in, kernel, kernel); rates: rate, rate_soma, g.
    """
    (rate, rate_soma, g), (batch, steps) = rates, frames.shape[:2]
    branches, channels, _, kernel, _ = weight.shape
    conv = torch.nn.functional.conv2d
    drive = conv(frames.flatten(0, 1), weight.flatten(0, 1), stride=stride, padding=padding)
    drive = drive.view(batch, steps, branches, channels, *drive.shape[-2:])
    is_active = (frames != 0).any(2, keepdim=True).flatten(0, 1).to(frames.dtype)
    is_row = conv(is_active, frames.new_ones(1, 1, kernel, kernel), stride=stride, padding=padding) > 0.5
    is_row = is_row.view(batch, steps, *is_row.shape[-2:])
    i, v = torch.zeros_like(drive[:, 0]), torch.zeros_like(drive[:, 0, 0])
    clock, membranes = torch.zeros_like(v[:, 0]), []
    for t in range(steps):
        clock, here = clock + 1, is_row[:, t]
        new_i = torch.exp(-clock[:, None] * rate[:, None, None])[:, :, None] * i + drive[:, t]
        m = torch.exp(-clock * rate_soma)[:, None] * v + (g[:, None, None, None] * new_i).sum(1)
        membranes.append(m)
        new_v = m * (1 - _Spike.apply(m - threshold, surrogate))
        i, v = torch.where(here[:, None, None], new_i, i), torch.where(here[:, None], new_v, v)
        clock = torch.where(here, torch.zeros_like(clock), clock)
    return torch.stack(membranes, 1), is_row


def dense_pool(membranes: Tensor, is_row: Tensor, size: int, threshold: float, surrogate: Surrogate) -> Tensor:
    """Spikes of size x size windows, from their rows alone: (batch, steps, channels, height, width)."""
    lowest = torch.where(is_row[:, :, None], membranes, torch.full_like(membranes, -1e30)).flatten(0, 1)
    largest = torch.nn.functional.max_pool2d(lowest, size, ceil_mode=True)
    spikes = _Spike.apply(largest - threshold, surrogate) * (largest > -1e29)
    return spikes.view(*membranes.shape[:2], *spikes.shape[1:])


def at_rows(dense: Tensor, plan: DendritePlan, first: int = 0) -> Tensor:
    """The entries of (batch, steps, channels, height, width) at the rows of a plan: (rows, channels)."""
    return dense[plan.row_sample.long(), plan.row_step - first, :, plan.row_y.long(), plan.row_x.long()]
