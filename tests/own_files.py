"""Small files of own data, in every form that is read."""

import wave
from pathlib import Path

import numpy as np

from longspike.events import make_events, write


def write_wide(path: Path, *, rows: int = 20, columns: int = 7) -> Path:
    """A row a sample of two classes, told apart by their sign."""
    random = np.random.default_rng(0)
    lines = [",".join([*(f"x{k}" for k in range(columns)), "label"])]
    for k in range(rows):
        values = random.normal(size=columns) + (2 if k % 2 else -2)
        lines.append(",".join([*(f"{value:.3f}" for value in values), "up" if k % 2 else "down"]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_long(path: Path, *, samples: int = 24) -> Path:
    """A row a step of samples of 3 to 6 steps, two channels, three classes and persons; the last step stands first."""
    lines = ["trial,time_s,acc_x,acc_y,who,gesture"]
    for k in range(samples):
        steps = [f"t{k},{t / 50:.2f},{k % 3 + t / 10:.2f},{t},{'abc'[k % 4 % 3]},g{k % 3}" for t in range(3 + k % 4)]
        lines += steps[-1:] + steps[:-1]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_ts(folder: Path, name: str = "Pair", *, samples: int = 12) -> Path:
    """A pair of .ts files of two channels and unequal lengths; the training file's path."""
    head = "#ours\n@problemName Pair\n@timeStamps false\n@univariate false\n@classLabel true b10 b9\n@data\n"
    folder.mkdir(exist_ok=True)
    for part in ("TRAIN", "TEST"):
        rows = []
        for k in range(samples):
            x = [f"{k % 2 + t / 10:.1f}" for t in range(4 + k % 3)]
            rows.append(f"{','.join(x)}:{','.join(reversed(x))}:{'b10' if k % 2 else 'b9'}")
        (folder / f"{name}_{part}.ts").write_text(head + "\n".join(rows) + "\n")
    return folder / f"{name}_TRAIN.ts"


def write_wav(path: Path, values: np.ndarray, rate_hz: int = 8000) -> Path:
    """A mono file of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.asarray(values) * 32767).astype("<i2").tobytes())
    return path


def write_sounds(folder: Path, *, samples: int = 20) -> Path:
    """A low and a high tone of 30 to 60 ms by four microphones."""
    for k in range(samples):
        t = np.arange(240 + 12 * (k % 20)) / 8000
        name = "high" if k % 2 else "low"
        write_wav(
            folder / name / f"mic{k // 2 % 4}-{k:02d}.wav", 0.3 * np.sin(2 * np.pi * (2000 if k % 2 else 200) * t)
        )
    return folder


def write_steps(path: Path, *, samples: int = 12) -> Path:
    """A row a step of samples of 30 steps with a label a step; the first step of each has none."""
    lines = ["record,time_s,mv,beat"]
    for k in range(samples):
        lines += [
            f"r{k},{t / 100},{t % 7 + k % 2},{'' if t == 0 else 'high' if t % 7 > 3 else 'low'}" for t in range(30)
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_series(path: Path, *, steps: int = 400) -> Path:
    """A row an hour of a series of two values, and a text beside them."""
    lines = ["date,temp,wind,sky"]
    for t in range(steps):
        day = f"2020-{t // 672 + 1:02d}-{t // 24 % 28 + 1:02d} {t % 24:02d}:00"
        lines.append(f"{day},{np.sin(t / 4):.3f},{t % 5},{'grey' if t % 3 else 'clear'}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_recordings(folder: Path, *, samples: int = 20) -> Path:
    """Recordings of 40 events, that move to the left or to the right."""
    for k in range(samples):
        x = np.arange(40) * 16 // 40
        file = folder / ("left" if k % 2 else "right") / f"{k}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        events = make_events(x=15 - x if k % 2 else x, y=np.arange(40) % 8, t=np.arange(40) * 500, p=np.arange(40) % 2)
        write(file, events, sensor_size=(16, 8))
    return folder
