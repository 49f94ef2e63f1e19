"""Cutting events into windows of time or of event count; every event lies in at least one of them."""

from collections.abc import Iterable, Iterator

import numpy as np

from longspike.events.arguments import check_event_array, check_integer, check_sorted

__all__ = ["by_count", "by_time", "packets_by_time"]


def _check_stride(where: str, name: str, stride: int | None, size_name: str, size: int) -> int:
    """The stride, `size` by default; raise if it is none or steps over events."""
    check_integer(where, size_name, size, low=1)
    if stride is None:
        return size
    check_integer(where, name, stride, low=1)
    if stride > size:
        raise ValueError(
            f"{where}: `{name}` must be at most `{size_name}`, {size}; got {stride}. The events between two windows "
            "would be lost."
        )
    return stride


def by_time(
    events: np.ndarray,
    *,
    window_us: int,
    stride_us: int | None = None,
    start_us: int | None = None,
    keep_partial: bool = True,
) -> Iterator[np.ndarray]:
    """Windows of equal duration, k = 0, 1, ...: the events with start_us + k*stride_us <= t < ... + window_us.

    The last window is the first one that reaches beyond the last event; it is partial if it ends later than one
    microsecond after that event. Windows in which nothing happened are empty arrays.

    Args:
        events: (num_events,), EVENT_DTYPE, in the order of time.
        window_us: at least 1.
        stride_us: from one window to the next, 1 .. window_us; window_us by default, which cuts without overlap.
        start_us: where the first window begins, the first event's time by default.
        keep_partial: yield a last window that is partial; without it the events at the end may be in no window.
    Returns: an iterator of views on `events`; their times stay as they are. No window if there is no event.
    Raises: ValueError, at the call, if an argument is out of range or an event comes before `start_us`.

    Example:
        >>> from longspike.events import EVENT_DTYPE
        >>> events = np.array([(0, 0, t, 1) for t in (5, 9, 16, 31)], EVENT_DTYPE)
        >>> [window["t"].tolist() for window in by_time(events, window_us=10, start_us=0)]
        [[5, 9], [16], [], [31]]
    """
    where = "by_time"
    check_event_array(where, events)
    stride = _check_stride(where, "stride_us", stride_us, "window_us", window_us)
    check_sorted(where, events)
    if len(events) == 0:
        return iter(())
    times = events["t"].copy()
    first, last = int(times[0]), int(times[-1])
    if start_us is None:
        start_us = first
    if first < start_us:
        raise ValueError(
            f"{where}: `start_us` must not lie after the first event, at {first}; got {start_us}. "
            "Cut the events before it off with crop_time."
        )
    num_windows = 1 + max(0, -(-(last + 1 - start_us - window_us) // stride))
    is_partial = start_us + (num_windows - 1) * stride + window_us > last + 1
    starts = (start_us + k * stride for k in range(num_windows - (1 if is_partial and not keep_partial else 0)))
    return (events[slice(*np.searchsorted(times, (start, start + window_us)))] for start in starts)


def by_count(
    events: np.ndarray, *, num_events: int, stride: int | None = None, keep_partial: bool = True
) -> Iterator[np.ndarray]:
    """Windows of `num_events` events each, k = 0, 1, ...: events[k*stride : k*stride + num_events].

    The last window is the first one that contains the last event; it may hold fewer events.

    Args:
        events: (total,), EVENT_DTYPE.
        num_events: at least 1.
        stride: from one window to the next, 1 .. num_events; num_events by default, which cuts without overlap.
        keep_partial: yield a last window that holds fewer events.
    Returns: an iterator of views on `events`. No window if there is no event.
    Raises: ValueError, at the call, if an argument is out of range.

    Example:
        >>> from longspike.events import EVENT_DTYPE
        >>> [len(window) for window in by_count(np.zeros(7, EVENT_DTYPE), num_events=3)]
        [3, 3, 1]
    """
    where = "by_count"
    check_event_array(where, events)
    step = _check_stride(where, "stride", stride, "num_events", num_events)
    if len(events) == 0:
        return iter(())
    num_windows = 1 + max(0, -(-(len(events) - num_events) // step))
    is_partial = (num_windows - 1) * step + num_events > len(events)
    starts = range(0, step * (num_windows - (1 if is_partial and not keep_partial else 0)), step)
    return (events[start : start + num_events] for start in starts)


def packets_by_time(packets: Iterable[np.ndarray], *, packet_us: int) -> Iterator[np.ndarray]:
    """The events of a recording read in packets of any size, cut anew where t // packet_us changes.

    Needs no more memory than the longest new packet. A stretch of time without events makes no packet.

    Args:
        packets: arrays of EVENT_DTYPE in the order of time, as `longspike.events.open` yields them.
        packet_us: at least 1.
    Raises: ValueError, at the call, if `packet_us` is out of range.

    Example:
        >>> from longspike.events import EVENT_DTYPE
        >>> events = np.array([(0, 0, t, 1) for t in (5, 9, 16, 31, 38)], EVENT_DTYPE)
        >>> [packet["t"].tolist() for packet in packets_by_time([events[:1], events[1:]], packet_us=10)]
        [[5, 9], [16], [31, 38]]
    """
    check_integer("packets_by_time", "packet_us", packet_us, low=1)
    return _packets_by_time(packets, packet_us)


def _packets_by_time(packets: Iterable[np.ndarray], packet_us: int) -> Iterator[np.ndarray]:
    rest: list[np.ndarray] = []
    for packet in packets:
        if not len(packet):
            continue
        windows = packet["t"] // packet_us
        if rest and int(rest[-1]["t"][-1]) // packet_us != int(windows[0]):
            yield np.concatenate(rest)
            rest = []
        *whole, last = np.split(packet, np.flatnonzero(np.diff(windows)) + 1)
        for part in whole:
            yield np.concatenate([*rest, part])
            rest = []
        rest.append(last)
    if rest:
        yield np.concatenate(rest)
