"""What is refused, and what the errors say."""

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from events.makers import MAKERS, flatbuffer
from longspike import events as ev
from longspike.errors import DataFileError, MissingExtraError, UnknownSensorError

EVT3 = b"% evt 3.0\n% geometry 8x6\n% end\n"
CSV = b"# sensor_size 8x6\n"
THREE = struct.pack("<6H", 0x8001, 0x6002, 0x0003, 0x2004, 0x6003, 0x2005)


def npz(**arrays: object) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def columns(**changes: object) -> dict[str, np.ndarray]:
    return {name: np.asarray(changes.get(name, [0, 1])) for name in "xytp"}


CONTENTS = {
    "empty": (b"", "is empty"),
    "unknown": (
        b"\x00\x01\x02 and so on",
        r"fits none of the formats.*first bytes: 00 01 02.*Pass `format`, one of evt2",
    ),
    "aedat 1": (b"#!AER-DAT1.0\r\n", "is in version 1.0 of AEDAT; 2, 3.1 and 4 are read"),
    "aedat 3.0": (b"#!AER-DAT3.0\r\n", "is in version 3.0 of AEDAT"),
    "evt 4": (b"% evt 4.0\n", "in the encoding '4.0', which is not read"),
    "histogram": (b"% format HISTO3D;width=3\n", "in the encoding 'HISTO3D;width=3', which is not read"),
    "no encoding": (b"% Date 2020\n", "names no encoding"),
    "big-endian": (b"% format EVT2;endianness=big;width=8;height=6\n", "evt2 words in big-endian order"),
    "outside": (
        EVT3 + THREE[:6] + b"\x09\x20",
        r"event 0 \(x=9, y=3, t=4098 µs, p=0\): a pixel outside the sensor of 8x6",
    ),
    "backwards": (
        EVT3 + THREE + b"\x01\x60\x06\x20",
        r"event 2 \(x=6, y=3, t=4097 µs, p=0\): a time earlier than that of an event before it",
    ),
    "cut": (EVT3 + THREE[:-1], r"byte 41: the file ends in the middle of a record, after 1 of its bytes"),
    "undefined word": (EVT3 + THREE + b"\0\x90", "record at byte 43: a word of a type that the format does not have"),
    "dat version": (b"% Data file containing CD\n% Version 3\n\0\x08", "is in version '3' of DAT; 1 and 2 are read"),
    "dat triggers": (
        b"% Data file containing CD\n% Version 2\n\x0e\x08",
        "must have events of type 0x00 or 0x0c.*got 0e 08",
    ),
    "es version": (b"Event Stream\x01\0\0\x01\x08\0\x06\0", "holds DVS events in version 1 of Event Stream"),
    "es kind": (b"Event Stream\x02\0\0\x02\x08\0\x06\0", "holds ATIS events in version 2 of Event Stream"),
    "es cut": (b"Event Stream\x02\0\0\x01\x08", "ends after 17 bytes, within its header"),
    "es nothing": (b"Event Stream\x02\0\0\x01\0\0\x06\0", "says that its sensor has 0x6 pixels"),
    "es row": (
        b"Event Stream\x02\0\0\x01\x08\0\x06\0\x01\x01\0\x06\0",
        "record at byte 20: an event in a row that the sensor",
    ),
    "aedat2 chip": (b"#!AER-DAT2.0\r\n# AEChip: x.Cochlea\r\n", "names no camera that is known .*Cochlea"),
    "aedat2 no chip": (b"#!AER-DAT2.0\r\n", r"it has no line # AEChip.*Pass sensor_size=\(128, 128\) for DVS128"),
    "aedat2 outside": (
        b"#!AER-DAT2.0\r\n# AEChip: x.DAVIS240C\r\n" + struct.pack(">II", 240 << 12, 5),
        r"record at byte 37: the address \(240, 0\) lies outside the sensor of 240x180",
    ),
    "aedat3 no end": (b"#!AER-DAT3.1\r\n#Format: RAW\r\n", "has no line #!END-HEADER"),
    "aedat3 encoding": (b"#!AER-DAT3.1\r\n#Format: SerializedTS\r\n#!END-HEADER\r\n", "in the encoding SerializedTS"),
    "aedat3 packet": (
        b"#!AER-DAT3.1\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n" + struct.pack("<hhiiiiii", 1, 1, 9, 4, 0, 1, 1, 1),
        "packet at byte 47: its header is damaged",
    ),
    "aedat4 header": (b"#!AER-DAT4.0\r\n\xff\0\0\0", "has a damaged header"),
    "aedat4 no events": (
        b"#!AER-DAT4.0\r\n" + flatbuffer(b"IOHE", [b"\0" * 4, b"\xff" * 8, b"\4\0\0\0"], b"\4\0\0\0<a/>\0"),
        "holds no stream of events",
    ),
    "aedat4 compression": (
        b"#!AER-DAT4.0\r\n" + flatbuffer(b"IOHE", [b"\7\0\0\0", b"\xff" * 8, b"\4\0\0\0"], b"\4\0\0\0<a/>\0"),
        r"is compressed in a way \(7\) that is not known",
    ),
    "csv order": (b"1,2,3,0\n", "does not say the order of its columns. Put a header line before the data"),
    "csv row": (CSV + b"x,y,t,p\n1,2,3,0\n1,2,3_5,0\n", r"line 4: '1,2,3_5,0' is not 4 numbers"),
    "csv range": (CSV + b"x,y,t,p\n1,2,-3,0\n", r"event 0: t is -3, which lies outside \[0, "),
    "csv cut": (CSV + b"p,x,y,t\n0,1,2,3\n0,1,2,4", "the last line: it has no end, so digits may be missing"),
    "npz names": (npz(a=[1]), "holds the arrays a, and neither x, y, t and p nor a structured array"),
    "npz objects": (npz(**columns(x=np.array([None, 1]))), "array 'x' that holds Python objects, which are pickles"),
    "npz floats": (
        npz(sensor_size=(8, 6), **columns(t=[0.5, 1.0])),
        'holds t as float64, and no unit of time. Say what the times count: pass time_unit="s"',
    ),
    "npz lengths": (npz(**columns(t=[0, 1, 2])), "holds arrays that are not of one length"),
    "npz polarity": (npz(sensor_size=(8, 6), **columns(p=[0, 2])), r"event 1: p is 2, which lies outside \[-1, 1\]"),
    "npz size": (npz(sensor_size=(0, 6), **columns()), "array 'sensor_size' that is not a sensor's size: 0, 6"),
    "npz broken": (b"PK\x03\x04" + bytes(50), "is not an archive of arrays"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_contents_that_are_refused(name: str, tmp_path: Path) -> None:
    content, message = CONTENTS[name]
    path = tmp_path / "the-file"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=f"the-file:? .*{message}"):
        ev.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for read in (ev.read, ev.open):
        with pytest.raises(DataFileError, match=r"nowhere cannot be read \(No such file"):
            read(tmp_path / "nowhere")
    with pytest.raises(DataFileError, match=r"cannot be read \(Is a directory"):
        ev.read(tmp_path)


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(EVT3 + THREE)
    path = tmp_path / "f"
    with pytest.raises(ValueError, match=r"read: `on_error` must be one of 'raise', 'skip'; got 'ignore'"):
        ev.read(path, on_error="ignore")
    with pytest.raises(ValueError, match=r"open: `format` must be one of 'evt2'.*got 'mp4'"):
        ev.open(path, format="mp4")
    with pytest.raises(ValueError, match=r"open: `packet_events` must be an integer of at least 1; got 0"):
        ev.open(path, packet_events=0)
    with pytest.raises(ValueError, match=r'open: `sensor_size`.*got \'observed\'.*Only read can take "observed"'):
        ev.open(path, sensor_size="observed")
    for wrong in ((0, 5), (5,), "8x6", (1.5, 2), (True, 3), (70_000, 3)):
        with pytest.raises(ValueError, match=r"read: `sensor_size` must be \(width, height\) in pixels"):
            ev.read(path, sensor_size=wrong)
    with pytest.raises(ValueError, match=r"`sensor_size` is \(9, 6\), but .* says \(8, 6\). Leave it out"):
        ev.read(path, sensor_size=(9, 6))
    with pytest.raises(DataFileError, match=r'holds evt3 words, not evt2.*pass format="evt3"'):
        ev.read(path, format="evt2")


def test_an_unknown_sensor_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"% evt 3.0\n" + THREE)
    with pytest.raises(UnknownSensorError, match=r'does not say how large its sensor is.*"observed" for the smallest'):
        ev.read(tmp_path / "f")
    with pytest.raises(
        UnknownSensorError, match=r"does not say how large its sensor is. Pass sensor_size=\(width, height\) in"
    ):
        ev.open(tmp_path / "f")
    assert ev.read(tmp_path / "f", sensor_size=(8, 6)).sensor_size == (8, 6)
    (tmp_path / "f").write_bytes(b"% evt 3.0\n")
    with pytest.raises(DataFileError, match="holds no events to observe a sensor's size from"):
        ev.read(tmp_path / "f", sensor_size="observed")


