"""Labelled sequences: data sets by name, their splits, and batches of them."""

from longspike._core.lengths import length_mask as mask
from longspike.data.batching import Batch, collate
from longspike.data.cifar10 import CIFAR10_AUGMENT
from longspike.data.download import RemoteFile, download
from longspike.data.holdout import hold_out
from longspike.data.idx import read_idx, write_idx
from longspike.data.image_augment import CropAndFlip
from longspike.data.loader import BatchLoader, epoch_order, sample_generators
from longspike.data.mnist import psmnist_permutation
from longspike.data.registry import DATASETS, DatasetEntry, DatasetStatus, available, data_root, load, status
from longspike.data.splits import DataBundle, Split, make_batch

__all__ = [
    "CIFAR10_AUGMENT",
    "DATASETS",
    "Batch",
    "BatchLoader",
    "CropAndFlip",
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
    "sample_generators",
    "status",
    "write_idx",
]
