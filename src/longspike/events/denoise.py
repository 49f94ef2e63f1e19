"""Filters that take noise out of event arrays: refractory period, hot pixels, background activity."""

import numpy as np

from longspike.events.arguments import check_event_array, check_number, check_sorted

__all__ = ["background_activity_filter", "hot_pixel_filter", "refractory_filter"]

COLUMNS = 1 << 16
"""As many columns as EVENT_DTYPE can tell apart, so that y * COLUMNS + x numbers the pixels of any sensor."""
NEIGHBOURS = tuple((dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dx, dy) != (0, 0))


def _pixel_numbers(events: np.ndarray) -> np.ndarray:
    """(num_events,), int64: a number for the pixel of each event, in raster order."""
    return events["y"].astype(np.int64) * COLUMNS + events["x"]


def _pixel_order(events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices that sort events by pixel, in the order of the array within each, and the sorted pixel numbers."""
    pixel = _pixel_numbers(events)
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


def hot_pixel_filter(events: np.ndarray, *, max_rate_hz: float) -> np.ndarray:
    """Events of pixels whose mean rate over the recording does not exceed `max_rate_hz`.

        rate = num_events of the pixel / (t_last - t_first + 1 us), t_first and t_last of the whole array

    A pixel that fires too often loses all its events, both polarities.

    Args:
        events: (num_events,), EVENT_DTYPE, in any order.
        max_rate_hz: events per second, > 0.
    Returns: the kept events, a copy in the same order.
    """
    where = "hot_pixel_filter"
    check_event_array(where, events)
    check_number(where, "max_rate_hz", max_rate_hz, low=1e-9)
    if len(events) == 0:
        return events.copy()
    duration_us = int(events["t"].max()) - int(events["t"].min()) + 1
    _, pixel, counts = np.unique(_pixel_numbers(events), return_inverse=True, return_counts=True)
    return events[(1e6 * counts <= max_rate_hz * duration_us)[pixel]]


def background_activity_filter(events: np.ndarray, *, window_us: int) -> np.ndarray:
    """Events that one of the eight neighbouring pixels supports: it had an event at most `window_us` before.

    Support comes from events earlier in the array, kept or not, of either polarity; the event's own pixel does not
    count. So the first event of an edge is lost and lone noise events are dropped.

    Method: one sort by pixel; then, for each of the eight directions, one binary search finds the neighbour's latest
    event before each event.

    Args:
        events: (num_events,), EVENT_DTYPE, in the order of time.
        window_us: >= 0.
    Returns: the kept events, a copy.
    Reference: Delbruck 2008, Frame-free dynamic digital vision.
    """
    where = "background_activity_filter"
    check_event_array(where, events)
    check_number(where, "window_us", window_us, low=0)
    check_sorted(where, events)
    num_events = len(events)
    order, pixel = _pixel_order(events)
    keys = pixel * num_events + order
    times = events["t"][order]
    x, y = events["x"][order].astype(np.int64), events["y"][order].astype(np.int64)
    is_supported = np.zeros(num_events, bool)
    for dx, dy in NEIGHBOURS:
        neighbour = (y + dy) * COLUMNS + x + dx
        latest = np.searchsorted(keys, neighbour * num_events + order) - 1
        is_found = (latest >= 0) & (x + dx >= 0) & (x + dx < COLUMNS) & (pixel[latest] == neighbour)
        is_supported |= is_found & (times - times[latest] <= window_us)
    return events[np.sort(order[is_supported])]
