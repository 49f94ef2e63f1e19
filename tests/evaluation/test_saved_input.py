"""A saved model on data whose normalisation or order of classes is not the one that it was trained with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from longspike.data import BatchLoader, load
from longspike.errors import ConfigError
from longspike.evaluation import evaluate, evaluate_saved
from longspike.models import InputSpec, SpikeSSM


def test_the_models_normalisation_is_used(tmp_path: Path) -> None:
    digits = load("digits")
    model = SpikeSSM.from_preset("digits", d_model=8, num_layers=1, d_state=4)
    few = digits.test.select(torch.arange(20))
    losses = []
    for spec in (InputSpec(), InputSpec(scale=0.5, shift=-1.0, class_names=digits.class_names)):
        model.input_spec = spec
        model.save(tmp_path / "model")
        losses.append(evaluate_saved(tmp_path / "model", data="digits", limit=20).evaluation.loss)
    by_hand = [few, replace(few, scale=0.5, shift=-1.0)]
    loaders = [BatchLoader(split, batch_size=100, shuffle=False, seed=0) for split in by_hand]
    assert losses == [evaluate(model, loader).loss for loader in loaders]
    assert losses[0] != losses[1]


def test_the_same_classes_in_another_order_are_refused(tmp_path: Path) -> None:
    model = SpikeSSM.from_preset("digits", d_model=8, num_layers=1, d_state=4)
    model.input_spec = InputSpec(class_names=("1", "0", *"23456789"))
    model.save(tmp_path / "model")
    with pytest.raises(
        ConfigError, match=r"classes are those of 'digits' in another order: class 0 is '1' to the model"
    ):
        evaluate_saved(tmp_path / "model", data="digits", limit=20)
