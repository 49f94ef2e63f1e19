"""Saved event streams: what is refused, and that a hostile state can do no harm."""

import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flames_cases import BASE, CASES, changed, events_for, network
from longspike.errors import CheckpointError
from longspike.events import EVENT_DTYPE
from longspike.kernels import native
from longspike.streaming.event_stream import EventStream

pytestmark = pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")

CONFIG = CASES["two fronts"]
MODEL = network(CONFIG)
EVENTS = events_for(CONFIG, 40, steps=8)
CLOCK = ("version", "step", "next_step", "last_tick", "events", "late", "steps", "ticks")  # int64 at the beginning


def fed(model=MODEL, events: np.ndarray = EVENTS) -> EventStream:
    stream = EventStream(model)
    stream.push(events)
    return stream


def state_of(stream: EventStream) -> bytes:
    return stream._stream.state().tobytes()


def put(stream: EventStream, state: bytes) -> None:
    stream._stream.set_state(np.frombuffer(state, np.uint8))


def with_clock(state: bytes, **values: int) -> bytes:
    clock = list(struct.unpack_from("<8q", state))
    for name, value in values.items():
        clock[CLOCK.index(name)] = value
    return struct.pack("<8q", *clock) + state[64:]


def use(stream: EventStream) -> None:
    """Everything that reads the state."""
    later = EVENTS.copy()
    later["t"] += 2**40
    for packet in (EVENTS, later):
        stream.push(packet)
        stream.flush()
    stream.logits()
    state_of(stream)


def test_a_file_of_something_else(tmp_path) -> None:
    stream, path = fed(), tmp_path / "state"
    before = state_of(stream)
    contents = (
        b"",
        b"nonsense",
        b"longspike event stream 1\n",
        bytes(2000),
        b"longspike event stream 1\n" + bytes(500),
    )
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="state is not a saved event stream of this model"):
            stream.restore(path)
        assert state_of(stream) == before
    for missing in (tmp_path / "nothing", tmp_path):
        with pytest.raises(CheckpointError, match="is not a saved event stream of this model"):
            stream.restore(missing)


@pytest.mark.parametrize(
    "other",
    [
        changed(sensor_size=(11, 8), num_fronts=2, pool=1),
        changed(channels=6, num_fronts=2, pool=1),
        changed({"d_state": 6}, num_fronts=2, pool=1),
        changed(num_fronts=1),
    ],
)
def test_a_file_of_another_model(tmp_path, other) -> None:
    fed(network(other)).save(tmp_path / "state")
    stream = fed()
    before = state_of(stream)
    with pytest.raises(CheckpointError, match="it is of another model"):
        stream.restore(tmp_path / "state")
    assert state_of(stream) == before


def test_a_file_of_other_weights_or_another_step(tmp_path) -> None:
    for other in (network(CONFIG, seed=4), network(changed({"num_heads": 3, "input": "held"}, num_fronts=2, pool=1))):
        fed(other).save(tmp_path / "state")
        with pytest.raises(CheckpointError, match="it is of another model"):
            fed().restore(tmp_path / "state")


@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found(tmp_path_factory, place: float, bit: int) -> None:
    path = tmp_path_factory.mktemp("stream") / "state"
    fed().save(path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    stream = fed(events=EVENTS[:9])
    before = state_of(stream)
    with pytest.raises(CheckpointError, match="is not a saved event stream of this model"):
        stream.restore(path)
    assert state_of(stream) == before


@settings(max_examples=30)
@given(share=st.floats(0, 1, exclude_max=True), more=st.binary(max_size=20))
def test_a_cut_or_lengthened_file_is_refused(tmp_path_factory, share: float, more: bytes) -> None:
    path = tmp_path_factory.mktemp("stream") / "state"
    fed().save(path)
    content, stream = path.read_bytes(), fed(events=EVENTS[:9])
    before = state_of(stream)
    for damaged in (content[: int(share * len(content))], content + b"\0" + more):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="is not a saved event stream of this model"):
            stream.restore(path)
        assert state_of(stream) == before


@pytest.mark.parametrize(
    "values",
    [
        {"last_tick": 2**40},
        {"last_tick": -2},
        {"last_tick": 2**63 - 1},
        {"last_tick": -(2**63)},
        {"step": -2},
        {"step": 5},
        {"step": 2**63 - 1, "next_step": 2**63 - 1},
        {"next_step": -1},
        {"next_step": -(2**63)},
        {"events": -1},
        {"ticks": -5},
        {"version": 3},
        {"version": 5},
    ],
)
def test_a_clock_that_cannot_be(values: dict[str, int]) -> None:
    """A last tick in the future would make a negative gap, and with it an address before a table."""
    stream = fed()
    before = state_of(stream)
    with pytest.raises(ValueError, match=r"it is of another version|its clock is impossible|its counters are negative"):
        put(stream, with_clock(before, **values))
    assert state_of(stream) == before


