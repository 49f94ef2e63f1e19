"""Samples of data sets as a model reads them: one sequence, or the two of a pair."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from longspike.errors import ConfigError
from longspike.models.input_spec import InputSpec
from longspike.models.matching import check_order


def is_sample(source: str) -> bool:
    """Whether a source names a sample of a data set, as DATASET:INDEX."""
    _, colon, index = source.partition(":")
    return bool(colon) and index.isdigit()


def dataset_sample(
    source: str,
    *,
    d_input: int,
    is_tokens: bool = False,
    has_pairs: bool = False,
    data_root: str | Path | None = None,
    input_spec: InputSpec = InputSpec(),  # noqa: B008 - frozen
) -> tuple[Any, Any]:
    """A sample DATASET:INDEX of a test split, as a model reads it, and its label or labels.

    The sample is values (steps, d_input) or tokens (steps); with `has_pairs` two of these.

    Raises: ConfigError if there is no such sample, or the model does not read the data set.
    """
    from longspike.data import RaggedSplit, Split, available, load_sequences

    name, _, index = source.partition(":")
    if name not in available():
        raise ConfigError(f"there is no data set {name!r}. The data sets are: {', '.join(available())}.")
    bundle = load_sequences(name, root=data_root)
    test = bundle.test
    if int(index) >= len(test):
        raise ConfigError(f"{source} does not exist; the test split has samples 0 to {len(test) - 1}.")
    words = {True: "kinds of tokens", False: "values a step"}
    if (bundle.d_input, bundle.has_tokens) != (d_input, is_tokens):
        raise ConfigError(
            f"the model takes {d_input} {words[is_tokens]}; {name} has {bundle.d_input} {words[bundle.has_tokens]}."
        )
    if bundle.has_pairs and not has_pairs:
        raise ConfigError(f"{source} is a pair of sequences, which a SpikeSSMPair reads as its only input.")
    if has_pairs and not bundle.has_pairs:
        raise ConfigError(f"{source} is one sequence, and the model reads pairs of them. Name a second input.")
    check_order(input_spec, bundle)
    if isinstance(test, Split | RaggedSplit) and input_spec.scale is not None and input_spec.shift is not None:
        test = replace(test, scale=input_spec.scale, shift=input_spec.shift)
    return test[int(index)]
