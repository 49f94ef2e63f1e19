"""A recipe carried out, and the rules for its folder."""

import hashlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import longspike
from longspike.data import load as load_data
from longspike.errors import CheckpointError, ConfigError
from longspike.events.augmentation import Augmentation
from longspike.models import build, checkpoint, start_from
from longspike.recipes import Recipe, recipe, run, with_overrides
from longspike.recipes.run_folder import check, clear, write_record
from longspike.training import RunFolderError
from longspike.training.exclusive import RunLock

TINY = ["model.d_model=4", "model.num_layers=1", "model.d_state=4", "training.epochs=1", "training.batch_size=300"]


def tiny() -> Recipe:
    return with_overrides(recipe("digits"), TINY)


def recorded(run_dir: Path) -> Path:
    write_record(run_dir, {"recipe": tiny().as_dict()})
    return run_dir


@pytest.mark.slow
def test_run_saves_the_recipe_and_the_versions(tmp_path: Path) -> None:
    result = run(tiny(), run_dir=tmp_path / "run")
    record = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert record["recipe"] == json.loads(json.dumps(tiny().as_dict()))
    assert record["versions"]["longspike"] == longspike.__version__
    assert record["data"] == "digits"
    metadata = checkpoint.read_description(result.fit.model_path)["metadata"]
    assert {key: metadata[key] for key in record} == record
    assert result.test.num_samples == 360
    with pytest.raises(RunFolderError):
        run(tiny(), run_dir=tmp_path / "run")
    again = run(tiny(), run_dir=tmp_path / "run", resume=True)
    assert again.test == result.test
    assert run(tiny(), run_dir=tmp_path / "run", overwrite=True).test == result.test


