"""The stratified hold-out by which a validation set is taken from the training files."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from longspike._core.checks import check_positive_int

HOLDOUT_SEED = 2024
"""The seed of every hold-out in this package."""
SHARE = 10
"""Where a set is published without test or validation samples, one in this many is taken for each."""


def class_quotas(class_sizes: np.ndarray, num_held_out: int) -> np.ndarray:
    """How many samples each class gives up: proportional shares by largest remainder.

    share[c] = num_held_out * class_sizes[c] / sum(class_sizes), rounded down; what is then missing goes to the classes
    with the largest remainders, ties to the lower class. The quotas sum to `num_held_out` exactly.

    Args:
        class_sizes: (num_classes,), int64.
        num_held_out: 0 <= num_held_out <= class_sizes.sum().
    """
    scaled = class_sizes.astype(np.int64) * num_held_out
    total = int(class_sizes.sum())
    quotas = scaled // total
    by_remainder = np.argsort(-(scaled % total), kind="stable")
    quotas[by_remainder[: num_held_out - int(quotas.sum())]] += 1
    return quotas


def hold_out(labels: Tensor, *, num_held_out: int, seed: int = HOLDOUT_SEED) -> tuple[Tensor, Tensor]:
    """Split sample indices into a kept and a held-out part with the same mix of classes.

    The draw is numpy's RandomState(seed).permutation within each class, in the order of the classes; numpy documents
    that stream as frozen, so the split is the same in every version.

    Args:
        labels: (num_samples,), int64.
        num_held_out: at least 1 and below num_samples.
        seed: 0 .. 2**32 - 1.
    Returns: the kept and the held-out indices, int64, both ascending; together each index once.
    Raises: ValueError if `num_held_out` leaves one of the parts empty.

    Example:
        >>> kept, held_out = hold_out(torch.tensor([0, 0, 1, 1]), num_held_out=2)
        >>> len(kept), sorted(torch.tensor([0, 0, 1, 1])[held_out].tolist())
        (2, [0, 1])
    """
    check_positive_int("hold_out", "num_held_out", num_held_out)
    if num_held_out >= len(labels):
        raise ValueError(
            f"hold_out: `num_held_out` must lie below the number of samples, {len(labels)}; got {num_held_out}. "
            "Hold out fewer samples, or give more."
        )
    label_array = labels.numpy()
    classes, class_sizes = np.unique(label_array, return_counts=True)
    random = np.random.RandomState(seed)
    is_held_out = np.zeros(len(label_array), dtype=bool)
    for label, quota in zip(classes, class_quotas(class_sizes, num_held_out), strict=True):
        members = np.flatnonzero(label_array == label)
        is_held_out[members[random.permutation(len(members))[:quota]]] = True
    return torch.from_numpy(np.flatnonzero(~is_held_out)), torch.from_numpy(np.flatnonzero(is_held_out))


def divide_at_random(num_samples: int, sizes: Sequence[int], *, seed: int) -> tuple[Tensor, ...]:
    """The division of `torch.utils.data.random_split` with a generator of this seed: not stratified.

    For what is compared with results on such a division. Parts of torch.randperm(num_samples), one behind another.

    Args: sizes: of the parts, together num_samples.
    Returns: the indices of the parts, int64, in the order drawn.

    Example:
        >>> [part.tolist() for part in divide_at_random(5, (3, 2), seed=42)]
        [[2, 4, 3], [0, 1]]
    """
    order = torch.randperm(num_samples, generator=torch.Generator().manual_seed(seed))
    return order.split(list(sizes))


def divide(labels: Tensor, *, num_val: int, num_test: int, seed: int = HOLDOUT_SEED) -> tuple[Tensor, Tensor, Tensor]:
    """The division of a set that is published without one: two stratified hold-outs, first `test`, then `val`.

    Args:
        labels: (num_samples,), int64.
        num_val, num_test: at least 1 each, together below num_samples.
        seed: of both draws (see `hold_out`).
    Returns: the indices of train, val and test, int64, ascending; together each index once.
    Raises: ValueError if one of the parts would be empty.

    Example:
        >>> [part.tolist() for part in divide(torch.zeros(5, dtype=torch.int64), num_val=1, num_test=2)]
        [[0, 4], [2], [1, 3]]
    """
    rest, test = hold_out(labels, num_held_out=num_test, seed=seed)
    train, val = hold_out(labels[rest], num_held_out=num_val, seed=seed)
    return rest[train], rest[val], test
