"""The division of samples into those to train on, to validate with and to test on."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from longspike.data.holdout import hold_out
from longspike.errors import DataFileError

LEAST = 2
"""Samples of a class that is divided."""


def ordered_names(labels: Sequence[str]) -> tuple[str, ...]:
    """The classes in alphabetical order, numbers in them by their value.

    Example:
        >>> ordered_names(["run 10", "run 9", "walk", "run 9"])
        ('run 9', 'run 10', 'walk')
    """

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]

    return tuple(sorted(set(labels), key=lambda name: (key(name), name)))


def check_classes(path: Path, labels: Sequence[str]) -> None:
    """Raise unless there are two classes, with `LEAST` samples each."""
    counts = Counter(labels)
    if len(counts) < 2:
        raise DataFileError(
            f"{path} has one class, {next(iter(counts))!r}. Give samples of at least two, or another column with --label."
        )
    if 2 * len(counts) > len(labels) and len(labels) > 3:
        raise DataFileError(
            f"{path} has {len(counts):,} different labels for {len(labels):,} samples, such as "
            f"{', '.join(map(repr, list(counts)[:3]))}. Are they labels? Name another column with --label."
        )
    rare = [name for name, count in counts.items() if count < LEAST]
    if rare:
        more = f" and {len(rare) - 4} more" if len(rare) > 4 else ""
        raise DataFileError(
            f"{path}: the class {', '.join(map(repr, rare[:4]))}{more} has one sample, which cannot be both trained on and "
            "held out. Add samples, take it out, or name other labels with --label."
        )


def held_out(
    where: Path, labels: np.ndarray, groups: Sequence[str] | None, *, share: float, seed: int, part: str
) -> tuple[np.ndarray, np.ndarray]:
    """The samples that are kept, and a share of them that is held out: by class, or by whole groups; ascending, int64.

    Without groups `hold_out` draws them, stratified. Groups are drawn in an order that the seed gives, until they hold the
    share.

    Args: part: what is held out, for the message.
    Raises: DataFileError if one of the two would be empty, or a class would be missing among those that are kept.
    """
    if groups is None:
        count = min(max(round(share * len(labels)), 1), len(labels) - 1)
        kept, chosen = (x.numpy() for x in hold_out(torch.from_numpy(labels), num_held_out=count, seed=seed))
    else:
        names = sorted(set(groups))
        if len(names) < 2:
            raise DataFileError(
                f"{where} has too few groups to hold out a part for {part}: all that is left is {names[0]!r}. Give more "
                "groups, name others with --group, or leave it out."
            )
        owner = np.array([names.index(group) for group in groups])
        order = np.random.RandomState(seed).permutation(len(names))
        sizes = np.bincount(owner, minlength=len(names))[order].cumsum()
        count = min(max(int(np.searchsorted(sizes, share * len(labels) - 0.5)) + 1, 1), len(names) - 1)
        is_chosen = np.isin(owner, order[:count])
        kept, chosen = np.flatnonzero(~is_chosen), np.flatnonzero(is_chosen)
    missing = sorted(set(labels.tolist()) - set(labels[kept].tolist()))
    if missing:
        raise DataFileError(
            f"{where}: {part} takes all samples of {len(missing)} class(es), so none is left to train on. Give more "
            f"samples, a smaller --{part}-share or another --split-seed{' or --group' if groups is not None else ''}."
        )
    return kept, chosen
