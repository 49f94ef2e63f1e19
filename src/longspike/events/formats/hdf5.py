"""HDF5 recordings: x, y, t and p as four data sets of a group, as one compound data set, or as a table of four columns.

Looked for in this order: "CD/events" (Metavision; times of the camera's clock), "events" (DSEC; "t_offset" is the time
that was subtracted already), "davis/left/events" (MVSEC: rows of x, y, t in seconds, p), and the file's root. The names of
`events.fields` are taken too; "ts" in floating point is in seconds (rpg, evlib). The columns of another table than MVSEC's
are those that the caller names. The sensor's size is read from the attributes "geometry" ("1280x720"), "sensor_size",
or "width" and "height", of the file or the group. Metavision's own compression (ECF) is not read.

What lies in other files (external storage and links, virtual data sets) is not followed. What is read here is checked here,
but damaged files are as safe as the HDF5 library makes them: it can hang on a damaged heap of strings.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from longspike._core.extras import require
from longspike._core.limits import (
    LARGEST_CHUNK_BYTES,
    LARGEST_ENTRY_BYTES,
    MOST_LINKS,
    unpacked_limit,
    unpacks_to_too_much,
)
from longspike.errors import DataFileError
from longspike.events.faults import Faults
from longspike.events.fields import Fields, find_fields
from longspike.events.formats.columns import column_events, stated_unit
from longspike.events.formats.source import Asked, Source, parse_size, size_of

CHUNK_EVENTS = 1 << 16
MVSEC_PLACE, MVSEC_COLUMNS = "davis/left/events", ("x", "y", "t_s", "p")
PLACES = ("CD/events", "events", MVSEC_PLACE, "/")
SECONDS = "ts"
"""The name of times that are seconds if they are floating point."""
FILTER_REMEDY = (
    "Install hdf5plugin and import it first (pip install hdf5plugin); Metavision's own (ECF) is in Metavision's tools."
)
BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, AttributeError, MemoryError)
"""What h5py raises on damaged files, depending on where the damage is."""


def _h5py() -> ModuleType:
    return require("h5py", extra="events", purpose="reading HDF5 recordings")


def open_file(stream: BinaryIO, faults: Faults) -> Any:
    """The file as h5py sees it."""
    h5py = _h5py()
    try:
        return h5py.File(stream, "r")
    except BROKEN as error:
        faults.fail(f"is no readable HDF5 file: {error}")


def find(group: Any, path: str, faults: Faults, *, most_links: int = MOST_LINKS) -> Any:
    """The node of a path, None if there is none; a part that lies in another file is a fault."""
    h5py = _h5py()
    node = group.file if path.startswith("/") else group
    for name in filter(None, path.split("/")):
        link = node.get(name, getlink=True) if isinstance(node, h5py.Group) else None
        if isinstance(link, h5py.SoftLink) and not most_links:
            faults.fail(f"keeps {path!r} behind more than {MOST_LINKS} links", "Copy the data to where they lead.")
        if isinstance(link, h5py.ExternalLink):
            faults.fail(f"keeps {path!r} behind a link that leaves it", "Copy the data into one file.")
        if isinstance(link, h5py.SoftLink):
            node = find(node, link.path, faults, most_links=most_links - 1)
        else:
            node = node[name] if link is not None else None
    if isinstance(node, h5py.Dataset) and (node.external or node.is_virtual):
        faults.fail(f"keeps the data of {path!r} in other files, which are not read", "Copy the data into one file.")
    return node


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    """Where the events are.

    Args:
        place: of the group or data set.
        datasets: by name; a compound data set or a table stands alone, under "".
        fields: the names of the four columns. order: of a table, the names of its columns.
    """

    place: str
    datasets: dict[str, Any]
    fields: Fields
    order: tuple[str, ...] | None = None

    def columns(self, part: slice) -> dict[str, Any]:
        """Some rows, by field."""
        arrays = {name: dataset[part] for name, dataset in self.datasets.items()}
        if self.order is not None:
            return {field: arrays[""][:, self.order.index(name)] for field, name in self.fields.names.items()}
        table = arrays.get("", arrays)
        return {field: table[name] for field, name in self.fields.names.items()}


def _find_table(file: Any, asked: Asked, faults: Faults) -> _Table | None:
    """The first of the places that holds events."""
    dataset = _h5py().Dataset
    for place in PLACES:
        node = find(file, place, faults) if place != "/" else file
        if node is None:
            continue
        if not isinstance(node, dataset):
            fields = find_fields(node)
            if fields is not None:
                columns = {name: find(node, name, faults) for name in fields.names.values()}
                if all(isinstance(column, dataset) for column in columns.values()):
                    return _Table(place=place, datasets=columns, fields=fields)
        elif (fields := find_fields(node.dtype.names or ())) is not None:
            return _Table(place=place, datasets={"": node}, fields=fields)
        elif node.ndim == 2:
            order = asked.columns or (MVSEC_COLUMNS if place == MVSEC_PLACE else ())
            if len(order) != node.shape[1] or (fields := find_fields(order)) is None:
                faults.fail(
                    f"holds a table of shape {node.shape} in {place!r}, and not the names of its columns",
                    'Pass columns, such as "x,y,t,p", and time_unit="s" if times are seconds.',
                )
            return _Table(place=place, datasets={"": node}, fields=fields, order=order)
    return None


def _check_datasets(table: _Table, num_bytes: int, faults: Faults) -> None:
    """Raise unless the columns are of one length, whole, readable, and of a size that the file can hold."""
    datasets = list(table.datasets.values())
    if len({each.shape for each in datasets}) != 1 or datasets[0].ndim != (1 if table.order is None else 2):
        faults.fail(f"holds columns of different lengths in {table.place!r}")
    for dataset in datasets:
        chunk_bytes = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
        if dataset.dtype.itemsize > LARGEST_ENTRY_BYTES or chunk_bytes > LARGEST_CHUNK_BYTES:
            faults.fail(
                f"holds entries of {dataset.dtype.itemsize} bytes in chunks of {chunk_bytes} bytes; at most "
                f"{LARGEST_ENTRY_BYTES} and {LARGEST_CHUNK_BYTES} are read"
            )
    if not all(map(_is_stored, datasets)):
        faults.fail(f"lacks a part of the columns in {table.place!r}: it is damaged, or was never written to its end")
    if sum(dataset.size * dataset.dtype.itemsize for dataset in datasets) > unpacked_limit(num_bytes):
        faults.fail(unpacks_to_too_much(num_bytes))
    for missing in filter(None, map(_missing_filter, datasets)):
        faults.fail(f"is compressed with the HDF5 filter {missing}, which is not installed", FILTER_REMEDY)


def _is_stored(column: Any) -> bool:
    """Whether every entry is in the file: HDF5 makes up those that are not."""
    if column.chunks is None:
        return bool(column.id.get_storage_size() == column.size * column.dtype.itemsize)
    num_chunks = math.prod(-(-side // chunk) for side, chunk in zip(column.shape, column.chunks, strict=True))
    return bool(column.id.get_num_chunks() == num_chunks)


def _missing_filter(column: Any) -> str | None:
    """The name and number of a compression that the column needs and this HDF5 library lacks."""
    plan = column.id.get_create_plist()
    for number, _, _, name in map(plan.get_filter, range(plan.get_nfilters())):
        if not _h5py().h5z.filter_avail(number):
            return f"{name.decode('ascii', 'replace') or 'nameless'} ({number})"
    return None


def _text(value: Any) -> str:
    """An attribute as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _sensor_size(nodes: list[Any]) -> tuple[int, int] | None:
    for node in nodes:
        for name in ("geometry", "sensor_size"):
            if name in node.attrs:
                value = node.attrs[name]
                size = parse_size(_text(value)) or parse_size("x".join(str(side) for side in np.ravel(value)))
                if size:
                    return size
        if "width" in node.attrs and "height" in node.attrs:
            return parse_size(f"{int(node.attrs['width'])}x{int(node.attrs['height'])}")
    return None


