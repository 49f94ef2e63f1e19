"""The dendritic neuron through the compiled kernels: chains of rows, dense sequences, and the largest row of a group."""

from typing import NamedTuple

import torch
from torch import Tensor

from longspike.kernels import native
from longspike.kernels.refractory_lif.surrogates import SURROGATES


class Chains(NamedTuple):
    """A call's tensors: `pairs` is (pair_offsets, pair_input, pair_tap), or None for a dense drive in `weight`."""

    values: Tensor | None  # (inputs, c_in)
    weight: Tensor  # (taps, c_in, branches, channels), or the drive (rows, branches, channels)
    rate: Tensor  # (branches + 1), the last is the soma's
    g: Tensor  # (branches)
    i0: Tensor | None  # (chains, branches, channels)
    v0: Tensor | None  # (chains, channels)
    gap: Tensor | None  # (rows) int64, None: 1
    chain_offsets: Tensor  # (chains + 1) int64
    pairs: tuple[Tensor, Tensor, Tensor] | None
    threshold: float

    @property
    def is_dense(self) -> bool:
        """Whether there are no pairs."""
        return self.pairs is None

    def sizes(self) -> tuple[int, ...]:
        """inputs, c_in, taps, branches, channels, rows, chains."""
        branches, channels = self.weight.shape[-2:]
        chains = self.chain_offsets.numel() - 1
        if self.values is None or self.gap is None:
            return 0, 0, 0, branches, channels, self.weight.shape[0], chains
        return *self.values.shape, self.weight.shape[0], branches, channels, self.gap.numel(), chains


def _address(x: Tensor | None) -> int:
    return 0 if x is None else x.data_ptr()


def _expect_index(where: str, name: str, x: Tensor, dtype: torch.dtype, below: int) -> None:
    if x.dtype != dtype or (x.numel() and not (int(x.min()) >= 0 and int(x.max()) < below)):
        raise ValueError(f"{where}: `{name}` must be {dtype} in [0, {below}). Take it from dendrite_plan.")


def check(where: str, call: Chains) -> Chains:
    """The call with contiguous tensors; raise unless their shapes and indices fit each other."""
    _, c_in, taps, branches, channels, rows, chains = call.sizes()
    shapes: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        "rate": (call.rate, (branches + 1,)),
        "g": (call.g, (branches,)),
    }
    if call.i0 is not None and call.v0 is not None:
        shapes |= {"i": (call.i0, (chains, branches, channels)), "v": (call.v0, (chains, channels))}
    if call.values is not None:
        shapes["values"] = (call.values, (call.values.shape[0], c_in))
        shapes["weight"] = (call.weight, (taps, c_in, branches, channels))
    native.expect(where, call.weight.dtype, **shapes)
    if call.pairs is not None and call.values is not None:
        offsets, pair_input, pair_tap = call.pairs
        _expect_index(where, "pair_input", pair_input, torch.int64, call.values.shape[0])
        _expect_index(where, "pair_tap", pair_tap, torch.int32, taps)
        if pair_input.shape != pair_tap.shape:
            raise ValueError(
                f"{where}: `pair_input` and `pair_tap` must be of one length. Take them from dendrite_plan."
            )
        for name, x, count in (
            ("chain_offsets", call.chain_offsets, rows),
            ("pair_offsets", offsets, pair_tap.numel()),
        ):
            if x.dtype != torch.int64 or int(x[0]) != 0 or int(x[-1]) != count or bool((x.diff() < 0).any()):
                raise ValueError(f"{where}: `{name}` must rise from 0 to {count}. Take it from dendrite_plan.")
        if offsets.numel() != rows + 1:
            raise ValueError(f"{where}: `pair_offsets` must have {rows + 1} entries; got {offsets.numel()}.")
    held = [x.contiguous() if isinstance(x, Tensor) else x for x in call[:8]]
    pairs = None if call.pairs is None else tuple(x.contiguous() for x in call.pairs)
    return Chains(*held, pairs, call.threshold)  # type: ignore[arg-type, call-arg]


def _addresses(call: Chains, membrane: Tensor, end: tuple[Tensor | None, Tensor | None]) -> tuple[int, ...]:
    pairs = (None, None, None) if call.pairs is None else call.pairs
    before = (call.values, call.weight, call.rate, call.g, call.i0, call.v0)
    return tuple(_address(x) for x in (*before, membrane, *end, call.gap, call.chain_offsets, *pairs))


def _stem(call: Chains) -> str:
    return "dendritic_lif" if call.is_dense else "dendritic_conv"


