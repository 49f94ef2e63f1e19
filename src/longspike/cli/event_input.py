"""What `longspike stream` can read for a model over events: a recording, or a sample of an event data set."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from longspike.errors import ConfigError, DataFileError
from longspike.events import EventReader
from longspike.events import open as open_recording


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EventInput:
    """Packets of events, read one at a time.

    Attributes:
        packets: arrays of `longspike.events.EVENT_DTYPE`. sensor_size: (width, height) that they lie on.
        format: of the file, or "data set". label: the right class; None if nobody knows.
        reader: of the file, which counts what it skips and has to be closed; None for a data set.
        fitter: of --fit; None without.
    """

    packets: Iterator[np.ndarray]
    sensor_size: tuple[int, int]
    format: str
    label: int | None = None
    reader: EventReader | None = None
    fitter: "Fitter | None" = None

    @property
    def cropped(self) -> int:
        """Events off the model's sensor, left out so far by --fit crop."""
        return 0 if self.fitter is None else self.fitter.num_lost

    @property
    def skipped(self) -> int:
        """Faulty records left out so far."""
        return 0 if self.reader is None else self.reader.skipped

    def close(self) -> None:
        """Close the file."""
        if self.reader is not None:
            self.reader.close()


def packets_of_time(chunks: Iterator[np.ndarray], packet_us: int) -> Iterator[np.ndarray]:
    """The same events cut where t // packet_us changes; a window without events makes no packet."""
    rest: list[np.ndarray] = []
    for chunk in chunks:
        if not len(chunk):
            continue
        windows = chunk["t"] // packet_us
        cuts = np.flatnonzero(np.diff(windows)) + 1
        if rest and int(rest[-1]["t"][-1]) // packet_us != int(windows[0]):
            yield np.concatenate(rest)
            rest = []
        *whole, last = np.split(chunk, cuts)
        for part in whole:
            yield np.concatenate([*rest, part])
            rest = []
        rest.append(last)
    if rest:
        yield np.concatenate(rest)


def fitted(events: np.ndarray, *, source: tuple[int, int], target: tuple[int, int], fit: str) -> np.ndarray:
    """Events of a sensor `source` on a sensor `target`; both (width, height).

        "scale": x' = x * target_width // source_width, likewise y; every event is kept.
        "crop":  x' = x - (source_width - target_width) // 2, likewise y; the centre, or the whole amid a larger sensor.

    Both count in integers, so the result is the same everywhere.
    """
    places = []
    for name, old, new in zip(("x", "y"), source, target, strict=True):
        place = events[name].astype(np.int64)
        places.append(place * new // old if fit == "scale" else place - (old - new) // 2)
    x, y = places
    is_inside = (x >= 0) & (x < target[0]) & (y >= 0) & (y < target[1])
    moved = events[is_inside]
    moved["x"], moved["y"] = x[is_inside], y[is_inside]
    return moved


class Fitter:
    """Puts packets of a sensor on another one, and counts the events that do not lie on it."""

    def __init__(self, fit: str, *, source: tuple[int, int], target: tuple[int, int]) -> None:
        self._fit, self._source, self._target = fit, source, target
        self.num_lost = 0

    def packets(self, packets: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The same packets, `fitted`."""
        for packet in packets:
            moved = fitted(packet, source=self._source, target=self._target, fit=self._fit)
            self.num_lost += len(packet) - len(moved)
            yield moved


def _check_size(source: str, found: tuple[int, int], expected: tuple[int, int], fit: str | None) -> None:
    if found != expected and fit is None:
        sizes = [f"{width}x{height}" for width, height in (found, expected)]
        raise ConfigError(
            f"{source} comes from a sensor of {sizes[0]} pixels; the model reads {sizes[1]}. Add --fit scale or "
            "--fit crop, or convert the recording with longspike.events.transforms."
        )
    if found == expected and fit is not None:
        raise ConfigError(f"--fit {fit} has no effect: {source} and the model have the same sensor size. Leave it out.")


def open_file(path: Path, *, sensor_size: tuple[int, int], packet_events: int, on_error: str) -> EventReader:
    """Open a recording; one that does not say its sensor's size is taken to have `sensor_size`, .bin to be nmnist."""
    if path.suffix == ".bin":  # five bytes an event and nothing else, so that the content does not tell
        size, kind = sensor_size, "nmnist"
        return open_recording(path, packet_events=packet_events, on_error=on_error, sensor_size=size, format=kind)
    try:
        return open_recording(path, packet_events=packet_events, on_error=on_error)
    except DataFileError:
        raise
    except ValueError:
        return open_recording(path, packet_events=packet_events, on_error=on_error, sensor_size=sensor_size)


def _from_dataset(name: str, index: int, data_root: Path | None, packet_events: int) -> EventInput:
    from longspike.data import DATASETS, available, load_events

    names = tuple(each for each in available() if DATASETS[each].sensor_size is not None)
    if name not in names:
        raise ConfigError(f"there is no data set of events {name!r}. They are: {', '.join(names)}.")
    test = load_events(name, root=data_root).test
    if index >= len(test):
        raise ConfigError(f"{name}:{index} does not exist; the test split has samples 0 to {len(test) - 1}.")
    events = test.sample(index)
    packets = (events[k : k + packet_events] for k in range(0, len(events), packet_events))
    label = int(test.labels[index])
    return EventInput(packets=packets, sensor_size=test.sensor_size, format="data set", label=label)


def open_events(
    source: str,
    *,
    sensor_size: tuple[int, int],
    packet_events: int,
    packet_us: int | None,
    fit: str | None,
    on_error: str,
    data_root: Path | None,
) -> EventInput:
    """The input that `source` names, a recording or DATASET:INDEX, in packets of so many events or microseconds.

    Raises: ConfigError if it names none or its sensor is another than `sensor_size`; DataFileError for a missing or
        damaged file.
    """
    name, colon, index = source.partition(":")
    if Path(source).is_file():
        reader = open_file(Path(source), sensor_size=sensor_size, packet_events=packet_events, on_error=on_error)
        feed = EventInput(packets=reader, sensor_size=reader.sensor_size, format=reader.format, reader=reader)
    elif colon and index.isdigit():
        feed = _from_dataset(name, int(index), data_root, packet_events)
    else:
        raise DataFileError(f"{source} does not exist. INPUT is a recording, or DATASET:INDEX such as event-digits:7.")
    try:
        _check_size(source, feed.sensor_size, sensor_size, fit)
    except ConfigError:
        feed.close()
        raise
    if packet_us is not None:
        feed = replace(feed, packets=packets_of_time(feed.packets, packet_us))
    if fit is not None:
        fitter = Fitter(fit, source=feed.sensor_size, target=sensor_size)
        feed = replace(feed, packets=fitter.packets(feed.packets), fitter=fitter)
    return feed
