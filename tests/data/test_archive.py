"""Archives, idx files and pickles that are truncated, lead elsewhere, or cost more than they are."""

import gzip
import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from longspike._core import limits
from longspike.data import read_idx
from longspike.data.files.archive import unpack
from longspike.data.files.cache import fingerprint
from longspike.data.files.pickled_batch import read_pickled_batch
from longspike.errors import DataFileError

FILES = {"a/one": os.urandom(3000), "a/two": b"2" * 700, "three": b""}


def make_tar(files: dict[str, bytes] = FILES) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz", ""])
def test_whole_archives_are_unpacked(mode: str, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{mode}") as tar:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    paths = unpack(written(tmp_path / "t", stream.getvalue()), tmp_path / "out")
    assert {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in paths} == FILES


def test_truncated_archives_are_refused(tmp_path: Path) -> None:
    """Also where a cut falls between two members, and before the compression's own checksum."""
    whole = make_tar()
    packed = gzip.compress(whole)
    after_one = 512 + 3072
    cuts = [whole[:after_one], gzip.compress(whole[:after_one]), packed[:-4], packed[:-9], packed[: len(packed) // 2]]
    for content in [*cuts, whole[:after_one] + b"damaged" + whole[after_one + 7 :]]:
        with pytest.raises(DataFileError, match=r"t cannot be unpacked in .*Download it again"):
            unpack(written(tmp_path / "t", content), tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []


def test_a_link_that_is_there_already_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataFileError, match=r"out/a is a link, and unpacking would write where it leads. Nothing was"):
        unpack(written(tmp_path / "t", make_tar()), tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNPACKED_FREE_BYTES", 1 << 16)
    bomb = gzip.compress(make_tar({"zeros": bytes(1 << 20)}))
    with pytest.raises(DataFileError, match=r"unpacks to more than .* bytes, the bound for a file of .*Nothing was"):
        unpack(written(tmp_path / "t", bomb), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    idx = gzip.compress(bytes([0, 0, 8, 1]) + (1 << 20).to_bytes(4, "big") + bytes(1 << 20))
    with pytest.raises(DataFileError, match=r"is truncated: shape \(1048576,\) needs 1048576 bytes .*it can hold"):
        read_idx(written(tmp_path / "i", idx))


def test_idx_shapes_that_no_array_has(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="i must have at most 32 axes; got 255"):
        read_idx(written(tmp_path / "i", bytes([0, 0, 8, 255]) + bytes(4 * 255)))
    with pytest.raises(DataFileError, match=r"is truncated: shape \(0, 4294967295, .*it can hold"):
        read_idx(written(tmp_path / "i", bytes([0, 0, 8, 5]) + bytes(4) + b"\xff" * 16))


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]r\xff\xff\xff\x0f.",  # a memo of 2^28 places
        b"\x80\x04B\xff\xff\xff\xff.",  # a text of 4 GB
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",  # one of 2^63 bytes
        b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f.",  # a frame of that size
        b"\x80\x02\x8b\xff\xff\xff\x7f.",  # an integer of 2 GB
    ],
)
def test_pickles_of_some_bytes_take_no_memory(content: bytes, tmp_path: Path) -> None:
    tracemalloc.start()
    with pytest.raises(DataFileError, match=r"is not a batch of CIFAR's Python version: it holds .*Download it again"):
        read_pickled_batch(written(tmp_path / "p", content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_pickle_that_repeats_a_text_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from longspike.data.files import pickled_batch

    monkeypatch.setattr(pickled_batch, "LARGEST_PICKLE_BYTES", 5000)
    text = (
        b"c_codecs\nencode\nq\x00X"
        + (1000).to_bytes(4, "little")
        + b"a" * 1000
        + b"q\x010X\x06\x00\x00\x00latin1q\x020("
    )
    body = text + b"h\x00h\x01h\x02\x86R" * 9 + b"l."
    with pytest.raises(DataFileError, match="more than 5000 bytes of text"):
        read_pickled_batch(written(tmp_path / "p", b"\x80\x02" + body))


def test_names_that_the_locale_cannot_read_have_a_fingerprint(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg"))
    path.write_bytes(b"1")
    assert fingerprint([path], version="1") != fingerprint([written(tmp_path / "a.jpg", b"1")], version="1")
