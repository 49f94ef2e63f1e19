"""The recipes of the Long Range Arena on small files in the published layouts: they learn, and read raw input."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import longspike
from longspike.data import BatchLoader, load
from longspike.errors import ConfigError
from longspike.evaluation import evaluate_saved
from longspike.models import SpikeSSMPairConfig, build, checkpoint
from longspike.models.matching import check_data
from longspike.recipes import recipe, recipes, run, with_overrides
from longspike.recipes.run import LENGTH_WINDOW
from longspike.training import score
from longspike.training.optim import build_optimizer
from longspike.training.tally import score_batch
from published_samples import (
    CHARACTERS,
    small_novel_pairs,
    write_cifar10,
    write_imdb,
    write_listops,
    write_novels,
    write_pathfinder,
    write_retrieval,
)

WRITERS: dict[str, Callable[[Path], Any]] = {
    "lra-text": write_imdb,
    "lra-image": write_cifar10,
    "listops": write_listops,
    "novel-pairs": write_novels,
    "lra-retrieval": write_retrieval,
    "pathfinder": write_pathfinder,
    "pathfinder-easy": lambda root: write_pathfinder(root, difficulty="easy", num_images=150),
    "path-x": lambda root: write_pathfinder(root, size=128, num_images=130),
}
"""Also of the recipes of the published size, NAME-full."""


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSPIKE_CACHE", str(tmp_path_factory.mktemp("cache")))


def small(config: Any) -> Any:
    """The same ends with one narrow layer between them."""
    if isinstance(config, SpikeSSMPairConfig):
        return replace(config, tower=small(config.tower))
    return replace(config, d_model=8, num_layers=1)


@pytest.mark.parametrize(
    "name", [f"{name}{size}" for name in WRITERS for size in ("", "-full") if f"{name}{size}" in recipes()]
)
def test_a_few_steps_of_every_recipe(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the recipe's own ends and a small network between them."""
    small_novel_pairs(monkeypatch)
    WRITERS[name.removesuffix("-full")](tmp_path)
    chosen = recipe(name)
    bundle = load(chosen.data, root=tmp_path)
    check_data(chosen.model, bundle, remedy="Mend the recipe.")
    torch.manual_seed(chosen.training.seed)
    model = build(small(chosen.model))
    optimizer, schedule = build_optimizer(model, chosen.training, num_steps=30)
    losses = []
    for epoch in range(3):
        loader = BatchLoader[Any, Any](bundle.train, batch_size=9, shuffle=True, seed=0)
        for batch in itertools.islice(loader.batches(epoch), 3):
            part = score_batch(model.task, model.classify(batch), batch)
            optimizer.zero_grad()
            part.loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(float(part.loss.detach()))
    assert all(0 < loss < 5 for loss in losses)
    assert losses[0] != losses[-1]


@pytest.mark.slow
def test_a_run_on_texts_keeps_the_vocabulary(tmp_path: Path) -> None:
    write_imdb(tmp_path)
    small = ["model.d_model=6", "model.num_layers=1", "training.epochs=2", "training.batch_size=4"]
    chosen = with_overrides(recipe("lra-text"), small)
    result = run(chosen, run_dir=tmp_path / "run", data_root=tmp_path)
    bundle = load("lra-text", root=tmp_path)
    model = longspike.load(tmp_path / "run")
    assert model.input_spec.vocabulary == bundle.vocabulary
    assert model.input_spec.scale is None
    assert "normalisation" not in checkpoint.read_description(tmp_path / "run" / "model")["metadata"]
    again = score(model, BatchLoader(bundle.test, batch_size=4, shuffle=False, seed=0, length_window=LENGTH_WINDOW))
    assert again == result.test
    raw = (tmp_path / "aclImdb/test/pos/2_7.txt").read_text()
    right = model(bundle.test[5][0][None])[0][0].double().softmax(-1)
    torch.testing.assert_close(model.predict(raw).probabilities, right)
    assert model.predict(raw).class_name in ("negative", "positive")
    assert [len(answer.probabilities) for answer in model.predict([raw, CHARACTERS])] == [2, 2]


@pytest.mark.slow
def test_a_run_on_pairs_is_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_novel_pairs(monkeypatch)
    write_novels(tmp_path)
    changes = ["model.tower.d_model=6", "model.tower.num_layers=1", "training.epochs=1", "training.batch_size=8"]
    result = run(with_overrides(recipe("novel-pairs"), changes), run_dir=tmp_path / "run", data_root=tmp_path)
    found = evaluate_saved(tmp_path / "run", data_root=tmp_path).evaluation
    assert found.num_samples == result.test.num_samples == 10
    assert found.num_steps == 10 * 2 * 2000
    assert found.loss == pytest.approx(result.test.loss, abs=1e-5)
    assert [sample.trace.x.shape for sample in found.samples] == [(2000, 1)] * 2
    assert found.energy is not None
    model = longspike.load(tmp_path / "run")
    assert model.predict(("aaa", "aaab")).class_name in ("same work", "different works")
    with pytest.raises(
        ConfigError, match=r"pairs of sequences of 257 kinds of tokens \(d_input\); the data has 134 kinds"
    ):
        check_data(model.config, load("lra-text", root=write_imdb(tmp_path) or tmp_path), remedy="Choose another.")
