"""What the registry says of a data set."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from longspike.data.bundle import DataBundle, EventBundle
from longspike.data.files.download import RemoteFile
from longspike.data.files.locate import Layout
from longspike.data.generators.pieces import Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetEntry:
    """A data set of the registry.

    Sequences have a seqlen and a d_input, events a sensor_size.

    Args:
        description: one line.
        num_classes: the published number of classes.
        seqlen, d_input: of sequences, the sizes of what `load` returns; of tokens the most steps, and the size of the
            vocabulary. None for events.
        sensor_size: of events, (width, height); None for sequences.
        files: what has to lie below the data folder, in words.
        load: makes the bundle from the data folder.
        layouts: how the files can lie below a data folder; none if the data comes with a package.
        package: the optional package that brings the data; None if files do.
        page: the publisher's address, if `longspike data download` does not fetch the files; None if it does.
        downloads: what it fetches.
        generate: makes the files below the data folder, by the rules of a set that is made and not collected; told of its
            progress, pieces done and in all, and how many samples to make, None for the published number.
    """

    description: str
    num_classes: int
    files: str
    load: Callable[[Path], DataBundle] | Callable[[Path], EventBundle]
    seqlen: int | None = None
    d_input: int | None = None
    sensor_size: tuple[int, int] | None = None
    layouts: tuple[Layout, ...] = ()
    package: str | None = None
    page: str | None = None
    downloads: tuple[RemoteFile, ...] = ()
    generate: Callable[[Path, Progress | None, int | None], Path] | None = None
