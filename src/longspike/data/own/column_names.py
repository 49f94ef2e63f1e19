"""The names by which columns and arrays say what they hold."""

import re

LABELS = ("label", "labels", "class", "classes", "target", "targets", "category", "class_label")
SHORT_LABELS = ("y",)
"""As the letters of formulas have it: an array of labels, but often enough a column of positions."""
_SAMPLES = (
    "sample",
    "id",
    "series",
    "sequence",
    "case",
    "trial",
    "recording",
    "record",
    "segment",
    "file",
    "filename",
    "uid",
)
SAMPLES = (*_SAMPLES, *(f"{name}_id" for name in _SAMPLES))
SAMPLE_ENDINGS = ("_id", "_no", "_nr", "_number")
TIMES = (
    "time",
    "t",
    "timestamp",
    "timestamps",
    "step",
    "date",
    "datetime",
    "year",
    "seconds",
    "time_s",
    "time_ms",
    "time_us",
)
INDICES = ("", "index", "unnamed:_0")
VALUES = ("x", "data", "values", "features", "inputs", "signals")
LENGTHS = ("lengths", "length", "seqlen", "num_steps")
KNOWN = frozenset((*LABELS, *SHORT_LABELS, *SAMPLES, *TIMES))


def plain_name(name: str) -> str:
    """A name in small letters, with underscores for all that parts words.

    Example:
        >>> plain_name(" Sample-ID ")
        'sample_id'
    """
    return re.sub(r"[\s\-.]+", "_", name.strip().lower())
