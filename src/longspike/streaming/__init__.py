"""A trained model fed as its input arrives."""

from longspike.streaming.comparing import WholePair, WholeRecording, WholeSequence
from longspike.streaming.decisions import Decision, Decisions, StepDecision, best_class
from longspike.streaming.durations import Durations
from longspike.streaming.event_source import EventSource, open_events
from longspike.streaming.event_stream import EventStream, StreamCounts, StreamTick
from longspike.streaming.feeding import EventRun, StepRun, feed_events, feed_pair, feed_steps
from longspike.streaming.pair_source import open_pair
from longspike.streaming.pair_stream import PairState, PairStream
from longspike.streaming.real_time import RealTime
from longspike.streaming.sequence_stream import SequenceStream
from longspike.streaming.step_source import StepSource, bounded_lines, open_steps, parse_steps, read_steps
from longspike.streaming.stream import Stream
from longspike.streaming.token_source import LINE_CHARACTERS, open_tokens, tokens_of_lines

__all__ = [
    "LINE_CHARACTERS",
    "Decision",
    "Decisions",
    "Durations",
    "EventRun",
    "EventSource",
    "EventStream",
    "PairState",
    "PairStream",
    "RealTime",
    "SequenceStream",
    "StepDecision",
    "StepRun",
    "StepSource",
    "Stream",
    "StreamCounts",
    "StreamTick",
    "WholePair",
    "WholeRecording",
    "WholeSequence",
    "best_class",
    "bounded_lines",
    "feed_events",
    "feed_pair",
    "feed_steps",
    "open_events",
    "open_pair",
    "open_steps",
    "open_tokens",
    "parse_steps",
    "read_steps",
    "tokens_of_lines",
]
