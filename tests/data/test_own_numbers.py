"""Own data with a number a sample, and sounds for networks that were trained on such."""

from pathlib import Path

import numpy as np
import pytest
import torch

from longspike.data import Reading, describe_data, load
from longspike.data.own import read_like
from longspike.errors import ConfigError, DataFileError
from longspike.models import InputSpec
from longspike.streaming import open_steps
from own_files import write_wav

HEAD = "@problemName Ours\n@timeStamps false\n@targetLabel true\n@data\n"


def write_numbers(path: Path, *, samples: int = 20) -> Path:
    """A row a sample of three steps and what they come to."""
    rows = [f"{k},{k + 1},{k % 3},{3 * k + 0.5}" for k in range(samples)]
    path.write_text("a,b,c,target\n" + "\n".join(rows) + "\n")
    return path


def check(own, *, name: str) -> None:
    assert (own.task, own.class_names, own.num_classes) == ("regression", (name,), 1)
    bundle = load(own)
    labels = bundle.train.labels
    assert labels.shape == (own.num_train, 1)
    assert float(labels.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(labels.std(correction=0)) == pytest.approx(1.0, abs=1e-5)
    raw = (bundle.test.labels[:, 0].double() - own.target_shift) / own.target_scale
    torch.testing.assert_close(raw % 3, torch.full_like(raw, 0.5), atol=1e-4, rtol=0)


def test_a_number_in_a_wide_table(tmp_path: Path) -> None:
    own = describe_data(write_numbers(tmp_path / "own.csv"), task="regression")
    check(own, name="target")
    assert (own.num_train, own.num_val, own.num_test, own.longest) == (14, 2, 4, 3)
    assert "held out, seed 2024" in own.division
    samples = read_like(own, tmp_path / "own.csv", d_input=1)
    assert samples.labels is not None
    assert samples.labels[2] == "6.5"


def test_a_number_in_a_long_table_keeps_groups_together(tmp_path: Path) -> None:
    rows = [f"s{k},p{k % 5},{t},{k + t},{3 * k + 0.5}" for k in range(20) for t in range(2 + k % 2)]
    (tmp_path / "own.csv").write_text("id,who,t,x,weight\n" + "\n".join(rows) + "\n")
    own = describe_data(tmp_path / "own.csv", reading=Reading(label="weight", group="who"), task="regression")
    check(own, name="weight")
    assert (own.channel_names, own.num_test) == (("x",), 4)
    with pytest.raises(ConfigError, match="does not tell which column is the label"):
        describe_data(tmp_path / "own.csv", task="regression")


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_a_number_in_arrays(tmp_path: Path, shape: tuple[int, ...]) -> None:
    targets = 3.0 * np.arange(20) + 0.5
    np.savez(tmp_path / "own.npz", x=np.arange(120.0).reshape(20, 3, 2), y=targets.reshape(shape))
    check(describe_data(tmp_path / "own.npz", task="regression"), name="y")


def test_a_number_in_ts_files(tmp_path: Path) -> None:
    for part in ("TRAIN", "TEST"):
        rows = "".join(f"{k},{k},{-k}:{3 * k + 0.5}\n" for k in range(12))
        (tmp_path / f"Ours_{part}.ts").write_text(HEAD + rows)
    own = describe_data(tmp_path, task="regression")
    check(own, name="value")
    assert (own.num_train, own.num_val, own.num_test) == (11, 1, 12)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("own.csv", "a,target\n1,2\n2,heavy\n3,4\n4,5\n5,6\n", "line 3 has 'heavy' as what is to be learnt"),
        ("own.csv", "a,target\n1,2\n2,nan\n3,4\n4,5\n5,6\n", "line 3 has 'nan' as what is to be learnt"),
        ("own.csv", "a,target\n1,2\n2,2\n3,2\n4,2\n5,2\n", "all samples to train on have the number 2"),
        ("own.csv", "a,target\n1,2\n2,3\n", "has 2 sample"),
        ("own.ts", "@classLabel true a b\n@data\n1,2:a\n", "holds classes, not @targetLabel true"),
    ],
)
def test_what_is_no_number(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataFileError, match=message):
        describe_data(tmp_path / name, task="regression")


@pytest.mark.parametrize("size", [1, 4])
def test_a_sound_is_read_as_the_input_spec_says(tmp_path: Path, size: int) -> None:
    sound = np.linspace(-0.5, 0.5, 10)
    path = write_wav(tmp_path / "a.wav", sound, rate_hz=8000)
    spec = InputSpec(scale=20.0, shift=0.0, steps_per_second=8000 / size, samples_per_step=size)
    feed = open_steps(str(path), d_input=size, input_spec=spec)
    steps = torch.stack(list(feed.steps))
    assert (feed.num_steps, feed.steps_per_second) == (-(-10 // size), 8000 / size)
    heard = torch.nn.functional.pad(torch.from_numpy(sound), (0, -10 % size)).view(-1, size)
    torch.testing.assert_close(steps, (20 * heard).float(), atol=40 / 32768, rtol=0)
    samples = read_like(None, path, d_input=size, samples_per_step=size)
    assert torch.equal(spec.normalised(torch.from_numpy(samples.raw(0))), steps)


def test_sounds_of_another_rate_or_for_no_network_of_sounds(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.zeros(10), rate_hz=16_000)
    spec = InputSpec(scale=1.0, shift=0.0, steps_per_second=2000.0, samples_per_step=4)
    with pytest.raises(ConfigError, match=r"sampled at 16000 Hz, and the model was trained at 8000 Hz. Resample"):
        open_steps(str(path), d_input=4, input_spec=spec)
    with pytest.raises(ConfigError, match="takes 4 values a step; that those are of a sound it does not say"):
        open_steps(str(path), d_input=4)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.csv").write_text("x\n1\n2\n")
    with pytest.raises(ConfigError, match=r"--frame has no effect on .csv files"):
        describe_data(tmp_path, reading=Reading(frame=4))
