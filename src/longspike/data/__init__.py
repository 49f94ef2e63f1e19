"""Labelled sequences and labelled events: data sets by name, their splits, and batches of them."""

from longspike._core.lengths import length_mask as mask
from longspike.data.batching import Batch, collate
from longspike.data.cifar10 import CIFAR10_AUGMENT
from longspike.data.download import RemoteFile, download
from longspike.data.event_batching import EventAugment, EventBatch, make_event_batch
from longspike.data.event_folder import event_folder
from longspike.data.event_splits import AnyEventSplit, EventBundle, EventSplit, LazyEventSplit
from longspike.data.holdout import divide, hold_out
from longspike.data.idx import read_idx, write_idx
from longspike.data.image_augment import CropAndFlip
from longspike.data.loader import BatchLoader, epoch_order, sample_generators
from longspike.data.mnist import psmnist_permutation
from longspike.data.registry import (
    DATASETS,
    DatasetEntry,
    DatasetStatus,
    available,
    data_root,
    load,
    load_events,
    load_sequences,
    status,
)
from longspike.data.splits import DataBundle, Split, ValueAugment, make_batch

__all__ = [
    "CIFAR10_AUGMENT",
    "DATASETS",
    "AnyEventSplit",
    "Batch",
    "BatchLoader",
    "CropAndFlip",
    "DataBundle",
    "DatasetEntry",
    "DatasetStatus",
    "EventAugment",
    "EventBatch",
    "EventBundle",
    "EventSplit",
    "LazyEventSplit",
    "RemoteFile",
    "Split",
    "ValueAugment",
    "available",
    "collate",
    "data_root",
    "divide",
    "download",
    "epoch_order",
    "event_folder",
    "hold_out",
    "load",
    "load_events",
    "load_sequences",
    "make_batch",
    "make_event_batch",
    "mask",
    "psmnist_permutation",
    "read_idx",
    "sample_generators",
    "status",
    "write_idx",
]
