"""The table of data sets, and loading one by its name."""

import importlib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from longspike._core.checks import check_choice
from longspike.data.bundle import DataBundle, EventBundle
from longspike.data.entry import DatasetEntry
from longspike.data.files.download import Progress, RemoteFile, fetch
from longspike.data.files.locate import search
from longspike.data.generators.pieces import Progress as PieceProgress
from longspike.data.own import OwnData, load_own
from longspike.errors import ConfigError

MODULES = {
    "digits": "digits",
    "smnist": "mnist",
    "psmnist": "mnist",
    "scifar": "cifar10",
    "lra-image": "cifar10",
    "lra-text": "imdb",
    "lra-text-bytes": "imdb",
    "lra-retrieval": "lra_retrieval",
    "novel-pairs": "novel_pairs",
    "listops": "listops",
    "pathfinder": "pathfinder",
    "pathfinder-mid": "pathfinder",
    "pathfinder-easy": "pathfinder",
    "pathfinder-64": "pathfinder",
    "path-x": "pathfinder",
    "pathfinder-256": "pathfinder",
    "cifar10-patches": "cifar10",
    "cifar10-columns": "cifar10",
    "shakespeare": "corpora",
    "novels": "corpora",
    "shakespeare-chars": "corpora",
    "novels-words": "word_corpora",
    "ptb": "word_corpora",
    "wikitext-2": "word_corpora",
    "wikitext-103": "word_corpora",
    "event-digits": "event_digits",
    "spoken-digits": "spoken_digits",
    "spoken-digits-raw": "spoken_digits_raw",
    "spoken-digits-raw-speakers": "spoken_digits_raw",
    "spoken-digits-frames": "spoken_digits_raw",
    "speech-commands": "speech_commands",
    "signal-segments": "signal_segments",
    "nmnist": "nmnist",
    "dvs-gesture": "dvs_gesture",
    "shd": "spike_speech",
    "ssc": "spike_speech",
    "ncaltech101": "ncaltech101",
    "cifar10-dvs": "cifar10_dvs",
    "har-dvs": "har_dvs",
    "celex-har": "celex_har",
}
"""Every data set's name, and the module of `longspike.data.sets` whose ENTRIES holds its entry."""


class _Registry(Mapping[str, DatasetEntry]):
    """The entries by name; a module is imported when the first of its entries is asked for."""

    def __getitem__(self, name: str) -> DatasetEntry:
        entry: DatasetEntry = importlib.import_module(f"longspike.data.sets.{MODULES[name]}").ENTRIES[name]
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


DATASETS: Mapping[str, DatasetEntry] = _Registry()
"""The data sets by name."""
PUBLISHED_NAMES = {"mnist": "smnist", "cifar10": "scifar"}
"""What `download` also knows: the published sets, and a data set that is made from each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetStatus:
    """Whether a data set can be loaded, found out without loading it.

    Args:
        is_present: all files (or the package) are there.
        folder: where; None if not present or brought by a package.
        missing: the names that the fullest place lacks, or the package.
        places: every place that was looked at and is not complete, with what it lacks; a line each.
    """

    name: str
    is_present: bool
    folder: Path | None
    missing: tuple[str, ...]
    places: tuple[str, ...]


def available() -> tuple[str, ...]:
    """The names that `load` knows."""
    return tuple(DATASETS)


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The data folder: the argument, else the environment variable LONGSPIKE_DATA, else ~/.cache/longspike/data."""
    return Path(root or os.environ.get("LONGSPIKE_DATA") or "~/.cache/longspike/data").expanduser()


def load(name: str | OwnData, *, root: str | os.PathLike[str] | None = None) -> DataBundle | EventBundle:
    """Load a data set: sequences as a `DataBundle`, events as an `EventBundle`.

    Args:
        name: one of `available()`, or own data as `describe_data` describes it.
        root: the data folder; None means `data_root()`.
    Raises: ValueError for an unknown name; DataFileError, with every place looked at and the remedies, if files are
    missing or not what they claim to be; MissingExtraError if an optional package is.

    Example:
        >>> bundle = load("digits")
        >>> len(bundle.train), len(bundle.val), len(bundle.test)
        (1347, 90, 360)
    """
    if isinstance(name, OwnData):
        return load_own(name)
    check_choice("load", "name", name, available())
    return DATASETS[name].load(data_root(root))


