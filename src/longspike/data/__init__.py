"""Labelled sequences: data sets by name, their splits, and batches of them."""

from longspike._core.lengths import length_mask as mask
from longspike.data.batching import Batch, collate, make_batch
from longspike.data.download import RemoteFile, download
from longspike.data.holdout import hold_out
from longspike.data.idx import read_idx, write_idx
from longspike.data.loader import BatchLoader, epoch_order
from longspike.data.mnist import psmnist_permutation
from longspike.data.registry import DATASETS, DatasetEntry, DatasetStatus, available, data_root, load, status
from longspike.data.splits import DataBundle, Split

__all__ = [
    "DATASETS",
    "Batch",
    "BatchLoader",
    "DataBundle",
    "DatasetEntry",
    "DatasetStatus",
    "RemoteFile",
    "Split",
    "available",
    "collate",
    "data_root",
    "download",
    "epoch_order",
    "hold_out",
    "load",
    "make_batch",
    "mask",
    "psmnist_permutation",
    "read_idx",
    "status",
    "write_idx",
]
