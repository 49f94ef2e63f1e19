"""Filters that take noise out of event arrays: refractory period, hot pixels, background activity."""

import numpy as np

from longspike.events.arguments import check_event_array, check_number, check_sorted


def _pixel_order(events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices that sort events by pixel, in the order of time within each, and the sorted pixel numbers."""
    pixel = (events["y"].astype(np.uint32) << 16) | events["x"]
    order = np.argsort(pixel, kind="stable")
    return order, pixel[order]


def refractory_filter(events: np.ndarray, *, refractory_us: int) -> np.ndarray:
    """Events that come at least `refractory_us` after the last kept event of their pixel, polarities together.

        kept[i] = (t[i] - t[last kept event of the same pixel] >= refractory_us), or there is none

    Non-paralysable: an event that is dropped does not prolong the dead time. (tonic's filter of the same name compares
    with the last event seen, kept or not, and so silences a pixel that keeps firing.)

    Method: with the events sorted by pixel, the sum of the gaps, each cut at refractory_us, tells by one binary search
    which event is the next kept one after each; a gap that is cut is free in any case. Following these links from all
    free events at once, in doubling strides, marks the kept ones: O(n log n), no loop over pixels.

    Args:
        events: (num_events,), EVENT_DTYPE, in the order of time.
        refractory_us: >= 0; 0 keeps everything.
    Returns: the kept events, a copy.

    Example:
        >>> from longspike.events import EVENT_DTYPE
        >>> events = np.array([(0, 0, t, 1) for t in (0, 60, 110, 150, 210)], EVENT_DTYPE)
        >>> refractory_filter(events, refractory_us=100)["t"].tolist()
        [0, 110, 210]
    """
    where = "refractory_filter"
    check_event_array(where, events)
    check_number(where, "refractory_us", refractory_us, low=0)
    check_sorted(where, events)
    if refractory_us == 0 or len(events) == 0:
        return events.copy()
    order, pixel = _pixel_order(events)
    gaps = np.minimum(np.diff(events["t"][order]), refractory_us)
    gaps[pixel[1:] != pixel[:-1]] = refractory_us
    clock = np.concatenate(([0], np.cumsum(gaps)))
    num_events = len(events)
    link = np.append(np.searchsorted(clock, clock + refractory_us, side="left"), num_events)
    is_kept = np.append(np.concatenate(([True], gaps >= refractory_us)), False)
    num_kept = -1
    while num_kept != (num_kept := int(np.count_nonzero(is_kept))):
        is_kept[link[is_kept]] = True
        link = link[link]
    return events[np.sort(order[is_kept[:num_events]])]