def _check_kind(where: str, name: str, size: str, kind: str) -> None:
    """Raise unless `name` is a data set whose entry has the size `size`: the mark of its kind."""
    if name in DATASETS and getattr(DATASETS[name], size) is None:
        names = (each for each, entry in DATASETS.items() if getattr(entry, size) is not None)
        raise ConfigError(
            f"{where}: `name` must be a data set of {kind}; {name!r} is not one. Use one of {', '.join(names)}."
        )


def load_sequences(name: str, *, root: str | os.PathLike[str] | None = None) -> DataBundle:
    """As `load`, for what reads sequences only.

    Raises: also ConfigError (a ValueError), before anything is read, if the data set holds events.
    """
    _check_kind("load_sequences", name, "seqlen", "sequences")
    return cast(DataBundle, load(name, root=root))


def load_events(name: str, *, root: str | os.PathLike[str] | None = None) -> EventBundle:
    """As `load`, for what reads events only.

    Raises: also ConfigError (a ValueError), before anything is read, if the data set holds sequences.
    """
    _check_kind("load_events", name, "sensor_size", "events")
    return cast(EventBundle, load(name, root=root))


def status(name: str, root: str | os.PathLike[str] | None = None) -> DatasetStatus:
    """Whether `load(name, root=root)` would find its files; none of them is opened.

    Raises: ValueError for an unknown name.
    """
    check_choice("status", "name", name, available())
    entry = DATASETS[name]
    if entry.package is not None:
        is_present = importlib.util.find_spec(entry.package) is not None
        missing = () if is_present else (entry.package,)
        return DatasetStatus(name=name, is_present=is_present, folder=None, missing=missing, places=())
    result = search(data_root(root), entry.layouts)
    return DatasetStatus(
        name=name,
        is_present=result.folder is not None,
        folder=result.folder,
        missing=result.missing,
        places=result.gaps,
    )


def generate(
    name: str,
    root: str | os.PathLike[str],
    *,
    num_samples: int | None = None,
    progress: PieceProgress | None = None,
) -> Path:
    """Make the files of a data set that is made by rules, in the data folder `root`; those that are there stay.

    What was stopped goes on where it was, and the data set is there whole or not at all.

    Args:
        name: such as "path-x".
        num_samples: how many to make; the published number if not given.
        progress: told about every piece, with the number of those that are done and of all.
    Returns: the folder.
    Raises: ValueError for a name that is not such a data set, or a number that cannot be made; ConfigError if the set has
    one number only, or another number is there; FileWriteError if it cannot be written.
    """
    makers = {each: entry.generate for each, entry in DATASETS.items() if entry.generate is not None}
    check_choice("generate", "name", name, tuple(makers))
    return makers[name](Path(root), progress, num_samples)


def _downloads() -> dict[str, tuple[RemoteFile, ...]]:
    """What each name needs that can be fetched: the published sets, and what is made from them."""
    sources = {published: DATASETS[name].downloads for published, name in PUBLISHED_NAMES.items()}
    return sources | {name: entry.downloads for name, entry in DATASETS.items() if entry.downloads}


def download(
    name: str,
    root: str | os.PathLike[str],
    *,
    sources: Mapping[str, tuple[RemoteFile, ...]] | None = None,
    progress: Progress | None = None,
) -> tuple[Path, ...]:
    """Fetch the files of a data set into the folder `root`, where the loaders look for them.

    Each file is streamed to a temporary name in its own folder, compared with its published SHA-256 and only then
    renamed or unpacked, so a broken download leaves nothing behind. A file that is there with the right checksum is
    not fetched again; an archive always is.

    Args:
        name: "mnist" or "cifar10", or the registry's names smnist, psmnist, scifar and cifar10-patches.
        root: the data folder; it is made if absent.
        sources: the addresses and checksums by name, for a mirror; None takes the published ones.
        progress: told about every chunk received.
    Returns: the files that are now there.
    Raises: ValueError for an unknown name or an address that is not https; DataFileError, with the address, the place
    and what to do, if a file cannot be fetched, is truncated, has another checksum or would unpack outside `root`.
    """
    known = _downloads() if sources is None else sources
    check_choice("download", "name", name, tuple(known))
    return tuple(path for remote in known[name] for path in fetch(remote, Path(root), progress))
