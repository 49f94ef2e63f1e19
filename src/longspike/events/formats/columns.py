"""Events from columns of integers, as tables and archives hold them."""

from typing import Any

import numpy as np

from longspike.events.faults import Faults
from longspike.events.record import EVENT_DTYPE

LIMITS = {"x": (0, (1 << 16) - 1), "y": (0, (1 << 16) - 1), "t": (0, 1 << 62), "p": (-1, 1)}
"""What each column may hold; p may be -1 for off, as some tools write it."""


def column_events(columns: dict[str, Any], first: int, faults: Faults) -> np.ndarray:
    """Events from columns x, y, t and p of one length; those with a value that no event can have are faults.

    Args:
        columns: integers or booleans, by name.
        first: the number of the first event, for the messages.
        faults: where wrong columns and events go.
    """
    columns = {name: np.asarray(columns[name]) for name in "xytp"}
    for name, column in columns.items():
        if column.dtype.kind not in "iub" or column.ndim != 1:
            faults.fail(
                f"holds {name} as {column.dtype} with {column.ndim} axes; only integers on one axis are read",
                "Convert seconds to integer microseconds.",
            )
    is_good = np.ones(len(columns["x"]), bool)
    for name, (low, high) in LIMITS.items():
        column = columns[name]
        is_wrong = column > high if column.dtype.kind in "ub" else (column < low) | (column > high)
        if is_wrong.any():
            k = int(np.argmax(is_wrong))
            what = f"{name} is {int(column[k])}, which lies outside [{low}, {high}]"
            faults.report(f"event {first + k}", what, count=int((is_wrong & is_good).sum()))
            is_good &= ~is_wrong
    events = np.empty(int(is_good.sum()), EVENT_DTYPE)
    for name, column in columns.items():
        events[name] = (column > 0)[is_good] if name == "p" else column[is_good]
    return events
