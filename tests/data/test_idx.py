"""The idx format: round trips, and what is refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from longspike.data import read_idx, write_idx
from longspike.errors import DataFileError

dtypes = st.sampled_from(["u1", "i1", "<i2", ">i2", "<i4", ">i4", "<f4", "<f8", ">f8"])
shapes = st.one_of(st.just(()), array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=dtypes.flatmap(lambda dtype: arrays(dtype, shapes)), suffix=st.sampled_from(["", ".gz"]))
def test_round_trip(tmp_path: Path, array: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"array{suffix}"
    copy = array.copy()
    write_idx(path, array)
    read = read_idx(path)
    np.testing.assert_array_equal(read, array)
    np.testing.assert_array_equal(array, copy)
    assert read.dtype == array.dtype.newbyteorder("=")
    assert read.flags.writeable


def test_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    write_idx(tmp_path / "array", np.array([[1, -2]], dtype=np.int16))
    expected = bytes([0, 0, 0x0B, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0xFF, 0xFE])
    assert (tmp_path / "array").read_bytes() == expected


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    write_idx(tmp_path / "array.gz", np.arange(5, dtype=np.uint8))
    (tmp_path / "array.gz").rename(tmp_path / "array")
    assert read_idx(tmp_path / "array").tolist() == [0, 1, 2, 3, 4]


VALID = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])


@pytest.mark.parametrize("is_zipped", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file.*got an empty file"),
        (b"PK\x03\x04rest", "not an idx file: it must start with 00 00.*got 50 4b 03 04"),
        (bytes([0, 0, 7, 1]) + VALID[4:], "not an idx file.*got 00 00 07 01"),
        (VALID[:6], "truncated: it ends within the sizes of its 1 axes"),
        (VALID[:-1], r"truncated: shape \(3,\) needs 3 bytes after the header; got 2"),
        (bytes([0, 0, 14, 2]) + b"\xff" * 8, r"truncated: shape \(4294967295, 4294967295\) needs"),
        (VALID + b"x", r"trailing bytes: shape \(3,\) needs exactly 3 bytes"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, content: bytes, message: str, is_zipped: bool) -> None:
    path = tmp_path / "damaged-file"
    path.write_bytes(gzip.compress(content) if is_zipped else content)
    with pytest.raises(DataFileError, match=rf"damaged-file .*{message}"):
        read_idx(path)


@pytest.mark.parametrize("damage", [lambda z: z[:-6], lambda z: z[:12] + b"\xff\xff" + z[14:], lambda z: z[:3]])
def test_broken_gzip_files_are_named(tmp_path: Path, damage) -> None:
    path = tmp_path / "broken.gz"
    path.write_bytes(damage(gzip.compress(VALID * 9)))
    with pytest.raises(DataFileError, match=r"broken.gz "):
        read_idx(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"nowhere cannot be read .*No such file"):
        read_idx(tmp_path / "nowhere")


def test_write_refuses_other_dtypes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`array` must have one of the dtypes uint8.*got int64. Convert it"):
        write_idx(tmp_path / "array", np.zeros(3, dtype=np.int64))
