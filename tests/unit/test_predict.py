"""Raw input: normalised as in training, padded, named; what is not known is said."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import longspike
from longspike.data import load, psmnist_permutation
from longspike.errors import CheckpointError, ConfigError
from longspike.events import make_events, read, write
from longspike.events.ragged import collate_events
from longspike.models import (
    Flames,
    FlamesConfig,
    FlamesSequence,
    FlamesSequenceConfig,
    InputSpec,
    MemoryConfig,
    Prediction,
    SpikeSSM,
    SpikeSSMConfig,
)

SPEC = InputSpec(scale=1 / 7, shift=-0.3, class_names=("cat", "dog", "emu"), steps_per_second=100.0)
RAW = [torch.arange(14).reshape(7, 2) % 5, np.arange(6, dtype=np.uint8).reshape(3, 2), torch.rand(9, 2).double()]


def network(**changes) -> SpikeSSM:
    torch.manual_seed(3)
    model = SpikeSSM(
        SpikeSSMConfig(**{"d_input": 2, "d_model": 6, "num_layers": 1, "d_state": 4, "num_outputs": 3, **changes})
    )
    model.input_spec = SPEC
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_raw_is_what_was_normalised_by_hand(dtype: torch.dtype) -> None:
    model = network(dropout=0.5).to(dtype)
    answers = model.predict(RAW)
    assert model.training
    model.eval()
    for raw, answer in zip(RAW, answers, strict=True):
        x = torch.as_tensor(raw).float() * (1 / 7) - 0.3
        right = model(x[None].to(dtype))[0][0].double().softmax(-1)
        torch.testing.assert_close(answer.probabilities, right, atol=1e-6, rtol=0)
        assert answer.class_index == int(right.argmax())
        assert answer.class_name == ("cat", "dog", "emu")[answer.class_index]
        alone = model.predict(raw)
        assert isinstance(alone, Prediction)
        torch.testing.assert_close(alone.probabilities, answer.probabilities, atol=1e-6, rtol=0)
    together = model.predict(torch.stack([RAW[0], RAW[0] + 1]))
    assert [len(each.probabilities) for each in together] == [3, 3]


def test_steps_are_put_in_the_order_of_the_training_data() -> None:
    model, order = network(), (2, 0, 1)
    right = model.predict(torch.as_tensor(RAW[1])[list(order)]).probabilities
    model.input_spec = replace(SPEC, permutation=order)
    assert torch.equal(model.predict(RAW[1]).probabilities, right)
    with pytest.raises(ValueError, match=r"the model reads 3 steps, in an order of its own .*; got 7 steps"):
        model.predict(RAW[0])
    for wrong in ((0, 2), (), [1, 0], (0, 0, 1)):
        with pytest.raises(ConfigError, match="`permutation` must be a tuple of the numbers from 0 in any order; got"):
            InputSpec(permutation=wrong)


def test_the_published_model_of_psmnist_knows_its_order() -> None:
    path = Path(__file__).parents[2] / "results" / "psmnist" / "model"
    assert longspike.load(path).input_spec.permutation == tuple(psmnist_permutation().tolist())


def test_another_pace_than_in_training_is_said() -> None:
    model = network()
    model.predict(RAW[0], steps_per_second=100.0)
    with pytest.warns(UserWarning, match="predict: the input has 50 steps a second, and the model was trained at 100"):
        model.predict(RAW[0], steps_per_second=50)
    model.input_spec = replace(SPEC, steps_per_second=None)
    with pytest.warns(UserWarning, match="predict: the input has 50 steps a second; at how many the model was trained"):
        model.predict(RAW[0], steps_per_second=50)


def test_a_digit_raw_is_the_digit_normalised() -> None:
    bundle = load("digits")
    model = SpikeSSM.from_preset("digits").eval()
    model.input_spec = InputSpec(scale=bundle.test.scale, shift=bundle.test.shift, class_names=bundle.class_names)
    raw = bundle.test.values[:5]
    normalised = torch.stack([bundle.test[k][0] for k in range(5)])
    assert not torch.equal(raw.float(), normalised)
    right = model(normalised)[0].double().softmax(-1)
    assert torch.equal(torch.stack([each.probabilities for each in model.predict(raw)]), right)
    assert model.predict(raw[0, :, 0]).probabilities.argmax() == right[0].argmax()


def test_events_and_recordings(tmp_path: Path) -> None:
    model = Flames(FlamesConfig(sensor_size=(12, 9), num_outputs=3, memory=MemoryConfig(d_model=6, d_state=4, rank=2)))
    events = make_events(x=[3, 3, 11], y=[4, 5, 8], t=[10, 900, 2500], p=[1, 0, 1])
    write(tmp_path / "a.npz", events, sensor_size=(12, 9))
    write(tmp_path / "b.npz", events, sensor_size=(34, 34))
    right = model.eval()(collate_events([events]))[0][0].double().softmax(-1)
    answers = model.predict([events, read(tmp_path / "a.npz")])
    assert all(torch.equal(each.probabilities, right) for each in answers)
    assert model.predict(events).class_name == str(int(right.argmax()))
    with pytest.raises(
        ValueError, match=r"predict: the model reads sensor_size=\(12, 9\); got a recording of \(34, 34\)"
    ):
        model.predict(read(tmp_path / "b.npz"))
    with pytest.raises((TypeError, ValueError), match="must have x, y, t and p; got Tensor"):
        model.predict(torch.zeros(3, 4))


def test_tokens_and_dense_flames() -> None:
    model = network(encoder="embedding", d_input=5)
    assert len(model.predict(torch.tensor([[1, 4], [0, 0]]))) == 2
    assert isinstance(model.predict(np.array([1, 4, 0])), Prediction)
    for wrong in ([5, 0], [-1, 2], [0.5]):
        with pytest.raises(
            ValueError, match=r"predict: a sample must hold tokens \(steps\), whole numbers from 0 to 4"
        ):
            model.predict(np.array(wrong))
    dense = FlamesSequence(FlamesSequenceConfig(d_input=2, memory=MemoryConfig(d_model=6, d_state=4, rank=2)))
    dense.input_spec = SPEC
    assert len(dense.predict(RAW)) == 3


@pytest.mark.parametrize(
    "raw", [torch.zeros(4, 3), torch.zeros(4), np.zeros((0, 2)), torch.zeros(4, 2, dtype=torch.complex64)]
)
def test_what_is_no_sample_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match=r"predict: a sample must hold real numbers of shape \(steps, 2\).*as a list"):
        network().predict(raw)


def test_not_finite_and_empty() -> None:
    with pytest.raises(ValueError, match="predict: a sample must hold finite numbers; got NaN"):
        network().predict(torch.full((3, 2), torch.nan))
    for model in (network(), Flames(FlamesConfig(memory=MemoryConfig(d_state=4, rank=2)))):
        with pytest.raises(ValueError, match="`raw` must hold at least one sample"):
            model.predict([])


def test_an_unknown_normalisation_is_said_and_numbers_stand_for_names() -> None:
    model = network()
    model.input_spec = InputSpec()
    with pytest.warns(UserWarning, match="does not say how its training data was normalised.*input_spec"):
        answer = model.predict(RAW[0])
    assert answer.class_name == str(answer.class_index)
    model.input_spec = InputSpec(scale=1.0, shift=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.testing.assert_close(model.predict(RAW[0]).probabilities, answer.probabilities)


def test_it_travels_with_the_model(tmp_path: Path) -> None:
    network().save(tmp_path / "model")
    loaded = longspike.load(tmp_path / "model")
    assert loaded.input_spec == SPEC
    assert loaded.class_names == SPEC.class_names


def test_metadata_tells_what_the_model_was_not_told(tmp_path: Path) -> None:
    model = network()
    model.input_spec = InputSpec(scale=0.5, shift=1.0)
    model.save(
        tmp_path / "model", metadata={"class_names": ["a", "b", "c"], "normalisation": {"scale": 9.0, "shift": 9.0}}
    )
    assert longspike.load(tmp_path / "model").input_spec == InputSpec(scale=0.5, shift=1.0, class_names=("a", "b", "c"))


def test_a_model_saved_before_tells_what_its_metadata_holds(tmp_path: Path) -> None:
    metadata = {"normalisation": {"scale": 0.25, "shift": -1.0}, "class_names": ["a", "b", "c"]}
    network().save(tmp_path / "model", metadata=metadata)
    file = tmp_path / "model" / "config.json"
    description = json.loads(file.read_text())
    del description["input"]
    file.write_text(json.dumps(description))
    assert longspike.load(tmp_path / "model").input_spec == InputSpec(
        scale=0.25, shift=-1.0, class_names=("a", "b", "c")
    )
    description["metadata"] = {}
    file.write_text(json.dumps(description))
    assert longspike.load(tmp_path / "model").input_spec == InputSpec()
    description["input"] = {"scale": "much", "shift": 0.0}
    file.write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match=r"not valid: input.scale: expected a number or none"):
        longspike.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": 1.0}, "`scale` and `shift` must be given together"),
        ({"scale": 0.0, "shift": 1.0}, "`scale` must be a finite number other than 0; got 0.0"),
        ({"scale": 1.0, "shift": float("nan")}, "`shift` must be a finite number; got nan"),
        ({"class_names": ["a"]}, "`class_names` must be a tuple of texts; got list"),
        ({"steps_per_second": 0}, "`steps_per_second` must be positive"),
    ],
)
def test_mistakes_of_a_spec(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        InputSpec(**values)


def test_a_normalisation_of_its_own_for_every_channel_is_saved_and_applied(tmp_path: Path) -> None:
    spec = InputSpec(scale=(0.5, 2.0), shift=(1.0, -1.0))
    assert spec.normalised(torch.tensor([[4, 1]])).tolist() == [[3.0, 1.0]]
    model = SpikeSSM(SpikeSSMConfig(d_input=2, d_model=4, num_layers=1, d_state=2))
    model.input_spec = spec
    model.save(tmp_path / "model")
    assert longspike.load(tmp_path / "model").input_spec == spec
    with pytest.raises(ConfigError, match=r"`scale` must be finite numbers other than 0; got \(1.0, 0.0\)"):
        InputSpec(scale=(1.0, 0.0), shift=0.0)
