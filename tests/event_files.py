"""Event data sets in their published layouts, with a few events each, written by the published formats."""

import struct
import wave
from pathlib import Path

import h5py
import numpy as np

from event_samples import random_events
from longspike.data.sets import cifar10, dvs_gesture, ncaltech101
from longspike.events import write


def write_nmnist(root: Path, *, num_train: int = 3, num_test: int = 1) -> None:
    """N-MNIST with so many recordings of each digit, sample k of a digit of 20 + k events."""
    for part, count in (("Train", num_train), ("Test", num_test)):
        for label in range(10):
            folder = root / "NMNIST" / part / str(label)
            folder.mkdir(parents=True)
            for k in range(count):
                events = random_events(20 + k, (34, 34), duration_us=300_000, seed=10 * label + k)
                write(folder / f"{k:05d}.bin", events, sensor_size=(34, 34))


def write_ncaltech101(root: Path) -> None:
    """N-Caltech101 with two recordings of each class, which reach the sensor's last row and column."""
    for number, name in enumerate(ncaltech101.CLASS_NAMES):
        folder = root / "Caltech101" / name
        folder.mkdir(parents=True)
        for k in (1, 2):
            events = random_events(30, (240, 180), duration_us=300_000, seed=number + k)
            events["x"][0], events["y"][0] = 239, 179
            write(folder / f"image_{k:04d}.bin", events, sensor_size=(240, 180))


def write_aedat2(path: Path, events: np.ndarray) -> None:
    """AEDAT 2.0 of a DVS128: the address counts from the lower right corner, bit 0 set is off."""
    x, y = 127 - events["x"].astype(np.uint32), 127 - events["y"].astype(np.uint32)
    address = y << 8 | x << 1 | (1 - events["p"])
    words = np.stack([address, events["t"] + 77_000], axis=1).astype(">u4")
    path.write_bytes(b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n" + words.tobytes())


def write_cifar10_dvs(root: Path, *, count: int = 2) -> None:
    """CIFAR10-DVS with so many recordings of each class."""
    for number, name in enumerate(cifar10.CLASS_NAMES):
        folder = root / "CIFAR10DVS" / name
        folder.mkdir(parents=True)
        for k in range(count):
            write_aedat2(folder / f"cifar10_{name}_{k}.aedat", random_events(25, (128, 128), seed=10 * number + k))


def write_aedat3(path: Path, events: np.ndarray, *, start_us: int, packet_events: int = 40) -> None:
    """AEDAT 3.1 of a DVS128: packets of polarity events, one in between of another type."""
    content = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2017\r\n#!END-HEADER\r\n"
    for first in range(0, len(events), packet_events):
        part = events[first : first + packet_events]
        data = (
            part["x"].astype(np.uint32) << 17 | part["y"].astype(np.uint32) << 2 | part["p"].astype(np.uint32) << 1 | 1
        )
        words = np.stack([data, part["t"] + start_us], axis=1).astype("<u4")
        content += struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, len(part), len(part), len(part)) + words.tobytes()
        content += struct.pack("<hhiiiiii", 0, 1, 8, 4, 0, 1, 1, 1) + b"\x03\0\0\0\0\0\0\0"
    path.write_bytes(content)


def write_recording(folder: Path, name: str, *, start_us: int, seed: int) -> np.ndarray:
    """One recording of DVS128 Gesture: eleven gestures of 100 ms, 50 ms apart, and its labels."""
    events = random_events(400, (128, 128), duration_us=1_650_000, seed=seed)
    events["t"] -= events["t"][0]
    write_aedat3(folder / f"{name}.aedat", events, start_us=start_us)
    lines = [dvs_gesture.LABEL_HEADER]
    lines += [f"{k + 1},{start_us + 150_000 * k},{start_us + 150_000 * k + 100_000}" for k in range(11)]
    (folder / f"{name}_labels.csv").write_text("\n".join(lines) + "\n")
    return events


