"""Events of event cameras: recordings in the formats of camera makers and data sets, read whole or in packets."""

from longspike.events.conversion import as_events
from longspike.events.formats import FORMATS, WRITERS
from longspike.events.reading import EventReader, open, read  # noqa: A004
from longspike.events.record import EVENT_DTYPE, check_events, make_events
from longspike.events.recording import Recording
from longspike.events.writing import write

__all__ = [
    "EVENT_DTYPE",
    "FORMATS",
    "WRITERS",
    "EventReader",
    "Recording",
    "as_events",
    "check_events",
    "make_events",
    "open",
    "read",
    "write",
]