def forward(call: Chains, keeps_state: bool, by_event: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Membranes (rows, channels), and i and v of every chain after its last row (or of no chain).

    `by_event` calls the functions of a stream one after the other instead of the fused row: slower, the same bits.
    """
    call = check(_stem(call), call)
    sizes = call.sizes()
    branches, channels, rows, chains = sizes[3:]
    dtype = call.weight.dtype
    membrane = native.empty((rows, channels), dtype)
    kept = chains if keeps_state else 0
    i, v = native.empty((kept, branches, channels), dtype), native.empty((kept, channels), dtype)
    addresses = _addresses(call, membrane, (i, v) if keeps_state else (None, None))
    kernel = native.kernel(f"{_stem(call)}_forward", dtype)
    if not kernel(addresses, sizes, call.threshold, native.threads(), by_event):
        raise ValueError(
            f"{_stem(call)}: the inputs, weights and time constants must not hold NaN; a membrane became NaN. "
            "Look for a division by zero or a diverged weight before this layer."
        )
    return membrane, i, v


def backward(
    call: Chains,
    membrane: Tensor,
    grad_membrane: Tensor,
    grad_end: tuple[Tensor | None, Tensor | None],
    *,
    surrogate: str,
    scale: float,
    wants_values: bool,
) -> tuple[Tensor, ...]:
    """Gradients of values, weight, rate, g, i0, v0; the trajectory of i is computed again from the membranes' chains."""
    where = f"{_stem(call)}_backward"
    call = check(where, call)
    sizes = call.sizes()
    inputs, c_in, _, branches, channels, rows, chains = sizes
    dtype = call.weight.dtype
    shapes: dict[str, tuple[Tensor, tuple[int, ...]]]
    shapes = {"membrane": (membrane, (rows, channels)), "grad_membrane": (grad_membrane, (rows, channels))}
    for name, x, shape in (("i", grad_end[0], (chains, branches, channels)), ("v", grad_end[1], (chains, channels))):
        if x is not None:
            shapes[f"grad_{name}"] = (x, shape)
    native.expect(where, dtype, **shapes)
    held = [x if x is None else x.contiguous() for x in (membrane, grad_membrane, *grad_end)]
    grad_values = torch.zeros((inputs, c_in), dtype=dtype) if wants_values else None
    grad_weight = native.empty(tuple(call.weight.shape), dtype)
    grad_rate, grad_g = torch.empty(branches + 1, dtype=dtype), torch.empty(branches, dtype=dtype)
    state = chains if call.i0 is not None else 0
    grad_i = native.empty((state, branches, channels), dtype)
    grad_v = native.empty((state, channels), dtype)
    results = (grad_values, grad_weight, grad_rate, grad_g, *((grad_i, grad_v) if state else (None, None)))
    native.kernel(where, dtype)(
        _addresses(call, held[0], (None, None)),  # type: ignore[arg-type]
        sizes,
        call.threshold,
        native.threads(),
        tuple(_address(x) for x in (*held[1:], *results)),
        scale,
        SURROGATES[surrogate][0],
    )
    nothing = torch.zeros((0, c_in), dtype=dtype)
    return nothing if grad_values is None else grad_values, grad_weight, grad_rate, grad_g, grad_i, grad_v


def segment_max(x: Tensor, group_offsets: Tensor, group_rows: Tensor) -> tuple[Tensor, Tensor]:
    """The largest row of each group, per channel, and its position within the group."""
    x, group_offsets, group_rows = x.contiguous(), group_offsets.contiguous(), group_rows.contiguous()
    _expect_index("segment_max", "group_rows", group_rows, torch.int64, x.shape[0])
    groups, channels = group_offsets.numel() - 1, x.shape[1]
    y = native.empty((groups, channels), x.dtype)
    position = torch.empty((groups, channels), dtype=torch.int32)
    tensors = (x, y, position, group_offsets, group_rows)
    native.kernel("segment_max", x.dtype)(*[t.data_ptr() for t in tensors], groups, channels, native.threads())
    return y, position


def segment_max_backward(grad: Tensor, position: Tensor, group_offsets: Tensor, group_rows: Tensor) -> Tensor:
    """The gradient of x: that of y at the largest row, zero elsewhere."""
    grad, position = grad.contiguous(), position.contiguous()
    group_offsets, group_rows = group_offsets.contiguous(), group_rows.contiguous()
    groups, channels = grad.shape
    native.expect("segment_max_backward", torch.int32, position=(position, (groups, channels)))
    grad_x = native.empty((group_rows.numel(), channels), grad.dtype)
    tensors = (grad, grad_x, position, group_offsets, group_rows)
    native.kernel("segment_max_backward", grad.dtype)(
        *[t.data_ptr() for t in tensors], groups, channels, native.threads()
    )
    return grad_x
