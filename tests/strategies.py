"""Hypothesis strategies: how a sequence is cut, which neuron it meets."""

from hypothesis import strategies as st

from operators import RESETS


@st.composite
def splits(draw: st.DrawFn, seqlen: int, most: int = 6) -> list[int]:
    """Lengths of consecutive chunks that add up to `seqlen`; empty chunks and single steps among them."""
    cuts = sorted(draw(st.lists(st.integers(0, seqlen), max_size=most)))
    ends = [*cuts, seqlen]
    return [end - start for start, end in zip([0, *cuts], ends, strict=True)]


resets = st.sampled_from(RESETS)
seeds = st.integers(0, 2**31 - 1)
