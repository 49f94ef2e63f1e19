"""The two sequences of a pair from outside."""

from pathlib import Path

from longspike.streaming.sample_source import dataset_sample
from longspike.streaming.step_source import StepSource


def open_pair(
    source: str, *, d_input: int, is_tokens: bool = False, data_root: str | Path | None = None
) -> tuple[StepSource, StepSource]:
    """The steps of both sides of a pair DATASET:INDEX of a test split; each says the label of the pair.

    Raises: ConfigError if there is no such pair, or the model does not read the data set.
    """
    sides, label = dataset_sample(source, d_input=d_input, is_tokens=is_tokens, has_pairs=True, data_root=data_root)
    first, second = (StepSource(steps=iter(x), num_steps=len(x), label=label) for x in sides)
    return first, second
