"""The names by which columns and arrays say what they hold."""

import re

LABELS = ("label", "labels", "class", "classes", "target", "targets", "category", "class_label")
SHORT_LABELS = ("y",)
"""As the letters of formulas have it: an array of labels, but often enough a column of positions."""
SAMPLES = tuple(
    [
        "sample",
        "sample_id",
        "id",
        "series",
        "series_id",
        "sequence",
        "sequence_id",
        "case",
        "case_id",
        "trial",
        "trial_id",
        "recording",
        "uid",
    ]
)
SAMPLE_ENDINGS = ("_id", "_no", "_nr", "_number")
TIMES = tuple(
    ["time", "t", "timestamp", "timestamps", "step", "time_s", "time_ms", "time_us", "seconds", "date", "datetime"]
)
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
