"""A trained model fed as its input arrives."""

from longspike.streaming.stream import Stream

__all__ = ["Stream"]