def _chunks(table: _Table, time_unit: str | None, faults: Faults) -> Iterator[np.ndarray]:
    length = len(next(iter(table.datasets.values())))
    for first in range(0, length, CHUNK_EVENTS):
        try:
            columns = table.columns(slice(first, min(first + CHUNK_EVENTS, length)))
        except BROKEN as error:
            faults.fail(f"cannot be read from event {first} on: {error}")
        yield column_events(columns, first, faults, time_unit=time_unit)


def _start_us(file: Any, faults: Faults) -> int:
    """The time that was subtracted from all others; 0 if the file does not say it."""
    node = find(file, "t_offset", faults)
    if node is None:
        return 0
    offset = np.asarray(node[()])
    if offset.size != 1 or offset.dtype.kind not in "iu":
        faults.fail(
            f"holds t_offset as {offset.dtype} of shape {offset.shape}, which is no whole number of microseconds"
        )
    return int(offset.ravel()[0])


def open_hdf5(stream: BinaryIO, faults: Faults, asked: Asked) -> Source:
    """Columns of events in an HDF5 file."""
    num_bytes = size_of(stream)
    file = open_file(stream, faults)
    try:
        table = _find_table(file, asked, faults)
        if table is None and find(file, "spikes", faults) is not None:
            faults.fail("holds spike trains of many samples, not one recording", "Use ShdFile of formats.shd.")
        if table is None:
            names = ", ".join(sorted(file)[:10]) or "nothing"
            faults.fail(f"holds {names}, and no x, y, t and p in {', '.join(PLACES)}")
        _check_datasets(table, num_bytes, faults)
        is_seconds = SECONDS in table.datasets and table.datasets[SECONDS].dtype.kind == "f"
        start_us = _start_us(file, faults)
        size = _sensor_size([file, *([file[table.place]] if table.place != "/" else [])])
        metadata = {name: _text(value) for name, value in file.attrs.items()}
    except DataFileError:
        raise
    except BROKEN as error:
        faults.fail(f"is a damaged HDF5 file: {error}")
    unit = stated_unit(asked, "s" if is_seconds else table.fields.time_unit, faults)
    return Source(
        chunks=_chunks(table, unit, faults),
        sensor_size=size,
        is_camera_time=table.place in ("CD/events", MVSEC_PLACE) or is_seconds,
        start_us=start_us,
        metadata=metadata,
    )
