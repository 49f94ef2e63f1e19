"""Files of spike trains: units, times in microseconds, labels."""

from pathlib import Path

import numpy as np
import pytest

from longspike.errors import DataFileError
from longspike.events.formats.shd import ShdFile

h5py = pytest.importorskip("h5py")


def write(path: Path, times: list, units: list, labels: list[int], dtype: str = "f2") -> None:
    with h5py.File(path, "w") as file:
        for name, samples, kind in (("times", times, dtype), ("units", units, "u2")):
            data = file.create_dataset(f"spikes/{name}", (len(samples),), h5py.vlen_dtype(np.dtype(kind)))
            for k, sample in enumerate(samples):
                data[k] = np.array(sample, kind)
        file["labels"] = np.array(labels, "u8")
        file["extra/speaker"] = np.zeros(len(labels), "u2")


def test_samples_come_in_microseconds_and_order(tmp_path: Path) -> None:
    write(tmp_path / "f", [[0.25, 0.125, 0.25], []], [[7, 699, 3], []], [19, 4], dtype="f4")
    with ShdFile(tmp_path / "f") as file:
        assert (len(file), file.labels.tolist(), file.labels.dtype) == (2, [19, 4], np.int64)
        t_us, unit = file[0]
        assert (t_us.tolist(), unit.tolist()) == ([125_000, 250_000, 250_000], [699, 7, 3])
        assert (t_us.dtype, unit.dtype) == (np.int64, np.uint16)
        assert [len(sample.unit) for sample in file] == [3, 0]
        with pytest.raises(IndexError, match="sample 2 of 2"):
            file[2]
        with pytest.raises(IndexError, match="sample -1 of 2"):
            file[-1]


def test_half_precision_times_are_rounded_to_microseconds(tmp_path: Path) -> None:
    seconds = np.float16(0.7314)
    write(tmp_path / "f", [[seconds]], [[1]], [0])
    with ShdFile(tmp_path / "f") as file:
        assert file[0].t_us.tolist() == [round(float(seconds) * 1e6)]


@pytest.mark.parametrize(
    ("times", "units", "message"),
    [
        ([[0.1, 0.2]], [[1]], "holds a sample 0 whose units and times are no spikes"),
        ([[np.nan]], [[1]], "holds a sample 0 whose units and times are no spikes"),
        ([[-0.1]], [[1]], "holds a sample 0 whose units and times are no spikes"),
        ([[0.1]], [[700]], "holds unit 700 in sample 0; there are 700. Pass num_units"),
    ],
)
def test_damaged_samples_are_named(times: list, units: list, message: str, tmp_path: Path) -> None:
    write(tmp_path / "the-file", times, units, [0])
    with ShdFile(tmp_path / "the-file") as file, pytest.raises(DataFileError, match=f"the-file {message}"):
        file[0]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"nowhere cannot be read \(No such file"):
        ShdFile(tmp_path / "nowhere")
    (tmp_path / "f").write_bytes(b"no HDF5")
    with pytest.raises(DataFileError, match="is no readable HDF5 file"):
        ShdFile(tmp_path / "f")
    with h5py.File(tmp_path / "f", "w") as file:
        file["labels"] = np.zeros(3)
    with pytest.raises(DataFileError, match="does not hold spikes/units, spikes/times and labels"):
        ShdFile(tmp_path / "f")
    write(tmp_path / "f", [[0.1]], [[1]], [0, 1])
    with pytest.raises(DataFileError, match=r"holds \(1, 1, 2\) units, times and labels, which must be equal"):
        ShdFile(tmp_path / "f")


def test_spikes_in_other_files_are_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["labels"] = np.zeros(2, np.int64)
        file["spikes/units"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/units")
    with pytest.raises(DataFileError, match=r"keeps 'spikes/units' behind a link that leaves it"):
        ShdFile(tmp_path / "f.h5")