def test_old_aedat2_is_read_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"#!AER-DAT2.0\r\n" + struct.pack(">IIII", 3 << 8 | 5 << 1, 7, 3 << 8 | 5 << 1 | 1, 9))
    events = ev.read(tmp_path / "f", sensor_size=(128, 128)).events
    assert events.tolist() == [(122, 124, 0, 1), (122, 124, 2, 0)]


def with_compression(content: bytes, number: int) -> bytes:
    """An AEDAT4 file that says another compression: the field stands 20 bytes after the header's identifier."""
    place = content.index(b"IOHE") + 20
    return content[:place] + bytes([number]) + content[place + 1 :]


@pytest.mark.parametrize(("maker", "package"), [("hdf5", "h5py"), ("aedat4", "zstandard"), ("aedat4", "lz4.frame")])
def test_missing_packages_name_their_extra(maker: str, package: str, tmp_path: Path, monkeypatch) -> None:
    if maker == "hdf5":
        pytest.importorskip("h5py")
    content = MAKERS[maker](np.random.default_rng(0), 9).content
    if maker == "aedat4":
        content = with_compression(content, 3 if package == "zstandard" else 1)
    (tmp_path / "f").write_bytes(content)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingExtraError, match=rf"needs the package '{package.partition('.')[0]}'.*longspike\[events\]"
    ):
        ev.read(tmp_path / "f")


