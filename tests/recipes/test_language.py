"""The recipes of language models on small files in the published layouts: a few steps, their sizes, what is kept."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import longspike
from longspike.data import BatchLoader, RowLoader, load
from longspike.errors import ConfigError
from longspike.evaluation import evaluate_saved
from longspike.models import build, checkpoint
from longspike.models.matching import check_data
from longspike.models.shapes import main_shapes
from longspike.recipes import recipe, run, with_overrides
from longspike.recipes.run import training_batches
from longspike.training.carrying import Carried
from longspike.training.optim import build_optimizer
from longspike.training.tally import score_batch
from published_samples import write_corpora, write_language, write_word_corpora

NAMES = ("shakespeare", "novels", "novels-words", "ptb", "wikitext-2", "wikitext-103")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSPIKE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_of_every_recipe(name: str, tmp_path: Path) -> None:
    """With the recipe's own vocabulary and a small network behind it."""
    write_language(tmp_path)
    chosen = recipe(name)
    bundle = load(chosen.data, root=tmp_path)
    check_data(chosen.model, bundle, remedy="Mend the recipe.")
    torch.manual_seed(chosen.training.seed)
    model = build(replace(chosen.model, d_model=64, num_layers=1, d_state=4))
    optimizer, schedule = build_optimizer(model, chosen.training, num_steps=4)
    carried, row = Carried(is_on=chosen.training.carry_state), replace(bundle.train, seqlen=7)
    loader = (
        RowLoader(row, batch_size=3, rolls=True)
        if carried.is_on or chosen.training.roll_rows
        else BatchLoader(row, batch_size=3, shuffle=True, seed=0)
    )
    losses = []
    for batch in itertools.islice(loader, 4):
        part = score_batch(model.task, carried.answer(model, batch), batch)
        optimizer.zero_grad()
        part.loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(part.loss.detach()))
    assert all(0 < loss < 25 for loss in losses)  # of a rare word: of its cluster and within it
    assert losses[0] != losses[-1]


def test_the_published_size() -> None:
    """About 75 million: 37 in the embeddings, 1.4 in the projections, 36 in the blocks, by the count of the tensors."""
    sizes = {name: torch.Size(shape).numel() for name, shape in main_shapes(recipe("wikitext-103").model)}
    words = sum(size for name, size in sizes.items() if name.startswith("encoder.words"))
    projections = sum(size for name, size in sizes.items() if name.startswith("encoder.projections"))
    blocks = sum(size for name, size in sizes.items() if name.startswith("blocks"))
    assert words == 19_997 * 1024 + 20_000 * 256 + 160_000 * 64 + 67_738 * 16
    assert projections == 1024 * (1024 + 256 + 64 + 16)
    assert blocks == pytest.approx(36e6, rel=0.05)
    training = recipe("wikitext-103").training
    steps = training.epochs * 103_227_021 / training.seqlen
    assert steps == pytest.approx(800_000, rel=0.02)
    assert steps * training.warmup_fraction == pytest.approx(1000, rel=0.02)


def test_wikitext_103_rolls_its_row_and_begins_anew_with_every_segment(tmp_path: Path) -> None:
    write_language(tmp_path)
    chosen = with_overrides(recipe("wikitext-103"), ["training.seqlen=5"])
    bundle = load(chosen.data, root=tmp_path)
    loader = training_batches(chosen, bundle.train)
    assert loader.settings | {"num_tokens": 0} == {"num_tokens": 0, "seqlen": 5, "batch_size": 1, "rolls": 1, "seed": 0}
    fixed = training_batches(with_overrides(chosen, ["training.roll_rows=no"]), bundle.train)
    assert isinstance(fixed, BatchLoader)
    with pytest.raises(ConfigError, match="`roll_rows` must be False with `carry_state`, whose rows are rolled"):
        with_overrides(chosen, ["training.carry_state=yes"])
    with pytest.raises(ConfigError, match=r"`training\.roll_rows` and `training\.seqlen` are about a corpus"):
        run(with_overrides(recipe("digits"), ["training.roll_rows=yes"]), run_dir=tmp_path / "digits")


@pytest.mark.slow
def test_a_run_keeps_its_vocabulary_once(tmp_path: Path) -> None:
    write_word_corpora(tmp_path)
    small = ["num_tokens=60", "cutoffs=9,30", "d_model=16", "num_layers=1"]
    chosen = with_overrides(recipe("ptb"), [*(f"model.{each}" for each in small), "training.epochs=1"])
    result = run(chosen, run_dir=tmp_path / "run", data_root=tmp_path)
    model = longspike.load(tmp_path / "run")
    assert model.class_names == model.input_spec.vocabulary.names
    description = checkpoint.read_description(tmp_path / "run/model")
    assert "class_names" not in description["metadata"]
    assert description["input"]["class_names"] is None
    found = evaluate_saved(tmp_path / "run", data_root=tmp_path).evaluation
    assert found.metrics == pytest.approx(result.test.metrics, rel=1e-5)
    assert model.predict("w1 w2\nw3").class_name in model.class_names
    assert len(model.generate("w1\n", num_tokens=5).replace("\n", " <eos> ").split()) <= 5
    write_corpora(tmp_path)
    with pytest.raises(ConfigError, match=r"does not fit the data set 'shakespeare'"):
        evaluate_saved(tmp_path / "run", data="shakespeare", data_root=tmp_path)


@pytest.mark.slow
def test_a_run_says_what_a_token_is(tmp_path: Path) -> None:
    write_corpora(tmp_path)
    small = ["model.d_model=8", "model.num_layers=1", "training.epochs=1"]
    result = run(with_overrides(recipe("shakespeare"), small), run_dir=tmp_path / "run", data_root=tmp_path)
    assert result.unit == "byte"
