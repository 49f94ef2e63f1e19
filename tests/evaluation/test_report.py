"""The page: it parses, needs no network, and shows what it is given as text."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from longspike._core import extras
from longspike.data import Batch
from longspike.errors import MissingExtraError
from longspike.evaluation import evaluate, render_report, write_report
from longspike.evaluation.curves import read_curves
from longspike.evaluation.figures import plain
from longspike.layers.neuron import NeuronConfig
from longspike.models import SpikeSSM

NAMES = ("<b>bold</b>", "a $ & b $", 'quote " and \N{CJK UNIFIED IDEOGRAPH-6F22}')
VOID = {"meta", "img", "link", "br", "input"}


class Page(HTMLParser):
    """Collects tags, text and attributes, and checks that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder as a resumed training leaves it."""
    for version, rows in (
        ("version_0", "4,0.5,2.0,,\n8,0.5,1.5,,\n8,,,0.4,1.8\n12,0.5,9.9,,\n"),
        ("version_1", "12,0.5,1.0,,\n"),
    ):
        folder = tmp_path / "logs" / "csv" / version
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text("step,train/accuracy,train/loss,val_accuracy,val/loss\n" + rows)
    return tmp_path


@pytest.mark.slow
def test_the_page_stands_alone_and_escapes_names(model: SpikeSSM, batches: list[Batch], run: Path) -> None:
    text = render_report(
        evaluate(model, batches), title="<i>title</i>", class_names=NAMES, source="<u>source</u>", run=run
    )
    page = Page(text)
    assert not page.open
    assert not {"b ", "i", "u", "script", "link", "iframe", "object"} & set(page.tags)
    assert "<b>bold</b>" not in text
    assert "<i>" not in text
    for words in (*NAMES, "<i>title</i>", "<u>source</u>"):
        assert words in page.words
    assert page.sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert "prefers-color-scheme: dark" in text
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert "url(" not in text
    assert "@import" not in text


@pytest.mark.slow
def test_images_are_whole(model: SpikeSSM, batches: list[Batch], run: Path) -> None:
    page = Page(render_report(evaluate(model, batches), run=str(run)))
    images = [base64.b64decode(source.partition(",")[2]) for source in page.sources]
    assert len(images) == 2 + 2 + 3  # loss and accuracy, accuracy over time and rates, a sample a class
    for image in images:
        assert image.rstrip().endswith(b"</svg>")
        assert b"prefers-color-scheme: dark" in image
        assert b"fill: #ffffff" not in image  # no white box


def test_both_figures_and_their_assumptions_are_shown(model: SpikeSSM, batches: list[Batch]) -> None:
    result = evaluate(model, batches)
    words = Page(render_report(result)).words
    assert f"{result.accuracy:.2%}" in words
    for phrase in (
        "mixing only (papers' convention)",
        "full",
        "dense twin",
        "state update",
        "ISSCC 2014",
        "2408.14909",
    ):
        assert phrase in words
    for text in result.energy.assumptions:
        assert text in words


@pytest.mark.slow
def test_the_same_evaluation_gives_the_same_page(model: SpikeSSM, batches: list[Batch]) -> None:
    result = evaluate(model, batches, num_samples_kept=1)
    assert render_report(result) == render_report(result)


def test_dense_bidirectional_networks_have_a_page(model: SpikeSSM, batches: list[Batch]) -> None:
    config = replace(model.config, is_bidirectional=True, neuron=NeuronConfig(kind="gelu"))
    page = Page(render_report(evaluate(SpikeSSM(config), batches)))
    assert "Accuracy over time" not in page.words
    assert "Firing rate per block" not in page.words
    assert "real-valued activations" in page.words


@pytest.mark.slow
def test_many_classes_and_features(batches: list[Batch], model: SpikeSSM) -> None:
    network = SpikeSSM(replace(model.config, num_outputs=30))
    page = Page(render_report(evaluate(network, batches)))
    assert page.tags.count("td") > 900


def test_writing_makes_the_folder(tmp_path: Path, model: SpikeSSM, batches: list[Batch]) -> None:
    path = write_report(evaluate(model, batches, num_samples_kept=0), tmp_path / "a" / "b.html")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_as_many_names_as_classes(model: SpikeSSM, batches: list[Batch]) -> None:
    with pytest.raises(ValueError, match="`class_names` must have 3 entries, one a class; got 2"):
        render_report(evaluate(model, batches), class_names=("a", "b"))


def test_a_missing_package_is_named(model: SpikeSSM, batches: list[Batch], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> None:
        raise ModuleNotFoundError(name=module)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"The report needs the package 'jinja2'.*longspike\[viz\]"):
        render_report(evaluate(model, batches))


def test_curves_of_a_resumed_run(run: Path) -> None:
    curves = read_curves(run)
    assert curves["loss", "train"] == ([4, 8, 12], [2.0, 1.5, 1.0])
    assert curves["accuracy", "val"] == ([8], [0.4])
    assert curves["loss", "val"] == ([8], [1.8])
    assert ("rate", "train") not in curves


def test_curves_of_a_damaged_file(tmp_path: Path) -> None:
    assert read_curves(tmp_path) == {}
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "metrics.csv").write_text("step,train_loss,lr\n1,nan,1\n2,oops,1\nx,1.0,1\n3\n4,0.5,1,7,8\n")
    assert read_curves(tmp_path) == {("loss", "train"): ([4], [0.5])}


def test_names_in_figures() -> None:
    assert plain("a $x$") == r"a \$x\$"
    assert len(plain("n" * 99)) == 24


def test_the_tenth_log_is_newer_than_the_second(tmp_path: Path) -> None:
    for number, loss in ((2, 0.5), (10, 0.25)):
        folder = tmp_path / "logs" / "csv" / f"version_{number}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(f"step,train/loss\n7,{loss}\n")
    assert read_curves(tmp_path) == {("loss", "train"): ([7], [0.25])}
