"""A trained model fed as its input arrives."""

from longspike.streaming.event_stream import EventStream, StreamCounts, StreamTick
from longspike.streaming.sequence_stream import SequenceStream
from longspike.streaming.stream import Stream

__all__ = ["EventStream", "SequenceStream", "Stream", "StreamCounts", "StreamTick"]
