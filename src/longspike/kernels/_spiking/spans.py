"""How far apart the states lie that kernels save for their backward pass, which computes again what lies between.

A span is the stretch of time between two saved states. It needs neither Triton nor the extension to know them.
"""

LIF_SPAN = 64
"""Steps between two states of the neuron that the compiled kernels save."""

LIF_SPAN_ON_GPU = 16
"""The same in Triton, and rows fetched at once. The backward pass holds the trajectory between two of them in registers,
so they lie closer together: 3/16 numbers an element."""


def num_spans(length: int, span: int) -> int:
    """Saved states of a sequence: one before each span of so many steps."""
    return (length + span - 1) // span
