"""Events of cameras: the record, and what is done to arrays of them."""

from longspike.events.record import EVENT_DTYPE, check_events

__all__ = ["EVENT_DTYPE", "check_events"]