def test_spike_trains_are_sent_to_their_reader(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "f", "w") as file:
        file.create_group("spikes")
    with pytest.raises(DataFileError, match=r"holds spike trains of many samples.*Use ShdFile"):
        ev.read(tmp_path / "f")
    with h5py.File(tmp_path / "f", "w") as file:
        file["picture"] = np.zeros(3)
    with pytest.raises(
        DataFileError, match="holds picture, and no x, y, t and p in CD/events, events, davis/left/events, /"
    ):
        ev.read(tmp_path / "f")


def test_a_compression_that_is_not_installed_is_named(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "f", "w") as file:
        for name in "xytp":
            column = file.create_dataset(
                f"events/{name}", (5,), "i4", chunks=(5,), compression=0x8ECF, allow_unknown_filter=True
            )
            column.id.write_direct_chunk((0,), bytes(20))
    with pytest.raises(DataFileError, match=r"HDF5 filter .*\(36559\), which is not installed.*Metavision's tools"):
        ev.read(tmp_path / "f", sensor_size=(8, 6))


def test_columns_that_were_never_written_are_noticed(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "f", "w") as file:
        for name in "xytp":
            file.create_dataset(f"events/{name}", (50,), "i4", chunks=(10,))
            file[f"events/{name}"][:30] = 0
    with pytest.raises(DataFileError, match="lacks a part of the columns in 'events'"):
        ev.read(tmp_path / "f", sensor_size=(8, 6))