def test_what_a_recipe_says_reaches_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loaders, and the weights that the seed gives."""

    class Seen(Exception):
        pass

    def look(model: Any, train: Any, val: Any, config: Any, run_dir: Path, **_: Any) -> None:
        raise Seen(model, train, val, config)

    monkeypatch.setattr(sys.modules["longspike.recipes.run"], "fit_in_locked_folder", look)
    data, weights = load_data("digits"), []
    chosen = replace(with_overrides(tiny(), ["training.batch_size=7"]), augmentation=Augmentation(max_shift_px=1))
    for seed in (5, 5, 6):
        each = with_overrides(chosen, [f"training.seed={seed}"])
        with pytest.raises(Seen) as caught:
            run(each, run_dir=tmp_path / "run", overwrite=True)
        model, train, val, config = caught.value.args
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
        assert (config, train.augment) == (each.training, each.augmentation)
        assert torch.equal(train.split.labels, data.train.labels)
        expected = {"num_samples": len(data.train), "batch_size": 7, "shuffle": 1, "seed": seed, "drop_last": 0}
        assert train.settings == {**expected, "length_window": 0}
        assert (val.settings["shuffle"], val.augment) == (0, None)
        assert torch.equal(val.split.labels, data.val.labels)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.slow
def test_a_run_begins_with_the_weights_of_a_model(tmp_path: Path) -> None:
    """The weights, their record, and a run that goes on without them."""
    first = run(tiny(), run_dir=tmp_path / "first")
    still = replace(
        with_overrides(tiny(), ["training.lr=1e-30", "training.weight_decay=0"]), from_model=str(tmp_path / "first")
    )
    second = run(still, run_dir=tmp_path / "second")
    assert second.test == first.test
    record = json.loads((tmp_path / "second" / "recipe.json").read_text())
    weights = (first.fit.model_path / checkpoint.WEIGHTS).read_bytes()
    assert record["from_model_sha256"] == hashlib.sha256(weights).hexdigest()
    (tmp_path / "first").rename(tmp_path / "elsewhere")
    assert run(still, run_dir=tmp_path / "second", resume=True).test == first.test
    assert json.loads((tmp_path / "second" / "recipe.json").read_text()) == record
    with pytest.raises(ConfigError, match=r"from_model was .*first', now None"):
        check(tmp_path / "second", replace(still, from_model=None), resume=True, overwrite=False)


def test_another_network_is_no_beginning(tmp_path: Path) -> None:
    """But for the read-out, whose size follows from the classes; nothing is written."""
    model = build(tiny().model)
    model.save(tmp_path / "model")
    wider = replace(with_overrides(tiny(), ["model.d_model=8"]), from_model=str(tmp_path / "model"))
    with pytest.raises(
        ConfigError, match=r"from_model: .*model is another network: .* is \(.*8.*\) here and \(.*4.*\) there"
    ):
        run(wider, run_dir=tmp_path / "run")
    with pytest.raises(CheckpointError, match="is not a saved model"):
        run(replace(tiny(), from_model=str(tmp_path / "none")), run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    other = build(replace(tiny().model, num_outputs=3))
    fresh = other.decoder.weight.clone()
    assert start_from(other, tmp_path / "model") == ("decoder.bias", "decoder.weight")
    assert torch.equal(other.decoder.weight, fresh)
    assert torch.equal(other.blocks[0].mix.weight, model.blocks[0].mix.weight)


def test_sizes_must_fit_the_data(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"the recipe 'digits' does not fit .* 2 features a step \(d_input\); the data has 1 "
    ):
        run(with_overrides(tiny(), ["model.d_input=2"]), run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_is_kept_unless_told(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"--resume.*--run-dir.*--overwrite"):
        check(recorded(tmp_path / "run"), tiny(), resume=False, overwrite=False)


def test_a_foreign_folder_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match="is not a training run"):
        check(tmp_path, tiny(), resume=False, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


def test_overwriting_deletes_only_what_a_run_writes(tmp_path: Path) -> None:
    run_dir = recorded(tmp_path / "run")
    (run_dir / "last.ckpt").write_text("old")
    (run_dir / "logs").mkdir()
    (run_dir / "notes.txt").write_text("mine")
    for name in (".lock", ".last.ckpt.0123456789abcdef.partial", ".recipe.json"):
        (run_dir / name).write_text("left by a run that was killed")
    check(run_dir, tiny(), resume=False, overwrite=True)
    clear(run_dir)
    (run_dir / ".lock").unlink()
    assert [path.name for path in run_dir.iterdir()] == ["notes.txt"]


def test_resuming_wants_the_same_recipe(tmp_path: Path) -> None:
    run_dir = recorded(tmp_path / "run")
    check(run_dir, tiny(), resume=True, overwrite=False)
    with pytest.raises(ConfigError, match=r"model\.d_model was 4, now 8; training\.lr was 0\.01, now 0"):
        check(run_dir, with_overrides(tiny(), ["model.d_model=8", "training.lr=0.02"]), resume=True, overwrite=False)


@pytest.mark.parametrize(
    "text", ["{", "null", "[]", "{}", '{"recipe": null}', '{"recipe": [1]}', "[" * 100_000, "\xff"]
)
def test_a_damaged_record_is_named(text: str, tmp_path: Path) -> None:
    run_dir = recorded(tmp_path / "run")
    (run_dir / "recipe.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(
        ConfigError, match=r"recipe\.json is damaged, so the run cannot be continued\. Train again with"
    ):
        check(run_dir, tiny(), resume=True, overwrite=False)
    check(run_dir, tiny(), resume=False, overwrite=True)


def test_what_a_killed_run_left_is_no_run(tmp_path: Path) -> None:
    for name in (".recipe.json", ".lock", ".recipe.json.0123456789abcdef.partial"):
        (tmp_path / name).touch()
    check(tmp_path, tiny(), resume=False, overwrite=False)
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match=r"is a file\. Choose a folder with --run-dir"):
        check(tmp_path / "file", tiny(), resume=False, overwrite=False)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with (
        RunLock(recorded(tmp_path / "run")),
        pytest.raises(RunFolderError, match=rf"is being trained in by process {os.getpid()} on .* since 2.*--run-dir"),
    ):
        run(tiny(), run_dir=tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "recipe.json").exists()
    assert not (tmp_path / "run" / ".lock").exists()


def test_a_recipe_with_several_values_in_a_field_is_resumed(tmp_path: Path) -> None:
    write_record(tmp_path, {"recipe": recipe("event-digits").as_dict()})  # sensor_size
    check(tmp_path, recipe("event-digits"), resume=True, overwrite=False)


def test_a_run_of_an_earlier_version_is_resumed(tmp_path: Path) -> None:
    """A field that came later has the value that does what was done before."""
    earlier = tiny().as_dict()
    del earlier["model"]["has_final_norm"], earlier["training"]["rate_scope"]
    write_record(tmp_path, {"recipe": earlier})
    check(tmp_path, tiny(), resume=True, overwrite=False)
    with pytest.raises(ConfigError, match=r"model.has_final_norm was False, now True"):
        check(tmp_path, with_overrides(tiny(), ["model.has_final_norm=true"]), resume=True, overwrite=False)
    write_record(tmp_path, {"recipe": earlier | {"colour": "red"}})
    with pytest.raises(ConfigError, match=r"model.has_final_norm was None, now False"):
        check(tmp_path, tiny(), resume=True, overwrite=False)


def test_resume_and_overwrite_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        check(tmp_path / "run", tiny(), resume=True, overwrite=True)