def test_far_times_that_cannot_be() -> None:
    stream = fed()
    before = state_of(stream)
    counts = len(stream.counts.spikes)
    at = 8 * (8 + 2 * (1 + counts))  # far, jumps, shift, number of far events that wait
    assert struct.unpack_from("<4q", before, at) == (0, 0, 0, 0)
    for values, message in (
        ((-1, 0, 0, 0), "its counters are negative"),
        ((0, -1, 0, 0), "its counters are negative"),
        ((0, 0, -1, 0), "its clock is impossible"),
        ((0, 0, 2**62, 0), "its clock is impossible"),
        ((0, 0, 0, 32), "its clock is impossible"),
        ((0, 0, 0, -1), "a count is negative"),
    ):
        with pytest.raises(ValueError, match=message):
            put(stream, before[:at] + struct.pack("<4q", *values) + before[at + 32 :])
    for event in ((-1, 0, 0, 0), (2**63 - 1, 0, 0, 0), (0, 11, 0, 0), (0, 0, -1, 0), (0, 0, 0, 2)):
        with pytest.raises(ValueError, match="it is of another sensor"):
            put(stream, before[:at] + struct.pack("<8q", 0, 0, 0, 1, *event) + before[at + 32 :])
    assert state_of(stream) == before


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e19])
def test_numbers_that_no_stream_holds(value: float) -> None:
    """In every array of floats: the read-out's sums, the memories, the records of positions."""
    stream = fed()
    before, replaced = state_of(stream), 0
    for dtype, size in ((np.float64, 8), (np.float32, 4)):
        for at in range(0, len(before) - size, 4):
            number = np.frombuffer(before, dtype, 1, at)[0]
            if 1e-5 < abs(number) < 1e3 and replaced < 200:
                damaged = before[:at] + np.array(value, dtype).tobytes() + before[at + size :]
                try:
                    put(stream, damaged)
                except ValueError:
                    replaced += 1
                assert state_of(stream) in (before, damaged)
                assert bool(stream.logits().isfinite().all())
                put(stream, before)
    assert replaced > 50


def test_positions_that_cannot_be() -> None:
    stream = fed()
    before = state_of(stream)
    touched = int(stream._stream.state()[-8 * 1 :].view(np.int64)[0])  # the second front's, none
    assert touched == 0
    for damaged in (before[:-8] + struct.pack("<q", 1), before[:-8] + struct.pack("<q", -1)):
        with pytest.raises(ValueError, match=r"ends too early|a count is negative"):
            put(stream, damaged)
    for position, tap in ((10**6, 0), (0, 10**6), (-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="it is of another sensor"):
            put(stream, before[:-8] + struct.pack("<qqq", 1, position, tap))
    with pytest.raises(ValueError, match="its open inputs are impossible"):
        put(stream, before[:-8] + struct.pack("<qqq", 1, 0, 0))
    assert state_of(stream) == before


@settings(max_examples=300)
@given(edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_bytes_are_refused_or_harmless(edits: list[tuple[float, int]]) -> None:
    """Without the checksum of the file, which a stranger can write as well."""
    stream = fed(events=EVENTS[:9])
    before, state = state_of(stream), bytearray(state_of(fed()))
    for place, value in edits:
        state[int(place * len(state))] = value
    try:
        put(stream, bytes(state))
    except ValueError:
        assert state_of(stream) == before
    use(stream)


@settings(max_examples=100)
@given(at=st.integers(0, 60), value=st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 100)))
def test_any_number_is_refused_or_harmless(at: int, value: int) -> None:
    stream = fed(events=EVENTS[:9])
    before, state = state_of(stream), state_of(fed())
    try:
        put(stream, state[: 8 * at] + struct.pack("<q", value) + state[8 * at + 8 :])
    except ValueError:
        assert state_of(stream) == before
    use(stream)


@settings(max_examples=50)
@given(content=st.binary(max_size=400))
def test_random_bytes_are_refused(content: bytes) -> None:
    stream = fed(events=EVENTS[:9])
    before = state_of(stream)
    for state in (content, struct.pack("<q", 4) + content, struct.pack("<8q", 4, -1, 0, -1, 0, 0, 0, 0) + content):
        with pytest.raises(ValueError, match=r"it (is|ends)|impossible|negative"):
            put(stream, state)
    assert state_of(stream) == before


def test_a_state_is_put_back_whole() -> None:
    stream, other = fed(), fed(events=np.zeros(0, EVENT_DTYPE))
    state = state_of(stream)
    put(other, state)
    assert state_of(other) == state
    assert torch.equal(other.logits(), stream.logits())
    empty = state_of(EventStream(MODEL))
    put(other, empty)
    assert state_of(other) == empty
    assert other.counts == EventStream(MODEL).counts


def test_base_has_other_records_than_its_twin_of_more_branches(tmp_path) -> None:
    fed(network(changed(num_branches=4))).save(tmp_path / "state")
    with pytest.raises(CheckpointError, match="it is of another model"):
        fed(network(BASE)).restore(tmp_path / "state")
