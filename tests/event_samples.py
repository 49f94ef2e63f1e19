"""Event arrays to test with: random ones by a seed, and a Hypothesis strategy."""

import numpy as np
from hypothesis import strategies as st

from longspike.events import EVENT_DTYPE


def random_events(
    num_events: int, sensor_size: tuple[int, int], *, duration_us: int = 1000, seed: int = 0
) -> np.ndarray:
    """Random events in the order of time, every pixel and polarity as likely."""
    random = np.random.default_rng(seed)
    events = np.empty(num_events, EVENT_DTYPE)
    for name, high in (("x", sensor_size[0]), ("y", sensor_size[1]), ("p", 2)):
        events[name] = random.integers(0, high, num_events)
    events["t"] = np.sort(random.integers(0, duration_us, num_events))
    return events


def event_arrays(sensor_size: tuple[int, int], *, most: int = 60) -> st.SearchStrategy[np.ndarray]:
    """Arrays of few events, many of them at equal times and pixels."""
    return st.builds(
        lambda num_events, duration_us, seed: random_events(
            num_events, sensor_size, duration_us=duration_us, seed=seed
        ),
        st.integers(0, most),
        st.sampled_from([1, 7, 300, 10_000]),
        st.integers(0, 2**31 - 1),
    )
