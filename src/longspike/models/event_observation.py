"""What FLAMES did with a batch of events."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from longspike.events.ragged import RaggedEvents
from longspike.layers.event_pool import EventPool
from longspike.models.flames_config import FlamesConfig
from longspike.models.observation import Classification, EventCounts, EventInput, Observation, Trace

if TYPE_CHECKING:
    from longspike.models.flames import FlamesOutput


def count_steps(events: RaggedEvents, step_us: int) -> int:
    """Steps that hold an event, summed over the samples."""
    step = torch.div(events.t, step_us, rounding_mode="floor")
    sample = torch.repeat_interleave(torch.arange(events.batch, device=step.device), events.lengths)
    if not len(step):
        return 0
    return 1 + int(((step[1:] != step[:-1]) | (sample[1:] != sample[:-1])).sum())


def running_pool(pool: EventPool, features: Tensor, delta: Tensor) -> Tensor:
    """(ticks, channels): what the pool of one sample holds after every tick."""
    state, one = pool.init_state(1, device=features.device), torch.tensor([0, 1], device=features.device)
    means = [features[:0]]
    for k in range(len(features)):
        mean, state = pool(features[k : k + 1], delta[k : k + 1], one, state)
        means.append(mean)
    return torch.cat(means)


def observe_events(
    events: RaggedEvents,
    output: "FlamesOutput",
    features: Tensor,
    *,
    config: FlamesConfig,
    layer_names: tuple[str, ...],
    pool: EventPool,
    read_out: Callable[[Tensor], Tensor],
) -> Observation:
    """The answer with its counts and traces.

    Args:
        features: (ticks, channels), what `pool` averages. layer_names: of the blocks. read_out: from means to logits.
    """
    (width, height), ticks = config.sensor_size, output.ticks

    def trace(row: int) -> Trace | None:
        first, end = events.offsets[row : row + 2].tolist()
        if first == end:
            return None
        x, y, t, p = (part[first:end].cpu().numpy().astype(np.int64) for part in events[:4])
        image = np.bincount((p * height + y) * width + x, minlength=2 * height * width).reshape(2, height, width)
        own = slice(*ticks.offsets[row : row + 2].tolist())
        running = read_out(running_pool(pool, features[own], ticks.delta[own].to(features.dtype)))
        return Trace(
            x=EventInput(image, t),
            times=ticks.step[own].cpu().numpy() * config.step_us,
            spikes=tuple(s[own].bool().cpu().numpy() for s in output.spikes),
            layer_names=layer_names,
            answers=running.softmax(dim=-1).float().cpu().numpy(),
        )

    counts = EventCounts(len(events.t), len(ticks.step))
    answer = Classification(output.logits, output.activity)
    return Observation(answer, count_steps(events, config.step_us), trace, events=counts)
