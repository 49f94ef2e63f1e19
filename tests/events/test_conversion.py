"""Events of other libraries become arrays of EVENT_DTYPE, or an error says what does not fit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from longspike import events as ev
from longspike.events import EVENT_DTYPE, as_events, make_events
from longspike.events.arguments import check_sensor_size

ROWS = [(3, 1, 10, 1), (4, 2, 25, 0), (0, 5, 25, 1)]
X, Y, T, P = (np.array(column) for column in zip(*ROWS, strict=True))


class Table:
    """What pandas, polars and pyarrow have in common."""

    def __init__(self, **columns: Any) -> None:
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]


def structured(**columns: tuple[str, Any]) -> np.ndarray:
    array = np.zeros(len(ROWS), [(name, dtype) for name, (dtype, _) in columns.items()])
    for name, (_, values) in columns.items():
        array[name] = values
    return array


FORMS: Mapping[str, Any] = {
    "metavision": structured(x=("<u2", X), y=("<u2", Y), p=("<i2", P), t=("<i8", T)),
    "tonic": structured(x=("i8", X), y=("i8", Y), t=("i8", T), p=("i8", P)),
    "dv": structured(timestamp=("<i8", T), x=("<i2", X), y=("<i2", Y), polarity=("i1", P)),
    "aedat": structured(t=("<u8", T), x=("<u2", X), y=("<u2", Y), on=("?", P)),
    "big-endian": structured(x=(">u4", X), y=(">u4", Y), t=(">i8", T), p=("u1", P)),
    "signed": structured(x=("<u2", X), y=("<u2", Y), t=("<i8", T), p=("i1", 2 * P - 1)),
    "dict": {"x": X, "y": Y, "t": T, "p": P},
    "lists": {"p": P.tolist(), "t": T.tolist(), "y": Y.tolist(), "x": X.tolist()},
    "rpg": {"xs": X, "ys": Y, "ts": T, "ps": P > 0},
    "table": Table(index=np.arange(3), X=X, Y=Y, Timestamp=T, Polarity=P),
    "durations": Table(x=X, y=Y, t=(T * 1000).astype("m8[ns]"), polarity=P > 0),
    "nanoseconds": {"x": X, "y": Y, "t_ns": T * 1000 + 999, "p": P},
    "milliseconds": {"x": X, "y": Y, "t_ms": T * 1e-3, "p": P},
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(name: str) -> None:
    converted = as_events(FORMS[name])
    assert converted.dtype == EVENT_DTYPE
    assert converted.tolist() == ROWS


def test_units_of_time() -> None:
    for unit, t in (("s", T * 1e-6), ("ms", T * 1e-3), ("us", T), ("ns", T * 1000)):
        assert as_events({"x": X, "y": Y, "t": t, "p": P}, time_unit=unit)["t"].tolist() == T.tolist()
    epoch = np.array([1_607_505_493.718345, 1_607_505_493.718346])
    assert as_events({"x": X[:2], "y": Y[:2], "t": epoch, "p": P[:2]}, time_unit="s")["t"].tolist() == [
        1_607_505_493_718_345,
        1_607_505_493_718_346,
    ]


def test_an_array_of_events_and_a_recording_are_taken_as_they_stand() -> None:
    events = make_events(X, Y, T, P)
    recording = ev.Recording(events=events, sensor_size=(8, 6), format="csv")
    assert as_events(events) is events
    assert as_events(recording) is events
    assert as_events(events[::2]).tolist() == ROWS[::2]
    assert len(as_events({name: [] for name in "xytp"} | {"p": np.zeros(0, bool)})) == 0


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"t": T * 0.5}, ValueError, r'`t` of the events must be integer microseconds; got float64.*time_unit="s"'),
        ({"t": T.astype("u8") + (1 << 63)}, ValueError, r"`t` must lie in .*got min=9223372036854775818"),
        ({"t": T * np.inf, "t_s": T}, ValueError, "`t` of the events must be integer microseconds"),
        ({"x": X + 65536}, ValueError, r"`x` must lie in \[0, 65535\]; got min=65536"),
        ({"y": Y - 2}, ValueError, r"`y` must lie in .*got min=-1"),
        ({"x": X + 0.5}, ValueError, "`x` must hold integers; got float64"),
        ({"p": P + 1}, ValueError, r"`p` must lie in \[0, 1\]; got min=1, max=2"),
        ({"p": np.array([-1, 0, 1])}, ValueError, "`p` of the events holds -1 and 0, which cannot both be off"),
        ({"t": np.array(["NaT", 1, 2], "m8[us]")}, ValueError, "must not hold NaT"),
        ({"y": Y[:2]}, ValueError, r"as_events: x, y, t and p must be of one length"),
    ],
)
def test_values_that_do_not_fit(changes: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        as_events({"x": X, "y": Y, "t": T, "p": P} | changes)


@pytest.mark.parametrize(
    ("events", "came"),
    [
        (np.zeros(3), r"an array of dtype float64 and shape \(3,\)"),
        (np.zeros((2, 2), EVENT_DTYPE), r"shape \(2, 2\)"),
        ({"x": X, "y": Y, "t": T}, "dict with x, y, t"),
        (structured(x=("i8", X), y=("i8", Y)), "dtype .*'x'.*'y'"),
        ([(1, 2, 3, 1)], "list"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_events(events: object, came: str) -> None:
    with pytest.raises(
        TypeError, match=rf"as_events: `events` must have x, y, t and p; got .*{came}.* Pass a structured"
    ):
        as_events(events)


def test_a_recording_is_its_array() -> None:
    events = make_events(X, Y, T, P)
    recording = ev.Recording(events=events, sensor_size=(8, 6), format="csv")
    assert recording["t"].tolist() == T.tolist()
    assert recording[1].tolist() == ROWS[1]
    assert recording[1:].tolist() == ROWS[1:]
    assert recording[recording["p"] == 1].tolist() == [ROWS[0], ROWS[2]]
    assert [tuple(event) for event in recording] == ROWS
    assert len(recording) == 3
    assert np.asarray(recording) is events
    assert np.array(recording) is not events
    assert np.asarray(recording).dtype.names == ("x", "y", "t", "p")


def test_writing_and_batches_take_what_others_have(tmp_path: Any) -> None:
    from longspike.events.ragged import collate_events

    ev.write(tmp_path / "f.raw", FORMS["metavision"], sensor_size=(8, 6))
    recording = ev.read(tmp_path / "f.raw")
    ev.write(tmp_path / "g.npz", recording, sensor_size=recording.sensor_size)
    assert ev.read(tmp_path / "g.npz").events.tolist() == recording.events.tolist()
    batch = collate_events([FORMS["tonic"], recording], sensor_size=(8, 6, 2))
    assert batch.t.tolist() == [10, 25, 25, 0, 15, 15]


def test_sensor_sizes_with_their_polarities() -> None:
    for last in (1, 2):
        assert check_sensor_size("here", (34, 30, last)) == (34, 30)
    assert check_sensor_size("here", [np.int64(34), 30]) == (34, 30)
    for wrong in ((34, 30, 3), (34, 30, 0), (34, 30, 2, 1), (34, 30, True), (34, 30, 2.0)):
        with pytest.raises(ValueError, match=r"here: `sensor_size` must be \(width, height\) in pixels"):
            check_sensor_size("here", wrong)
