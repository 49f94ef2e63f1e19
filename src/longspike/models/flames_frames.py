"""FLAMES' front over frames: dendritic convolutions, then a linear map into the memory's channels."""

from torch import Tensor, nn

from longspike.layers.batch_norm import BatchNorm
from longspike.layers.dendritic_frames import DendriticConv2d, DendriticFramesState
from longspike.layers.linear import SpikeLinear
from longspike.models.flames_config import FlamesSequenceConfig
from longspike.neurons.surrogate import surrogate_of

FramesState = tuple[DendriticFramesState, ...]


def stages(config: FlamesSequenceConfig) -> tuple[tuple[int, int], ...]:
    """Channels and pool of every convolution."""
    pools = config.pools if len(config.pools) > 1 else config.pools * len(config.convolutions)
    return tuple(zip(config.convolutions, pools, strict=True))


def frame_cells(config: FlamesSequenceConfig) -> tuple[int, int]:
    """Rows and columns that the last convolution leaves."""
    height, width = config.frame[:2]
    for _, pool in stages(config):
        height, width = -(-height // pool), -(-width // pool)
    return height, width


class FrameFront(nn.Module):
    """x (batch, seqlen, d_input) -> frames -> [convolution -> pool -> dendrites -> spikes] x n -> linear -> batch norm."""

    def __init__(self, config: FlamesSequenceConfig) -> None:
        super().__init__()
        self.frame = config.frame
        inputs, height, width = config.frame[2], *frame_cells(config)
        self.convolutions = nn.ModuleList()
        for channels, pool in stages(config):
            convolution = DendriticConv2d(
                inputs,
                channels,
                num_branches=config.num_branches,
                kernel=(config.kernel[0], config.kernel[1]),
                weights=config.weights,
                pool=pool,
                pooled=config.pooled,
                tau_min=config.tau_min,
                tau_max=config.tau_max,
                tau_soma=config.tau_soma if config.has_soma else None,
                surrogate=surrogate_of(config),
            )
            self.convolutions.append(convolution)
            inputs = channels
        self.embed = SpikeLinear(height * width * inputs, config.memory.d_model)
        self.norm = BatchNorm(config.memory.d_model)

    def init_state(self, batch: int) -> FramesState:
        """The silent state of `batch` samples."""
        (height, width, _), states = self.frame, []
        for convolution in self.convolutions:
            states.append(convolution.init_state(batch, height=height, width=width))  # type: ignore[operator]
            height, width = convolution.cells(height, width)  # type: ignore[operator]
        return tuple(states)

    def forward(
        self, x: Tensor, state: FramesState, lengths: Tensor | None
    ) -> tuple[Tensor, FramesState, tuple[Tensor, ...]]:
        """What goes into the memory (batch, seqlen, d_model); the state; spikes (batch, seqlen, neurons)."""
        frames, ends, spikes = x.unflatten(-1, self.frame), [], []
        for convolution, before in zip(self.convolutions, state, strict=True):
            frames, end = convolution(frames, before, lengths)
            ends.append(end)
            spikes.append(frames.flatten(2))
        return self.norm(self.embed(spikes[-1]), lengths), tuple(ends), tuple(spikes)
