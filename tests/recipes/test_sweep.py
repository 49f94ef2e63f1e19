"""Variants of a recipe: which there are, at equal time, stopped and gone on with."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from longspike.data import load
from longspike.errors import ConfigError
from longspike.recipes import Recipe, recipe, run, sweep, variants, with_overrides
from longspike.recipes.sweep import _LastData
from longspike.training import TrainingConfig
from longspike.training.loaders import FirstBatches

TINY = [
    "model.d_model=4",
    "model.num_layers=1",
    "model.d_state=4",
    "training.epochs=1",
    "training.epoch_steps=2",
    "training.batch_size=50",
]


def tiny() -> Recipe:
    return with_overrides(recipe("digits"), TINY)


def test_every_combination_is_a_variant() -> None:
    found = variants(["model.d_model=8,16", "model.neuron.kind=refractory,gelu+training.rate_target=none"])
    assert [variant.name for variant in found] == [
        "d_model=8,kind=refractory",
        "d_model=8,kind=gelu",
        "d_model=16,kind=refractory",
        "d_model=16,kind=gelu",
    ]
    assert found[1].overrides == ["model.d_model=8", "model.neuron.kind=gelu", "training.rate_target=none"]
    assert [variant.name for variant in variants([])] == ["as-it-is"]
    assert variants(["training.lr=1e+3"])[0].overrides == ["training.lr=1e+3"]


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        (["model.d_model"], r"--grid model\.d_model: expected key=value,value"),
        (["=4"], "expected key=value"),
        (["model.d_model=4,"], "expected key=value"),
        (["model.d_model=4", "model.d_model=8"], "is there twice"),
        (["model.task=a", "training.task=a", "model.d_model=1/2,1-2"], "two variants have the same name"),
        (
            [f"model.{k}=" + ",".join(map(str, range(100))) for k in "abc"],
            "1,000,000 combinations are more than 10,000",
        ),
    ],
)
def test_a_grid_that_is_none_is_named(grid: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        variants(grid)


def test_a_variant_that_is_not_valid_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`d_model` must be an integer of at least 1"):
        list(sweep(tiny(), ["model.d_model=4,0"], folder=tmp_path / "runs"))
    with pytest.raises(ConfigError, match=r"--seeds: expected one or more different seeds; got \(1, 1\)"):
        list(sweep(tiny(), [], folder=tmp_path / "runs", seeds=(1, 1)))
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_sweep_is_made_of_runs(tmp_path: Path) -> None:
    """Each is what `run` gives for its values and seed; what has ended is read; another recipe is refused."""
    grid = ["training.lr=0.01,0.1"]
    rows = list(sweep(tiny(), grid, folder=tmp_path / "sweep", seeds=(0, 3)))
    assert [row.variant.changes for row in rows] == [("training.lr=0.01",), ("training.lr=0.1",)]
    alone = run(with_overrides(tiny(), ["training.lr=0.1", "training.seed=3"]), run_dir=tmp_path / "alone")
    assert rows[1].results[1].items() >= alone.test.as_dict("test").items()
    mean, spread = rows[1].mean_and_spread("test/loss") or (0.0, 0.0)
    losses = [result["test/loss"] for result in rows[1].results]
    assert losses[0] != losses[1]
    assert (mean, spread) == pytest.approx((sum(losses) / 2, abs(losses[0] - losses[1]) / 2**0.5))
    assert rows[0].num_parameters == sum(p.numel() for p in alone_parameters(alone.fit.model_path))
    told: list[int] = []
    again = list(
        sweep(tiny(), grid, folder=tmp_path / "sweep", seeds=(0, 3), progress=lambda v, seed, p: told.append(seed))
    )
    assert again == rows
    assert not told
    other = with_overrides(tiny(), ["model.d_model=8"])
    with pytest.raises(ConfigError, match=r"model\.d_model was 4, now 8"):
        list(sweep(other, grid, folder=tmp_path / "sweep", seeds=(0, 3)))


def test_data_are_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all runs and timings on the same data; again for other data; not at all where everything has ended."""
    module, loaded = sys.modules["longspike.recipes.sweep"], []

    def counted(name: str, *, root: object) -> object:
        loaded.append(name)
        return load(name)

    def trained(recipe: Recipe, *, bundle: object, **told: object) -> object:
        assert bundle.name == recipe.data  # type: ignore[attr-defined]
        score = SimpleNamespace(as_dict=lambda part: {f"{part}/loss": 1.0})
        return SimpleNamespace(test=score, fit=SimpleNamespace(val=score, best_epoch=0, num_steps=2))

    monkeypatch.setattr(module, "check", lambda *args, **told: None)  # the runs leave no folders of runs
    monkeypatch.setattr(module, "load", counted)
    monkeypatch.setattr(module, "run", trained)
    monkeypatch.setattr(module, "step_seconds", lambda model, batches, config: 0.1)
    grid = ["model.d_model=4,8"]
    list(sweep(tiny(), grid, folder=tmp_path / "one", seeds=(0, 1), seconds=2.0))
    assert loaded == ["digits"]
    list(sweep(tiny(), grid, folder=tmp_path / "one", seeds=(0, 1), seconds=2.0))
    assert loaded == ["digits"]
    data = _LastData(None)
    bundles = [data.of(SimpleNamespace(data=name)) for name in ("digits", "event-digits", "event-digits", "digits")]  # type: ignore[arg-type]
    assert loaded[1:] == ["digits", "event-digits", "digits"]
    assert [bundle.name for bundle in bundles] == ["digits", "event-digits", "event-digits", "digits"]


def alone_parameters(path: Path) -> list:  # type: ignore[type-arg]
    import longspike

    return [p for p in longspike.load(path).parameters() if p.requires_grad]


@pytest.mark.slow
def test_at_equal_time_steps_follow_from_the_cost_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = {4: 0.05, 8: 0.1}
    module = sys.modules["longspike.recipes.sweep"]
    monkeypatch.setattr(module, "step_seconds", lambda model, batches, config: costs[model.config.d_model])
    base = with_overrides(tiny(), ["training.epochs=2", "training.epoch_steps=none"])
    rows = list(sweep(base, ["model.d_model=4,8"], folder=tmp_path / "sweep", seconds=2.0))
    assert [(row.epochs, row.epoch_steps, row.step_seconds) for row in rows] == [(2, 20, 0.05), (2, 10, 0.1)]
    assert [row.results[0]["steps"] for row in rows] == [40, 20]
    recorded = json.loads((tmp_path / "sweep/d_model=8/seed-0/recipe.json").read_text())["recipe"]
    assert recorded["training"]["epoch_steps"] == 10
    with pytest.raises(ConfigError, match="was trained for 2 s a run, now 3"):
        list(sweep(base, ["model.d_model=4,8"], folder=tmp_path / "sweep", seconds=3.0))


def test_shorter_epochs_are_the_first_batches_of_whole_ones() -> None:
    class Whole:
        settings: ClassVar[dict[str, int]] = {"seed": 1}

        def __len__(self) -> int:
            return 5

        def batches(self, epoch: int, *, first: int = 0) -> list[int]:  # type: ignore[override]
            return [10 * epoch + k for k in range(first, 5)]

    short = FirstBatches(Whole(), 3)  # type: ignore[arg-type]
    assert (len(short), list(short.batches(2)), list(short.batches(4, first=2))) == (3, [20, 21, 22], [42])
    assert short.settings == {"seed": 1, "epoch_steps": 3}
    assert len(FirstBatches(Whole(), 9)) == 5  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="`epoch_steps` must be"):
        TrainingConfig(epoch_steps=0)
