"""HDF5 recordings of cameras: x, y, t and p as four data sets of a group, or as one compound data set.

Looked for in this order: "CD/events" (Metavision; times of the camera's clock), "events" (DSEC; "t_offset" is the time
that was subtracted already), and the file's root. The sensor's size is read from the attributes "geometry" ("1280x720"),
"sensor_size", or "width" and "height", of the file or the group. Metavision's own compression (ECF) is not read.

What is read here is checked here, but damaged files are as safe as the HDF5 library makes them: it can hang on a damaged
heap of strings.
"""

from collections.abc import Iterator
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from longspike._core.extras import require
from longspike.errors import DataFileError
from longspike.events.faults import Faults
from longspike.events.formats.columns import column_events
from longspike.events.formats.source import Source, parse_size

CHUNK_EVENTS = 1 << 16
PLACES = ("CD/events", "events", "/")
FILTER_REMEDY = "Metavision's own (ECF) is not read: decompress the file with Metavision's tools."
BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, AttributeError)
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


def _find_columns(file: Any) -> tuple[str, dict[str, Any]] | None:
    """The place of the events and their columns; a compound data set stands for all four under ""."""
    dataset = _h5py().Dataset
    for place in PLACES:
        if place not in file:
            continue
        node = file[place]
        if isinstance(node, dataset) and node.dtype.names and set("xytp") <= set(node.dtype.names):
            return place, {"": node}
        if not isinstance(node, dataset) and all(isinstance(node.get(name), dataset) for name in "xytp"):
            return place, {name: node[name] for name in "xytp"}
    return None


def _is_stored(column: Any) -> bool:
    """Whether every entry is in the file: HDF5 makes up those that are not."""
    if column.chunks is None:
        return bool(column.id.get_storage_size() == len(column) * column.dtype.itemsize)
    return bool(column.id.get_num_chunks() == -(-len(column) // column.chunks[0]))


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


def _chunks(columns: dict[str, Any], faults: Faults) -> Iterator[np.ndarray]:
    length = len(next(iter(columns.values())))
    for first in range(0, length, CHUNK_EVENTS):
        part = slice(first, min(first + CHUNK_EVENTS, length))
        try:
            arrays = {name: column[part] for name, column in columns.items()}
        except BROKEN as error:
            faults.fail(f"cannot be read from event {first} on: {error}")
        yield column_events({name: arrays[""][name] for name in "xytp"} if "" in arrays else arrays, first, faults)


def open_hdf5(stream: BinaryIO, faults: Faults, sensor_size: tuple[int, int] | None) -> Source:
    """Columns of events in an HDF5 file."""
    file = open_file(stream, faults)
    try:
        found = _find_columns(file)
        if found is None and "spikes" in file:
            faults.fail("holds spike trains of many samples, not one recording", "Use ShdFile of formats.shd.")
        if found is None:
            names = ", ".join(sorted(file)[:10]) or "nothing"
            faults.fail(f"holds {names}, and no x, y, t and p in {', '.join(PLACES)}")
        place, columns = found
        if len({column.shape for column in columns.values()}) != 1 or len(next(iter(columns.values())).shape) != 1:
            faults.fail(f"holds columns of different lengths in {place!r}")
        if not all(map(_is_stored, columns.values())):
            faults.fail(f"lacks a part of the columns in {place!r}: it is damaged, or was never written to its end")
        for missing in filter(None, map(_missing_filter, columns.values())):
            faults.fail(f"is compressed with the HDF5 filter {missing}, which is not installed", FILTER_REMEDY)
        start_us = int(file["t_offset"][()]) if "t_offset" in file else 0
        size = _sensor_size([file, *([file[place]] if place != "/" else [])])
        metadata = {name: _text(value) for name, value in file.attrs.items()}
    except DataFileError:
        raise
    except BROKEN as error:
        faults.fail(f"is a damaged HDF5 file: {error}")
    return Source(
        chunks=_chunks(columns, faults),
        sensor_size=size,
        is_camera_time=place == "CD/events",
        start_us=start_us,
        metadata=metadata,
    )
