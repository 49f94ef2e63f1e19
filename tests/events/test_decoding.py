"""The compiled decoders are the reference, on any words, in any pieces; and the times that wrap."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longspike import events as ev
from longspike.errors import DataFileError
from longspike.events import reference
from longspike.events.decoding import LAYOUTS, Decoder
from longspike.events.faults import Faults
from longspike.kernels import native

needs_extension = pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")

TYPES = {"evt2": (4, (0, 1, 8, 8, 0xA, 0xE, 0xF)), "evt21": (8, (0, 1, 8, 0xA, 0xE)), "evt3": (2, range(16))}
SETTINGS = {"evt21": ({}, {2: 1}), "dat": ({2: 1}, {2: 2}), "es": ({1: 150},), "nmnist": ({1: 0}, {1: 1})}


def random_records(name: str, rng: np.random.Generator, count: int) -> np.ndarray:
    """Noise whose words are mostly of types that the format has."""
    records = rng.integers(0, 256, count * LAYOUTS[name].record_bytes, dtype=np.uint8)
    if name == "es":
        records[rng.random(len(records)) < 0.5] = 0  # rows on the sensor
    if name in TYPES and rng.random() < 0.8:
        width, types = TYPES[name]
        top = records.reshape(-1, width)[:, -1]
        top[:] = rng.choice(list(types), count) << 4 | top & 15
    return records


def run(name: str, records: np.ndarray, settings: dict, skips: bool, compiled: bool, pieces: list[int], capacity: int):
    """Everything that decoding gives: events, faults, the state at the end, and the message of an error."""
    faults = Faults(Path("file"), skips=skips)
    decoder = Decoder(name, faults, settings=settings, use_extension=compiled)
    parts, message, rest = [], "", records[:0]
    ends = [*np.cumsum(pieces).tolist(), len(records)]
    try:
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            rest = np.concatenate([rest, records[start : max(start, min(end, len(records)))]])
            used = None
            while used != 0:
                used, events = decoder.decode(rest, capacity=capacity)
                rest = rest[used:]
                parts.append(events.copy())
    except DataFileError as error:
        message = str(error)
    events = np.concatenate(parts) if parts else np.empty(0, ev.EVENT_DTYPE)
    return events, faults.skipped, decoder.state, message


@needs_extension
@given(
    name=st.sampled_from(sorted(LAYOUTS)),
    seed=st.integers(0, 2**32),
    count=st.integers(0, 90),
    skips=st.booleans(),
    capacity=st.integers(32, 80),
)
def test_compiled_is_the_reference(name: str, seed: int, count: int, skips: bool, capacity: int) -> None:
    rng = np.random.default_rng(seed)
    records = random_records(name, rng, count)
    for settings in SETTINGS.get(name, ({},)):
        ours = run(name, records, settings, skips, True, [], capacity)
        theirs = run(name, records, settings, skips, False, [], capacity)
        if not ours[3]:
            np.testing.assert_array_equal(ours[0], theirs[0])
        assert (ours[1], ours[3]) == (theirs[1], theirs[3])
        np.testing.assert_array_equal(ours[2], theirs[2])


@given(
    name=st.sampled_from(sorted(LAYOUTS)),
    seed=st.integers(0, 2**32),
    pieces=st.lists(st.integers(0, 40), max_size=12),
    capacity=st.integers(32, 80),
)
def test_pieces_change_nothing(name: str, seed: int, pieces: list[int], capacity: int) -> None:
    rng = np.random.default_rng(seed)
    records = random_records(name, rng, 90)
    compiled = native.is_available()
    settings = SETTINGS.get(name, ({},))[0]
    whole = run(name, records, settings, True, compiled, [], 5000)
    split = run(name, records, settings, True, compiled, pieces, capacity)
    np.testing.assert_array_equal(whole[0], split[0])
    np.testing.assert_array_equal(whole[2], split[2])
    assert whole[1] == split[1]


def test_a_column_word_is_used_by_the_vectors_after_it() -> None:
    """EVT3 by hand: row 7, column 100, a vector of 12 with bits 0 and 11, a vector of 8 with bit 7."""
    words = [0x8001, 0x6005, 0x0007, 0x3064 | 1 << 11, 0x4801, 0x5080]
    decoder = Decoder("evt3", Faults(Path("file"), skips=False))
    used, events = decoder.decode(np.array(words, "<u2").view(np.uint8))
    assert used == 12
    assert events.tolist() == [(100, 7, 4101, 1), (111, 7, 4101, 1), (119, 7, 4101, 1)]


def test_a_new_high_part_of_time_clears_the_low_one() -> None:
    """EVT3: between a high word and its low word, time is the high part alone, and never 4096 µs ahead."""
    words = [0x8001, 0x6FFF, 0x0007, 0x2001, 0x8002, 0x2002, 0x6001, 0x2003, 0x8002, 0x2004]
    _, events = Decoder("evt3", Faults(Path("file"), skips=False)).decode(np.array(words, "<u2").view(np.uint8))
    assert events["t"].tolist() == [8191, 8192, 8193, 8193]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([0x8001, 0x0001, 0x1000], "byte 4: a word of a type that the format does not have"),
        ([0x2001], "byte 0: an event before the first time word"),
        ([0x8001, 0x2001], "byte 2: an event before the first row address"),
        ([0x8001, 0x0001, 0x4001], "byte 4: a vector of events before its first column"),
        ([0x8001, 0x0001, 0x37FF, 0x5002], "byte 6: a vector of events that runs past the format's last column"),
    ],
)
def test_faults_of_words_name_their_place(words: list[int], what: str) -> None:
    decoder = Decoder("evt3", Faults(Path("a-file"), skips=False))
    with pytest.raises(DataFileError, match=f"a-file: record at {what}.*Pass on_error"):
        decoder.decode(np.array(words, "<u2").view(np.uint8))
    lenient = Faults(Path("a-file"), skips=True)
    assert len(Decoder("evt3", lenient).decode(np.array(words, "<u2").view(np.uint8))[1]) == 0
    assert lenient.skipped == 1


@pytest.mark.parametrize("bits", [12, 28])
@given(seed=st.integers(0, 2**32))
def test_wraps_are_followed(bits: int, seed: int) -> None:
    steps = np.random.default_rng(seed).integers(0, 1 << (bits - 1), 50)
    high = reached = 5
    for step in steps.tolist():
        reached += step
        high = reference.carry_on(high, reached % (1 << bits), bits)
        assert high == reached


@pytest.mark.parametrize("use_extension", [False, pytest.param(True, marks=needs_extension)])
def test_back_by_half_the_range_is_no_wrap(use_extension: bool) -> None:
    """EVT3 sends 12 bits of the high part: from 0x800 to 0 the time goes back, from 0x801 it goes on past the wrap."""
    times = []
    for high in (0x8800, 0x8801):
        words = np.array([high, 0x0007, 0x2001, 0x8000, 0x2002], "<u2").view(np.uint8)
        decoder = Decoder("evt3", Faults(Path("file"), skips=False), use_extension=use_extension)
        times.append(decoder.decode(words)[1]["t"].tolist())
    assert times == [[0x800 << 12, 0], [0x801 << 12, 0x1000 << 12]]


def test_everything_works_without_the_extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_extension", None)
    events = ev.make_events(x=[1, 2, 3], y=[4, 5, 6], t=[0, 5, 90_000], p=[0, 1, 1])
    ev.write(tmp_path / "file.raw", events, sensor_size=(12, 13))
    np.testing.assert_array_equal(ev.read(tmp_path / "file.raw").events, events)


def test_words_become_integers_some_at_a_time() -> None:
    import tracemalloc

    records = np.arange(1 << 20, dtype=np.uint32).view(np.uint8)[: 1 << 20]
    tracemalloc.start()
    total = sum(reference.words(records, "<u2"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == int(records.view("<u2").sum(dtype=np.int64))
    assert peak < 500_000 < len(records)
