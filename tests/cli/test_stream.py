"""longspike stream: what it reads, and what it says."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

import longspike
from cli.conftest import Run
from events.test_audio import write_wav
from longspike.cli.panel import LivePanel
from longspike.cli.stream_steps import spike_rows
from longspike.data import load, make_batch
from longspike.models import InputSpec, SpikeSSM, SpikeSSMConfig


def streamed(cli: Run, *words: str) -> dict:
    code, out, err = cli("stream", *words, "--json")
    assert code == 0, err
    return json.loads(out)


def lines_of(cli: Run, *words: str) -> list[dict]:
    code, out, err = cli("stream", *words, "--json")
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_a_sample_of_a_data_set(cli: Run, model_path: Path) -> None:
    result = streamed(cli, str(model_path), "digits:7", "--check")
    batch = make_batch(load("digits").test, torch.tensor([7]))
    logits, _, spikes = longspike.load(model_path).outputs(batch.x)
    assert result["steps"] == 64
    assert result["label"] == "eight"
    assert result["equals_whole_sequence"] is True
    assert result["spikes"] == [int(layer.count_nonzero()) for layer in spikes]
    assert result["probabilities"] == pytest.approx(logits.softmax(-1)[0].tolist(), abs=1e-5)


def test_files_and_stdin_agree(cli: Run, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=9).astype(np.float32)
    np.save(tmp_path / "flat.npy", values)
    np.savetxt(tmp_path / "x.csv", values[:, None], delimiter=",", fmt="%.9e")
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{value:.9e}\n" for value in values)))
    sources = (str(tmp_path / "flat.npy"), str(tmp_path / "x.csv"), "-")
    results = [streamed(cli, str(model_path), source) for source in sources[:2]]
    results.append(lines_of(cli, str(model_path), "-")[-1])
    assert results[0]["steps"] == 9
    assert results[0]["probabilities"] == results[1]["probabilities"] == results[2]["probabilities"]


def test_steps_in_raster_order_are_put_in_the_order_of_the_model(
    cli: Run, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = longspike.load(model_path)
    order = tuple(torch.randperm(9, generator=torch.Generator().manual_seed(0)).tolist())
    raw = np.random.default_rng(0).normal(size=9).astype(np.float32)
    np.save(tmp_path / "raw.npy", raw)
    np.save(tmp_path / "moved.npy", raw[list(order)])
    right = streamed(cli, str(model_path), str(tmp_path / "moved.npy"))
    model.input_spec = replace(model.input_spec, permutation=order)
    model.save(model_path)
    assert longspike.load(model_path).input_spec.permutation == order
    assert streamed(cli, str(model_path), str(tmp_path / "raw.npy"))["probabilities"] == right["probabilities"]
    words = (str(tmp_path / "moved.npy"), "--normalised")
    assert streamed(cli, str(model_path), *words)["probabilities"] == right["probabilities"]
    np.save(tmp_path / "short.npy", raw[:8])
    for source, message in (
        (
            tmp_path / "short.npy",
            r"the model reads 9 steps, in an order of its own .*; got 8 steps\. Give whole samples",
        ),
        ("-", r"reads its 9 steps in an order of its own, which stdin cannot give\. Put them into a \.npy file"),
        ("digits:7", r"in an order of its own .* in which those of 'digits' do not come"),
    ):
        code, out, err = cli("stream", str(model_path), str(source))
        assert (code > 0, out) == (True, "")
        assert re.search(message, err), err


def test_sound_says_its_rate(cli: Run, model_path: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.linspace(-0.5, 0.5, 20, dtype=np.float32)[:, None], rate_hz=8000)
    model = longspike.load(model_path)
    for rate, said in (
        (None, "8000 steps a second; at how many"),
        (16000.0, "the model was trained at 16000"),
        (8000.0, ""),
    ):
        model.input_spec = replace(model.input_spec, steps_per_second=rate)
        model.save(model_path)
        code, out, err = cli("stream", str(model_path), str(tmp_path / "a.wav"), "--normalised", "--json")
        assert (code, json.loads(out)["steps"]) == (0, 20)
        assert said in err if said else err == ""
    SpikeSSM(SpikeSSMConfig(d_input=2, d_model=6, num_layers=1, d_state=4)).save(tmp_path / "two")
    code, _, err = cli("stream", str(tmp_path / "two"), str(tmp_path / "a.wav"))
    assert (code, "the model takes 2 values a step; that those are of a sound it does not say" in err) == (2, True)


def test_a_model_without_names_of_classes_says_so(cli: Run, model_path: Path, tmp_path: Path) -> None:
    SpikeSSM(SpikeSSMConfig(d_model=6, num_layers=2, d_state=4)).save(tmp_path / "nameless")
    note = "the model has no names of its classes: they are shown by their numbers"
    assert note in cli("stream", str(tmp_path / "nameless"), "digits:7")[2]
    assert note not in cli("stream", str(model_path), "digits:7")[2]


def test_stdin_gives_a_line_a_step(cli: Run, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values, stream = np.random.default_rng(0).normal(size=5), longspike.Stream(longspike.load(model_path))
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    expected = []
    for value in values:
        stream.push([value])
        share = stream.logits().softmax(-1)
        expected.append((names[int(share.argmax())], float(share.max())))
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{value:.9e}\n" for value in values)))
    *lines, result = lines_of(cli, str(model_path), "-")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["decision"] for line in lines] == [name for name, _ in expected]
    assert [line["probability"] for line in lines] == pytest.approx([share for _, share in expected], abs=1e-5)
    assert (result["steps"], result["decision"], result["skipped"]) == (5, expected[-1][0], 0)
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n2\n"))
    code, out, err = cli("stream", str(model_path), "-", "--normalised")
    assert (code, err) == (0, "")
    assert re.search(r"^ +1  \w+ \(\d+\.\d%\)\n +2  (\w+ \(\d+\.\d%\))\ndecision +\1\nsteps +2, ", out)


def test_every_so_many_steps(cli: Run, model_path: Path, tmp_path: Path) -> None:
    """Each decision is about the steps since the one before; the neurons go on."""
    values, model = torch.randn(11, 1), longspike.load(model_path)
    np.save(tmp_path / "x.npy", values.numpy())
    *lines, result = lines_of(cli, str(model_path), str(tmp_path / "x.npy"), "--every", "4", "--check")
    stream, expected = longspike.Stream(model), []
    for part in values.split(4):
        stream.restart_mean()
        stream.push(part)
        expected.append(float(stream.logits().softmax(-1).max()))
    assert [line["step"] for line in lines] == [4, 8]
    assert [*(line["probability"] for line in lines), result["probability"]] == pytest.approx(expected, abs=1e-5)
    assert result["equals_whole_sequence"] is True
    code, out, _ = cli("stream", str(model_path), str(tmp_path / "x.npy"), "--every", "5")
    assert (code, out.count("%)")) == (0, 4)  # two decisions, the last one so far, and the share of spikes
    assert "last decision" in out


def test_faulty_lines_are_skipped_and_counted(cli: Run, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "1\nx\n2 3\nnan\n1e39\n" + "7" * 5000 + "\n\n2\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    *lines, result = lines_of(cli, str(model_path), "-", "--on-error", "skip")
    assert (len(lines), result["steps"], result["skipped"]) == (2, 2, 5)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    code, out, _ = cli("stream", str(model_path), "-", "--normalised", "--on-error", "skip")
    assert code == 0
    assert re.search(r"^steps +2, 5 lines skipped, \d+ us each", out, flags=re.MULTILINE)


def test_a_comparison_with_the_whole_is_bounded(cli: Run, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longspike.streaming.comparing.LARGEST_SEQUENCE_BYTES", 1000)
    code, out, err = cli("stream", str(model_path), "digits:7", "--check")
    assert (code, out) == (2, "")
    assert "at most 1,000 bytes; with step 20 there are more. Leave --check out" in err


def test_text_for_people(cli: Run, model_path: Path) -> None:
    _, out, err = cli("stream", str(model_path), "digits:7", "--check")
    assert re.search(r"^decision +\w+ \(\d+\.\d%\), (right|wrong: it is eight)$", out, flags=re.MULTILINE)
    assert re.search(r"^steps +64, \d+ us each \(p99 \d+ us\)$", out, flags=re.MULTILINE)
    assert re.search(r"^spikes +\d+ of 768 possible", out, flags=re.MULTILINE)
    assert "equal, bit for bit" in out
    assert err == ""


def test_a_difference_fails(cli: Run, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longspike.streaming.WholeSequence.is_equal", lambda _: False)
    code, out, _ = cli("stream", str(model_path), "digits:7", "--check")
    assert code == 1
    assert "NOT equal" in out


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("digits:360", 2, r"digits:360 does not exist; the test split has samples 0 to 359"),
        ("mnist:1", 2, r"there is no data set 'mnist'\. The data sets are: digits"),
        ("nonsense", 2, r"INPUT must be a \.npy, \.csv or \.wav file, DATASET:INDEX such as digits:7, or - for stdin"),
        ("absent.npy", 1, r"absent\.npy does not exist"),
        ("wide.npy", 1, r"must hold \(steps, 1\) values; it holds an array of shape \(4, 2\)"),
        ("words.csv", 1, r"does not hold numbers"),
        ("objects.npy", 1, r"does not hold numbers"),
    ],
)
def test_bad_input_is_named(
    source: str, code: int, message: str, cli: Run, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("wide.npy", np.zeros((4, 2)))
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    Path("words.csv").write_text("a,b\n")
    found, out, err = cli("stream", str(model_path), source)
    assert (found, out) == (code, "")
    assert re.search(f"^error: .*{message}", err)


def test_bad_lines_on_stdin_are_named(cli: Run, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, message in (
        ("1\nx\n", "stdin, line 2: expected 1 number(s); got 'x'"),
        ("1\n\ninf\n", "stdin, line 3: expected numbers that are finite in float32; got 'inf'"),
        ("1 2\n", "stdin, line 1: expected 1 number(s) a line; got 2"),
        ("", "the input holds no step"),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        code, _, err = cli("stream", str(model_path), "-")
        assert code == 2
        assert message in err


def test_pace_and_model_are_checked(cli: Run, model_path: Path, tmp_path: Path) -> None:
    assert "--pace must be positive" in cli("stream", str(model_path), "digits:0", "--pace", "0")[2]
    assert "--every must be at least 1; got 0" in cli("stream", str(model_path), "digits:0", "--every", "0")[2]
    code, _, err = cli("stream", str(tmp_path / "absent"), "digits:0")
    assert code == 1
    assert "is not a saved model" in err


def test_the_panel_shows_classes_and_spikes() -> None:
    panel = LivePanel("m <- x", ["cat", "dog"], per_second=20)
    rows = spike_rows(0, torch.tensor([1.0, 0.0, 1.0]), width=56)
    picture = panel.render(torch.tensor([0.25, 0.75]), *rows, subtitle="step 4 of 9")
    console = Console(width=60, file=io.StringIO())
    console.print(picture)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "step 4 of 9" in text
    assert re.search(r"dog +█{18}·{6} +75\.0%", text)
    assert "layer 1: 2 of 3 fire" in text
    assert "|·|" in text


def test_raw_values_are_normalised_as_the_model_was_trained(cli: Run, tmp_path: Path) -> None:
    digits, model = load("digits"), str(tmp_path / "model")
    network = SpikeSSM.from_preset("digits", d_model=8, num_layers=1, d_state=4)
    network.input_spec = InputSpec(scale=digits.test.scale, shift=digits.test.shift, class_names=digits.class_names)
    network.save(model)
    np.save(tmp_path / "raw.npy", digits.test.values[7].numpy())
    np.save(tmp_path / "normalised.npy", digits.test[7][0].numpy())
    right = streamed(cli, model, "digits:7")["probabilities"]
    assert streamed(cli, model, str(tmp_path / "raw.npy"))["probabilities"] == right
    assert streamed(cli, model, str(tmp_path / "normalised.npy"), "--normalised")["probabilities"] == right
    assert cli("stream", model, "digits:7", "--normalised")[0] == 2


def test_what_a_model_does_not_know_of_its_input_is_said(cli: Run, tmp_path: Path) -> None:
    SpikeSSM.from_preset("digits", d_model=8, num_layers=1, d_state=4).save(tmp_path / "model")
    np.save(tmp_path / "raw.npy", np.zeros(5))
    _, _, err = cli("stream", str(tmp_path / "model"), str(tmp_path / "raw.npy"), "--json")
    assert "does not say how its data was normalised" in err
