"""In Triton: sequences side by side, one (sample, channel) a lane, and rows of them fetched before they are needed."""

import triton
import triton.language as tl


@triton.jit
def lane_numbers(lanes, channels, LANES: tl.constexpr):
    """Of each lane of this program: its number, sample and channel, and whether it exists."""
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    return lane, lane // channels, lane % channels, lane < lanes


@triton.jit
def load_rows(x, first, last, stride, COUNT: tl.constexpr):
    """Rows first .. first + COUNT - 1, zero from each lane's row `last` on; all loads start before one is used."""
    rows = ()
    for i in tl.static_range(COUNT):
        rows += (tl.load(x + (first + i) * stride, mask=first + i < last, other=0.0),)  # type: ignore[assignment]
    return rows
