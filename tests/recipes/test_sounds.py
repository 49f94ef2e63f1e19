"""The recipes of sounds on small files in the published layout: they learn, evaluate and read raw input."""

from pathlib import Path

import numpy as np
import pytest
import torch

import longspike
from event_files import write_spoken_digits
from longspike.data import load
from longspike.data.sounds import SCALE, UNIT
from longspike.evaluation import evaluate_saved
from longspike.recipes import recipe, run, with_overrides
from longspike.streaming import open_steps

NAMES = ("spoken-digits-raw", "spoken-digits-raw-speakers", "spoken-digits-frames")
SMALL = ["model.d_model=6", "model.num_layers=1", "model.d_state=2", "training.epochs=2", "training.batch_size=9"]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_on_small_files(name: str, tmp_path: Path) -> None:
    write_spoken_digits(tmp_path, speakers=("jackson", "theo", "yweweler"))
    result = run(with_overrides(recipe(name), SMALL), run_dir=tmp_path / "run", data_root=tmp_path)
    model, bundle = longspike.load(tmp_path / "run"), load(name, root=tmp_path)
    spec = model.input_spec
    assert (spec.scale, spec.shift, spec.steps_per_second) == (SCALE, 0.0, 8000 / bundle.d_input)
    found = evaluate_saved(tmp_path / "run", data_root=tmp_path).evaluation
    assert found.accuracy == pytest.approx(result.test.accuracy)
    split = bundle.test.select(torch.tensor([3]))
    with torch.inference_mode():
        answer = model.classify(split.batch(torch.tensor([0]))).logits.softmax(dim=1)[0]
    raw = np.asarray(split.values[int(split.starts[0]) :][: int(split.lengths[0])]) * UNIT
    predicted = model.predict(raw)
    assert predicted.probabilities == pytest.approx(answer.tolist(), abs=1e-5)
    if bundle.d_input == 1:  # the file of test sample 3: digit 1, jackson, take 0 with speakers mixed, else of yweweler
        file = tmp_path / "fsdd/recordings" / ("1_jackson_0.wav" if name == "spoken-digits-raw" else "1_yweweler_0.wav")
        steps = list(open_steps(str(file), d_input=1, input_spec=spec).steps)
        assert torch.equal(torch.stack(steps), split[0][0])
