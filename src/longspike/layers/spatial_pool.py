"""Spatial max pooling of membranes: which pooled cells spike, in which step."""

from torch import Tensor, nn

from longspike._core.checks import check_positive_int
from longspike.kernels.dendrite import pool_plan, segment_max
from longspike.layers.dendritic_conv import DendriticRows
from longspike.layers.sparse import SparseSpikes
from longspike.neurons.memoryless import spike
from longspike.neurons.surrogate import Surrogate, as_surrogate


class SpatialPool(nn.Module):
    """Spikes of size x size windows: per channel, the largest membrane of the window's rows of one step is thresholded.

    The threshold of a maximum is the OR of the thresholds, so a window spikes where any of its positions does. The
    gradient goes to the row with the largest membrane, the first of equals, through the surrogate. Windows at the border
    may be smaller: the pooled grid is ceil(width / size) x ceil(height / size). Size 1 only takes the spikes.

    Args: size, in cells; surrogate, the slope of the backward pass. The threshold is that of the rows.
    """

    def __init__(self, size: int, *, surrogate: str | Surrogate = "triangle") -> None:
        super().__init__()
        check_positive_int("SpatialPool", "size", size)
        self.size, self.surrogate = size, as_surrogate(surrogate)

    def forward(self, rows: DendriticRows) -> SparseSpikes:
        """One item for every touched window and step, silent ones included, sorted by (sample, step, cell)."""
        plan = pool_plan(rows.plan, self.size)
        largest: Tensor = segment_max(rows.membrane, plan)
        values = spike(largest, self.surrogate, threshold=rows.threshold)
        return SparseSpikes(values, plan.item_step, plan.item_x, plan.item_y, plan.item_offsets, plan.grid_size)

    def extra_repr(self) -> str:
        return f"size={self.size}, surrogate={self.surrogate.name}"
