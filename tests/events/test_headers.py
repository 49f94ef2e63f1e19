"""Where a header ends, what it says of the sensor, and files that hold data and give no event."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from events.makers import aedat4_file, aedat4_packet, random_events
from longspike import events as ev
from longspike.errors import DataFileError
from longspike.streaming import open_events

JAER = (
    b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"
    b"# AEChip: eu.seebetter.ini.chips.davis.Davis346blue\r\n"
)
END = b"#End Of ASCII Header\r\n"
WORDS = b"\x01\x80\x03\x00\x02\x60\x05\x28"
"""EVT3: time, row 3, time, an on-event in column 5."""


def davis(x: int, y: int, t: int, p: int) -> bytes:
    return struct.pack(">II", y << 22 | x << 12 | p << 11, t)


@pytest.mark.parametrize("row", [140, 141, 143])
@pytest.mark.parametrize("end", [END, b""])
def test_records_that_begin_like_a_header_line_are_records(row: int, end: bytes, tmp_path: Path) -> None:
    """Their first byte is "#"; the third of them holds a line feed."""
    rows = [(50, row, 0x301, 1), (51, 100, 0x302, 0), (52, 100, 0x30A, 1), (10, 90, 5000, 0)]
    (tmp_path / "f").write_bytes(JAER + end + b"".join(davis(*each) for each in rows))
    recording = ev.read(tmp_path / "f")
    assert recording.events.tolist() == [(345 - x, 259 - y, t - 0x301, p) for x, y, t, p in rows]
    assert recording.skipped == 0


def test_lines_of_a_header_may_hold_any_text(tmp_path: Path) -> None:
    lines = "# created by Jürgen\r\n".encode()
    for before, after in ((lines, b""), ("# Zürich\r\n".encode("latin1"), END)):
        (tmp_path / "f").write_bytes(JAER + before + after + davis(3, 4, 7, 1))
        assert ev.read(tmp_path / "f").events.tolist() == [(342, 255, 0, 1)]


def test_an_unnamed_camera_of_the_other_kind_is_noticed(tmp_path: Path) -> None:
    dvs128 = struct.pack(">IIII", 3 << 8 | 5 << 1, 7, 9 << 8 | 6 << 1, 9)
    (tmp_path / "dvs128").write_bytes(b"#!AER-DAT2.0\r\n" + dvs128)
    with pytest.raises(DataFileError, match=r"addresses are those of a DVS128. Pass sensor_size=\(128, 128\)"):
        ev.read(tmp_path / "dvs128", sensor_size=(346, 260))
    (tmp_path / "davis").write_bytes(b"#!AER-DAT2.0\r\n" + davis(3, 4, 7, 1))
    with pytest.raises(DataFileError, match=r"addresses are not those of a DVS128. Pass the size of the DAVIS"):
        ev.read(tmp_path / "davis", sensor_size=(128, 128))
    assert ev.read(tmp_path / "davis", sensor_size=(240, 180)).events.tolist() == [(236, 175, 0, 1)]


def packets(count: int = 5) -> tuple[list[tuple[int, bytes]], np.ndarray]:
    events = random_events(np.random.default_rng(0), count, (320, 240))
    return [(2, b"IMU"), (5, aedat4_packet(events[:2])), (5, aedat4_packet(events[2:]))], events


@pytest.mark.parametrize("end", [0, 100])
def test_a_table_of_packets_before_the_packets_is_a_fault(end: int, tmp_path: Path) -> None:
    made, events = packets()
    content = aedat4_file(made, end=end).removesuffix(b"the table of packets, which is not read")
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(DataFileError, match=f"table of packets is said to lie at byte {end}, before the first packet"):
        ev.read(tmp_path / "f")
    recording = ev.read(tmp_path / "f", on_error="skip")
    assert (recording.events.tolist(), recording.skipped) == (events.tolist(), 1)


def test_packets_after_the_end_that_the_header_says_are_noticed(tmp_path: Path) -> None:
    made, _ = packets()
    whole = aedat4_file(made)
    last = 8 + len(made[-1][1])
    end = len(whole) - len(b"the table of packets, which is not read")
    for wrong in (end - last, end - 5, end + 3):
        (tmp_path / "f").write_bytes(aedat4_file(made, end=wrong))
        with pytest.raises(
            DataFileError, match=r"(packets end at byte \d+, and they do not|is truncated|it is damaged)"
        ):
            ev.read(tmp_path / "f")


def test_data_without_an_event_is_warned_of(tmp_path: Path) -> None:
    header = b"% evt 3.0\n% geometry 8x6\n% end\n"
    (tmp_path / "f").write_bytes(header + WORDS[:2])
    with pytest.warns(UserWarning, match=r"f \(evt3\) holds 2 bytes after its header and no event of a pixel. Are the"):
        assert len(ev.read(tmp_path / "f")) == 0
    with pytest.warns(UserWarning, match="no event of a pixel"), ev.open(tmp_path / "f") as reader:
        assert list(reader) == []
    (tmp_path / "f").write_bytes(header)
    assert len(ev.read(tmp_path / "f")) == 0


def test_what_the_caller_says_beats_a_guess_and_not_the_file(tmp_path: Path) -> None:
    plugin = b"% evt 3.0\n% plugin_name hal_plugin_gen3_fx3\n"
    (tmp_path / "f").write_bytes(plugin + WORDS)
    assert ev.read(tmp_path / "f").sensor_size == (640, 480)
    assert ev.read(tmp_path / "f", sensor_size=(320, 240)).sensor_size == (320, 240)
    assert ev.read(tmp_path / "f", sensor_size="observed").sensor_size == (6, 4)
    (tmp_path / "f").write_bytes(plugin + b"% geometry 346x260\n" + WORDS)
    with pytest.raises(ValueError, match=r"`sensor_size` is \(320, 240\), but .* says \(346, 260\)"):
        ev.read(tmp_path / "f", sensor_size=(320, 240))
    dat = b"% Data file containing TD events.\n\x00\x08" + struct.pack("<II", 5, 300 | 7 << 9)
    (tmp_path / "f").write_bytes(dat)
    assert ev.read(tmp_path / "f").sensor_size == (304, 240)
    assert ev.read(tmp_path / "f", sensor_size=(320, 242)).sensor_size == (320, 242)


def test_words_that_begin_like_a_header_line_are_words(tmp_path: Path) -> None:
    """Time words of EVT2 whose bytes are "% \\n" and "%\\n" after a header without an end."""
    for low in (0x0A2025, 0x000A25):
        words = np.array([8 << 28 | low, 1 << 28 | 5 << 11 | 3], "<u4").tobytes()
        (tmp_path / "f").write_bytes(b"% evt 2.0\n" + words)
        recording = ev.read(tmp_path / "f", sensor_size=(8, 6))
        assert (recording.events.tolist(), recording.start_us) == ([(5, 3, 0, 1)], low << 6)


@pytest.mark.parametrize("line", ["% Author Jürgen\n".encode(), "% Author Jürgen\n".encode("latin1"), b"%\n"])
def test_lines_of_a_dat_header_may_hold_any_text(line: bytes, tmp_path: Path) -> None:
    head = b"% Data file containing CD events.\n" + line + b"% Version 2\n% Width 640\n% Height 480\n"
    (tmp_path / "f").write_bytes(head + b"\x0c\x08" + struct.pack("<II", 5, 1 << 28 | 7 << 14 | 3))
    assert ev.read(tmp_path / "f").events.tolist() == [(3, 7, 0, 1)]


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataFileError, match=r"pipe is a pipe, and only files can be read. Copy what comes from it"):
        ev.read(tmp_path / "pipe")
    with pytest.raises(DataFileError, match="pipe is a pipe"):
        open_events(str(tmp_path / "pipe"), sensor_size=(8, 6))
    with pytest.raises(DataFileError, match="/dev/null is a device"):
        ev.read("/dev/null")
