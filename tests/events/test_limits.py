"""Files that cost more than they are: refused at their bounds, in little memory, with an error of some lines."""

import io
import struct
import tracemalloc
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from events.makers import aedat4_file, aedat4_packet
from longspike import events as ev
from longspike._core import limits
from longspike.errors import DataFileError, UnknownSensorError
from longspike.events.audio import read_wav, spikes_from_audio
from longspike.events.faults import shortened
from longspike.events.formats import npz

MIB = 1 << 20


def refused_cheaply(call: Callable[[], object], message: str, *, most_bytes: int = 8 * MIB) -> None:
    """The call raises DataFileError with a short message, and takes no more than so much memory."""
    tracemalloc.start()
    with pytest.raises(DataFileError, match=message) as caught:
        call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < most_bytes
    assert len(str(caught.value)) < 600


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A free amount of 1 MiB instead of 256."""
    monkeypatch.setattr(limits, "UNPACKED_FREE_BYTES", MIB)


@pytest.mark.usefixtures("_small")
def test_aedat4_of_many_packets_that_unpack_to_much(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    events = np.zeros(40_000, ev.EVENT_DTYPE)
    packet = zstandard.ZstdCompressor().compress(aedat4_packet(events))
    (tmp_path / "f").write_bytes(aedat4_file([(5, packet)] * 2, compression=3))
    with ev.open(tmp_path / "f", packet_events=40_000) as reader:
        assert next(reader)["t"].tolist()[-1] == 0
        with pytest.raises(DataFileError, match=r"f unpacks to more than 1,\d{3},\d{3} bytes, the bound for a file of"):
            list(reader)
    (tmp_path / "f").write_bytes(aedat4_file([(5, packet)], compression=3))
    assert len(ev.read(tmp_path / "f")) == len(events)


@pytest.mark.usefixtures("_small")
def test_so_many_bytes_for_each_of_the_file(tmp_path: Path) -> None:
    """3.2 MB of zeros pack into 3 kB, which allow for 0.6 MB more than the free amount; 20 kB of noise allow for 4."""
    zeros = np.zeros(100_000, np.int64)
    noise = np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8)
    heavy = npz_file(tmp_path / "heavy", x=zeros, y=zeros, t=zeros, p=zeros, noise=noise)
    assert len(ev.read(heavy, sensor_size=(8, 6))) == len(zeros)
    assert limits.unpacked_limit(3) - limits.unpacked_limit(0) == 600


def test_a_header_or_a_packet_of_aedat4_that_says_too_much(tmp_path: Path) -> None:
    good = aedat4_file([(5, aedat4_packet(np.zeros(3, ev.EVENT_DTYPE)))])
    start = len(b"#!AER-DAT4.0\r\n")
    (tmp_path / "f").write_bytes(good[:start] + struct.pack("<I", (1 << 24) + 1) + good[start + 4 :])
    refused_cheaply(lambda: ev.read(tmp_path / "f"), "its header has 16777217 bytes, more than 16777216: it is damaged")
    packet = struct.pack("<iI", 5, (1 << 28) + 1)
    (tmp_path / "f").write_bytes(
        aedat4_file([], end=-1).removesuffix(b"the table of packets, which is not read") + packet
    )
    refused_cheaply(lambda: ev.read(tmp_path / "f"), "its header says 268435457 bytes, more than 268435456")


def test_sides_in_the_header_of_aedat4(tmp_path: Path) -> None:
    good = aedat4_file([(5, aedat4_packet(np.zeros(3, ev.EVENT_DTYPE)))])
    for side, size in (("32768", (32768, 240)), ("32769", None)):
        old = b'<attr key="sizeX">320</attr>'
        new = f'<attr key="sizeX">{side}</attr>'.encode()
        content = good.replace(old, new).replace(b'<dv version="2.0">', b"<dv>" + b" " * (14 - len(new) + len(old)))
        assert len(content) == len(good)
        (tmp_path / "f").write_bytes(content)
        if size is not None:
            assert ev.read(tmp_path / "f").sensor_size == size
            continue
        with pytest.raises(UnknownSensorError, match="does not say how large its sensor is"):
            ev.read(tmp_path / "f")


def of_length(prefix: bytes, num_bytes: int) -> bytes:
    """A header that begins so and has so many bytes, in lines of 64."""
    mark = prefix[:1]
    rest = num_bytes - len(prefix)
    lines = (mark + b" k" + b"v" * 60 + b"\n") * (rest // 64 - 1)
    return prefix + lines + mark + b" k" + b"v" * (rest - len(lines) - 4) + b"\n"


DATA = {
    "aedat2": (b"#!AER-DAT2.0\r\n# AEChip: DVS128\n", b"\0" * 7 + b"\1"),
    "evt2": (b"% evt 2.0\n% geometry 8x6\n", struct.pack("<II", 8 << 28, 1 << 28)),
    "dat": (b"% Version 2\n% Width 8\n% Height 6\n", b"\0\x08" + bytes(8)),
}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("more", [1, 30, 64, 3000])
def test_a_header_of_text_is_bounded(name: str, more: int, tmp_path: Path) -> None:
    prefix, data = DATA[name]
    most = 1 << 20 if name == "aedat2" else 1 << 16
    (tmp_path / "f").write_bytes(of_length(prefix, most) + data)
    assert len(ev.read(tmp_path / "f", format=name)) == 1
    (tmp_path / "f").write_bytes(of_length(prefix, most + more) + data)
    refused_cheaply(lambda: ev.read(tmp_path / "f", format=name), f"has a header of more than {most} bytes")


def test_a_line_of_text_is_bounded(tmp_path: Path) -> None:
    line = b"3,1,500,1" + b" " * ((1 << 16) - 10) + b"\n"
    (tmp_path / "f").write_bytes(b"x,y,t,p\n" + line)
    assert len(ev.read(tmp_path / "f", sensor_size=(8, 6))) == 1
    (tmp_path / "f").write_bytes(b"x,y,t,p\n" + b"3,1,500,1" * (1 << 20))
    refused_cheaply(
        lambda: ev.read(tmp_path / "f", sensor_size=(8, 6)),
        "has a line of more than 65536 bytes: it is no table of events",
        most_bytes=32 * MIB,
    )


def npz_file(path: Path, **arrays: np.ndarray) -> Path:
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    return path


@pytest.mark.usefixtures("_small")
def test_npz_bombs(tmp_path: Path) -> None:
    zeros = np.zeros(100_000, np.int64)
    bomb = npz_file(tmp_path / "zeros", x=zeros, y=zeros, t=zeros, p=zeros)
    refused_cheaply(lambda: ev.read(bomb, sensor_size=(8, 6)), "unpacks to more than .*write it with numpy.savez")
    wide = np.zeros(8, [("x", "u2"), ("y", "u2"), ("t", "i8"), ("p", "u1"), ("filler", "V20000")])
    bomb = npz_file(tmp_path / "wide", events=wide)
    refused_cheaply(lambda: ev.read(bomb, sensor_size=(8, 6)), "has entries of 20013 bytes; at most 1024 are read")


def npy(header: str, data: bytes = b"") -> bytes:
    text = (header + " " * 200)[: max(len(header), 118)].encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


HEADERS = {
    "tokens": "{'descr': '<i8', 'fortran_order': False, 'shape': (3,",
    "indent": "\n  x\n y",
    "types": "{'descr': 5, 'fortran_order': False, 'shape': (3,)}",
    "negative": "{'descr': '<i8', 'fortran_order': False, 'shape': (-5,)}",
    "huge": f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({1 << 62},)}}",
    "just too long": f"{{'descr': '<i8', 'fortran_order': False, 'shape': (0, {1 << 48})}}",
    "deep": "(" * 4000,
    "long": "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), '" + "k" * 3000 + "': 1}",
    "axes": "{'descr': '<i8', 'fortran_order': False, 'shape': (" + "3," * 1500 + ")}",
}


@pytest.mark.parametrize("name", HEADERS)
def test_npy_headers_that_are_none(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "f", "w") as archive:
        for field in "xytp":
            archive.writestr(f"{field}.npy", npy(HEADERS[name], bytes(24)))
    refused_cheaply(
        lambda: ev.read(tmp_path / "f", sensor_size=(8, 6)),
        "f (is not an archive of arrays|holds an? array|holds arrays that are not of one)",
    )


def test_a_compression_that_is_damaged_or_unknown(tmp_path: Path) -> None:
    for method, message in (
        (zipfile.ZIP_LZMA, "is compressed in a way that NumPy does not write"),
        (zipfile.ZIP_BZIP2, "is compressed in a way that NumPy does not write"),
        (zipfile.ZIP_DEFLATED, "is not an archive of arrays: "),
    ):
        with zipfile.ZipFile(tmp_path / "f", "w", method) as archive:
            for field in "xytp":
                archive.writestr(
                    f"{field}.npy", npy("{'descr': '<i8', 'fortran_order': False, 'shape': (3,)}", bytes(24))
                )
        content = bytearray((tmp_path / "f").read_bytes())
        content[45:60] = bytes(15)
        (tmp_path / "f").write_bytes(content)
        refused_cheaply(lambda: ev.read(tmp_path / "f", sensor_size=(8, 6)), message)


def test_names_and_numbers_of_any_length_make_short_messages(tmp_path: Path) -> None:
    bomb = npz_file(tmp_path / "f", **{f"array{k}{'n' * 90}": np.zeros(1) for k in range(60)})
    refused_cheaply(lambda: ev.read(bomb), r"holds the arrays array.* \.\.\. .*nor a structured array of these")
    assert shortened("abc" * 100, 31) == "abcabcabcabca ... cabcabcabcabc"
    assert shortened("short", 31) == "short"


def test_aedat4_streams_with_numbers_that_are_none(tmp_path: Path) -> None:
    content = aedat4_file([], end=-1).replace(b'<node name="5">', b'<node name="' + b"5" * 5000 + b'">')
    (tmp_path / "f").write_bytes(content)
    refused_cheaply(lambda: ev.read(tmp_path / "f"), "f (holds no stream of events|has a damaged header)")


def wav(path: Path, *, rate_hz: int = 8000, says_bytes: int | None = None) -> Path:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(bytes(100))
    content = bytearray(stream.getvalue())
    if says_bytes is not None:
        content[40:44] = struct.pack("<I", says_bytes)
    path.write_bytes(content)
    return path


def test_sound_that_says_too_much(tmp_path: Path) -> None:
    refused_cheaply(
        lambda: read_wav(wav(tmp_path / "f", rate_hz=(1 << 31) - 1)),
        "f must have a sampling rate of 1 to 1000000 Hz; got",
    )
    refused_cheaply(lambda: read_wav(wav(tmp_path / "f", says_bytes=1 << 31)), "is truncated: get it again")
    with pytest.raises(ValueError, match=r"`rate_hz` must be at most 1000000; got 2147483647. Resample"):
        spikes_from_audio(np.zeros(10), (1 << 31) - 1)
    with pytest.raises(ValueError, match=r"`samples` times channels must be at most 134217728 .*Cut the clip"):
        spikes_from_audio(np.zeros(3 << 20), 16_000)


def test_the_bounds_leave_room_for_what_cameras_send() -> None:
    assert limits.unpacked_limit(10 * MIB) > 2 << 30
    assert limits.LARGEST_PACKET_BYTES >= 1 << 27
    assert npz.CHUNK_EVENTS * limits.LARGEST_ENTRY_BYTES <= 64 * MIB


def hdf5(path: Path, **columns: Any) -> Any:
    h5py = pytest.importorskip("h5py")
    file = h5py.File(path, "w")
    for name in "xytp":
        file[f"events/{name}"] = columns.get(name, np.zeros(4, np.int64))
    return file


@pytest.mark.parametrize("kind", ["external storage", "external link", "soft link to one", "loop", "virtual"])
def test_hdf5_does_not_leave_its_file(kind: str, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret").write_bytes(bytes(range(32)))
    with hdf5(tmp_path / "other"):
        pass
    with hdf5(tmp_path / "f") as file:
        del file["events/x"]
        if kind == "external storage":
            file.create_dataset("events/x", (4,), "i8", external=[(str(tmp_path / "secret"), 0, 32)])
        elif kind == "external link":
            file["events/x"] = h5py.ExternalLink(str(tmp_path / "other"), "/events/x")
        elif kind == "soft link to one":
            file["aside"] = h5py.ExternalLink(str(tmp_path / "other"), "/events")
            file["events/x"] = h5py.SoftLink("/aside/x")
        elif kind == "loop":
            file["events/x"] = h5py.SoftLink("/events/x")
        else:
            layout = h5py.VirtualLayout((4,), "i8")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other"), "events/x", shape=(4,))
            file.create_virtual_dataset("events/x", layout)
    message = {
        "external storage": "data of 'x' in other files",
        "virtual": "data of 'x' in other files",
        "loop": "behind more than 8 links",
    }.get(kind, "behind a link that leaves it")
    refused_cheaply(lambda: ev.read(tmp_path / "f", sensor_size=(8, 6)), message)


def test_hdf5_soft_links_within_a_file_are_followed(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with hdf5(tmp_path / "f") as file:
        file["aside"] = np.array([1, 2, 3, 4])
        del file["events/x"]
        file["events/x"] = h5py.SoftLink("/aside")
    assert ev.read(tmp_path / "f", sensor_size=(8, 6))["x"].tolist() == [1, 2, 3, 4]
    with hdf5(tmp_path / "f") as file:
        file.move("events/x", "link0")
        for k in range(limits.MOST_LINKS):
            file[f"link{k + 1}"] = h5py.SoftLink(f"/link{k}")
        file["events/x"] = h5py.SoftLink(f"/link{limits.MOST_LINKS - 1}")
        file["events/xs"] = h5py.SoftLink(f"/link{limits.MOST_LINKS}")
    assert len(ev.read(tmp_path / "f", sensor_size=(8, 6))) == 4
    with hdf5(tmp_path / "f") as file:
        file.move("events/x", "link0")
        for k in range(limits.MOST_LINKS):
            file[f"link{k + 1}"] = h5py.SoftLink(f"/link{k}")
        file["events/x"] = h5py.SoftLink(f"/link{limits.MOST_LINKS}")
    refused_cheaply(lambda: ev.read(tmp_path / "f", sensor_size=(8, 6)), "behind more than 8 links")


@pytest.mark.usefixtures("_small")
def test_hdf5_bombs(tmp_path: Path) -> None:
    with hdf5(tmp_path / "f") as file:
        for name in "xytp":
            del file[f"events/{name}"]
            file.create_dataset(
                f"events/{name}", data=np.zeros(200_000, np.int64), compression="gzip", chunks=(50_000,)
            )
    refused_cheaply(lambda: ev.read(tmp_path / "f", sensor_size=(8, 6)), "unpacks to more than")
    with hdf5(tmp_path / "f") as file:
        del file["events/x"]
        file.create_dataset("events/x", (4,), "i8", chunks=(1 << 26,), maxshape=(None,))
    refused_cheaply(
        lambda: ev.read(tmp_path / "f", sensor_size=(8, 6)), "in chunks of 536870912 bytes; at most 1024 and"
    )
    with hdf5(tmp_path / "f") as file:
        file["t_offset"] = 0.5
    refused_cheaply(
        lambda: ev.read(tmp_path / "f", sensor_size=(8, 6)), "t_offset as float64 .* no whole number of micro"
    )