def write_dvs_gesture(root: Path) -> list[np.ndarray]:
    """DVS128 Gesture with two recordings to train and one to test; returns their events, t from the first one."""
    folder = root / "DvsGesture"
    folder.mkdir(parents=True)
    names = ["user01_lab", "user02_led", "user24_lab"]
    (folder / "trials_to_train.txt").write_text("user01_lab.aedat\nuser02_led.aedat\n")
    (folder / "trials_to_test.txt").write_text("user24_lab.aedat\n\n")
    return [write_recording(folder, name, start_us=5_000_000 + k, seed=k) for k, name in enumerate(names)]


def write_spike_file(path: Path, labels: list[int], keys: list[str], *, seed: int = 0) -> list[np.ndarray]:
    """A file of SHD or SSC, times in float16 seconds out of order; returns the units of each sample in that order."""
    random = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = random.integers(0, 9, len(labels))
    units = [random.integers(0, 700, length).astype(np.uint16) for length in lengths]
    with h5py.File(path, "w") as file:
        for name, kind in (("spikes/units", np.uint16), ("spikes/times", np.float16)):
            rows = file.create_dataset(name, (len(labels),), dtype=h5py.vlen_dtype(kind))
            for k, length in enumerate(lengths):
                rows[k] = units[k] if kind is np.uint16 else np.linspace(0.5, 0.0, length, dtype=np.float16)
        file["labels"] = np.array(labels, np.uint16)
        file["extra/keys"] = np.array(keys, dtype="S")
    return units


def write_shd(root: Path) -> None:
    """SHD with 40 training and 20 test samples."""
    keys = [f"word{k}" for k in range(20)]
    write_spike_file(root / "SHD/shd_train.h5", [k % 20 for k in range(40)], keys)
    write_spike_file(root / "SHD/shd_test.h5", list(range(20)), keys, seed=1)


def write_ssc(root: Path) -> None:
    """SSC with 35 samples in each part."""
    for seed, part in enumerate(("train", "valid", "test")):
        write_spike_file(root / f"SSC/ssc_{part}.h5", list(range(35)), [f"word{k}" for k in range(35)], seed=seed)


def write_har_dvs(root: Path, *, num_classes: int = 300) -> None:
    """HARDVS with one recording of each class in each list; all of them the same events."""
    folder = root / "HARDVS"
    folder.mkdir(parents=True)
    write(folder / "one.npz", random_events(9, (346, 260)), sensor_size=(346, 260))
    content = (folder / "one.npz").read_bytes()
    (folder / "one.npz").unlink()
    for part in ("train", "val", "test"):
        names = [f"action_{k + 1:03d}/dvSave-{part}" for k in range(num_classes)]
        (folder / f"{part}_label.txt").write_text("".join(f"{name} {k}\n" for k, name in enumerate(names)))
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / f"{name}.npz").write_bytes(content)


def write_celex_har(root: Path, *, num_classes: int = 150) -> None:
    """CeleX-HAR with two training recordings and one test recording of each class, as CSV."""
    for part, count in (("train", 2), ("test", 1)):
        for number in range(num_classes):
            folder = root / "CeleX-HAR" / part / f"action_{number:03d}"
            folder.mkdir(parents=True)
            for k in range(count):
                (folder / f"{k}.csv").write_text("x,y,t,p\n1279,799,0,1\n3,4,250,0\n")


def write_sound(path: Path, samples: np.ndarray, *, rate_hz: int = 8000) -> None:
    """A WAV file of 16-bit samples; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(np.asarray(samples).astype("<i2").tobytes())


def write_spoken_digits(root: Path, *, speakers: tuple[str, ...] = ("jackson",), longest: int = 800) -> None:
    """The Free Spoken Digit Dataset with two training takes and one test take of each digit, a tone of 100 ms each.

    The last of the first speaker has `longest` samples.
    """
    for digit in range(10):
        for speaker in speakers:
            for take in (0, 5, 6):
                is_longest = (digit, speaker, take) == (9, speakers[0], 6)
                n = np.arange(longest if is_longest else 800)
                samples = 8000 * np.sin(n * (0.1 + 0.05 * digit + 0.01 * take))
                write_sound(root / "fsdd/recordings" / f"{digit}_{speaker}_{take}.wav", samples)
