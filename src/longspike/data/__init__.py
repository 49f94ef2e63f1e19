"""Labelled sequences and labelled events: data sets by name, their splits, and batches of them."""

from longspike._core.lengths import Batch, PairBatch
from longspike._core.lengths import length_mask as mask
from longspike._core.vocabulary import Vocabulary
from longspike.data.bundle import DataBundle, EventBundle
from longspike.data.entry import DatasetEntry
from longspike.data.event_folder import event_folder
from longspike.data.event_splits import (
    AnyEventSplit,
    EventAugment,
    EventBatch,
    EventSplit,
    LazyEventSplit,
    make_event_batch,
)
from longspike.data.files.download import RemoteFile
from longspike.data.files.idx import read_idx, write_idx
from longspike.data.holdout import divide, hold_out
from longspike.data.image_augment import CropAndFlip
from longspike.data.loader import BatchLoader, epoch_order, sample_generators, similar_lengths
from longspike.data.own import OwnData, Reading, describe_data
from longspike.data.pair_splits import PairSplit
from longspike.data.ragged_splits import RaggedSplit, SampleAugment, ragged_split
from longspike.data.registry import (
    DATASETS,
    DatasetStatus,
    available,
    data_root,
    download,
    generate,
    load,
    load_events,
    load_sequences,
    status,
)
from longspike.data.sets.cifar10 import CIFAR10_AUGMENT, CIFAR10_COLUMNS_AUGMENT
from longspike.data.sets.mnist import psmnist_permutation
from longspike.data.sound_augment import SoundAugment
from longspike.data.splits import Split, ValueAugment, collate, make_batch
from longspike.data.token_rows import RowLoader, TokenRow
from longspike.data.token_splits import TokenSplit, token_split

__all__ = [
    "CIFAR10_AUGMENT",
    "CIFAR10_COLUMNS_AUGMENT",
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
    "OwnData",
    "PairBatch",
    "PairSplit",
    "RaggedSplit",
    "Reading",
    "RemoteFile",
    "RowLoader",
    "SampleAugment",
    "SoundAugment",
    "Split",
    "TokenRow",
    "TokenSplit",
    "ValueAugment",
    "Vocabulary",
    "available",
    "collate",
    "data_root",
    "describe_data",
    "divide",
    "download",
    "epoch_order",
    "event_folder",
    "generate",
    "hold_out",
    "load",
    "load_events",
    "load_sequences",
    "make_batch",
    "make_event_batch",
    "mask",
    "psmnist_permutation",
    "ragged_split",
    "read_idx",
    "sample_generators",
    "similar_lengths",
    "status",
    "token_split",
    "write_idx",
]
