"""Packets of events from outside: a recording, or a sample of an event data set, fitted to a model's sensor."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from longspike.errors import ConfigError, DataFileError, UnknownSensorError
from longspike.events.reading import EventReader
from longspike.events.reading import open as open_recording
from longspike.events.slicing import by_count, packets_by_time
from longspike.events.transforms import crop_centre, scale_space

FITS: dict[str, Callable[..., np.ndarray]] = {"scale": scale_space, "crop": crop_centre}
"""How a recording of another sensor size can be put on a model's."""
PACKET_EVENTS = 1000
READ_EVENTS = 4096
"""Events read at a time where packets are cut by time."""


class EventSource:
    """An iterator over packets of events, and a context manager that closes the file behind it; `open_events` makes one.

    Attributes:
        sensor_size: (width, height) that the recording comes with. format: of the file, or "data set".
        label: the right class; None if nobody knows.
        cropped: events left out so far because they do not lie on the model's sensor.
    """

    def __init__(
        self,
        packets: Iterable[np.ndarray],
        *,
        sensor_size: tuple[int, int],
        format: str,  # noqa: A002
        label: int | None = None,
        reader: EventReader | None = None,
    ) -> None:
        self._packets, self._reader = iter(packets), reader
        self.sensor_size, self.format, self.label, self.cropped = sensor_size, format, label, 0

    @property
    def skipped(self) -> int:
        """Faulty records left out so far."""
        return 0 if self._reader is None else self._reader.skipped

    def cut(self, packet_us: int) -> None:
        """Give packets of so many microseconds from here on."""
        self._packets = packets_by_time(self._packets, packet_us=packet_us)

    def fit(self, fit: str, target: tuple[int, int]) -> None:
        """Give events on a sensor of another size from here on, by one of `FITS`."""
        self._packets = self._fitted(self._packets, FITS[fit], target)

    def _fitted(
        self, packets: Iterator[np.ndarray], fit: Callable[..., np.ndarray], target: tuple[int, int]
    ) -> Iterator[np.ndarray]:
        for packet in packets:
            moved = fit(packet, self.sensor_size, target=target)
            self.cropped += len(packet) - len(moved)
            yield moved

    def __iter__(self) -> Iterator[np.ndarray]:
        return self._packets

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.close()


def open_events(
    source: str,
    *,
    sensor_size: tuple[int, int],
    packet_events: int | None = None,
    packet_us: int | None = None,
    fit: str | None = None,
    on_error: str = "raise",
    format: str | None = None,  # noqa: A002
    columns: str | Sequence[str] | None = None,
    time_unit: str | None = None,
    data_root: str | Path | None = None,
) -> EventSource:
    """The packets that `source` names, a recording or DATASET:INDEX of a test split, on a sensor of `sensor_size`.

    Args:
        sensor_size: (width, height) of the model; a recording that does not say its own is taken to have it.
        packet_events: events of a packet; 1000 if not given.
        packet_us: packets of so many microseconds instead, cut where t // packet_us changes.
        fit: for a recording of another sensor size: "scale" (`events.transforms.scale_space`) or "crop" (`crop_centre`).
        on_error: "raise" at the first faulty record, or "skip" and count them.
        format, columns, time_unit: of a recording that does not say them, as for `longspike.events.read`.

    Raises:
        ConfigError: it names nothing, its sensor has another size and `fit` is not given, or an option has no effect.
        DataFileError: a missing or damaged file.
    """
    if packet_events is not None and packet_us is not None:
        raise ConfigError("--packet-events and --packet-us exclude each other. Give one.")
    if fit is not None and fit not in FITS:
        raise ConfigError(f"`fit` must be one of {', '.join(FITS)}; got {fit!r}.")
    num_events = READ_EVENTS if packet_us is not None else packet_events or PACKET_EVENTS
    name, colon, index = source.partition(":")
    if Path(source).exists():
        said = {"format": format, "columns": columns, "time_unit": time_unit}
        found = _from_file(Path(source), sensor_size, packet_events=num_events, on_error=on_error, **said)
    elif colon and index.isdigit():
        _refuse_for_samples(source, format=format, columns=columns, time_unit=time_unit)
        found = _from_dataset(name, int(index), data_root, num_events)
    else:
        raise DataFileError(f"{source} does not exist. INPUT is a recording, or DATASET:INDEX such as event-digits:7.")
    try:
        _check_size(source, found.sensor_size, sensor_size, fit)
        if packet_us is not None:
            found.cut(packet_us)
    except ValueError:
        found.__exit__(None, None, None)
        raise
    if fit is not None:
        found.fit(fit, sensor_size)
    return found


def _check_size(source: str, found: tuple[int, int], expected: tuple[int, int], fit: str | None) -> None:
    if found != expected and fit is None:
        sizes = [f"{width}x{height}" for width, height in (found, expected)]
        raise ConfigError(
            f"{source} comes from a sensor of {sizes[0]} pixels; the model reads {sizes[1]}. Add --fit scale or "
            "--fit crop, or convert the recording with longspike.events.transforms."
        )
    if found == expected and fit is not None:
        raise ConfigError(f"--fit {fit} has no effect: {source} and the model have the same sensor size. Leave it out.")


def _refuse_for_samples(source: str, **options: object) -> None:
    """Raise if an option says something of a file where a sample of a data set was meant."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(
            f"`{given[0]}` has no effect on {source}, a sample of a data set; it is for files. Leave it out."
        )


def _from_file(path: Path, sensor_size: tuple[int, int], **options: Any) -> EventSource:
    """A recording; one that does not say its sensor's size is taken to have `sensor_size`, .bin to be nmnist."""
    if path.suffix == ".bin" and options["format"] is None:  # five bytes an event: the content does not tell
        reader = open_recording(path, sensor_size=sensor_size, **{**options, "format": "nmnist"})
    else:
        try:
            reader = open_recording(path, **options)
        except UnknownSensorError:
            reader = open_recording(path, sensor_size=sensor_size, **options)
    return EventSource(reader, sensor_size=reader.sensor_size, format=reader.format, reader=reader)


def _from_dataset(name: str, index: int, data_root: str | Path | None, packet_events: int) -> EventSource:
    from longspike.data import DATASETS, available, load_events

    names = tuple(each for each in available() if DATASETS[each].sensor_size is not None)
    if name not in names:
        raise ConfigError(f"there is no data set of events {name!r}. They are: {', '.join(names)}.")
    test = load_events(name, root=data_root).test
    if index >= len(test):
        raise ConfigError(f"{name}:{index} does not exist; the test split has samples 0 to {len(test) - 1}.")
    packets = by_count(test.sample(index), num_events=packet_events)
    return EventSource(packets, sensor_size=test.sensor_size, format="data set", label=int(test.labels[index]))
