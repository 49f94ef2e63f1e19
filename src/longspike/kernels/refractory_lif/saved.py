"""How far apart the states lie that the neuron's GPU kernels save for their backward pass; it needs no Triton to know."""

STEPS = 16
"""Steps between two saved states, and rows fetched at once. The backward pass holds the trajectory between two of them in
registers, so they lie closer together than the compiled kernels' (compiled.BLOCK): 3/16 numbers an element."""


def num_saved(seqlen: int) -> int:
    """Saved states of a sequence: one before each block of STEPS steps."""
    return (seqlen + STEPS - 1) // STEPS
