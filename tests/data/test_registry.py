"""The table of data sets: every entry, its status, its missing files; and the embedded digits."""

import importlib
import importlib.util
from pathlib import Path

import pytest
import torch

import event_files
from longspike.data import (
    DATASETS,
    EventBundle,
    available,
    data_root,
    load,
    load_events,
    load_sequences,
    status,
)
from longspike.data.ragged import AbstractRaggedSplit
from longspike.data.registry import MODULES
from longspike.data.sets.mnist import FILES
from longspike.errors import ConfigError, DataFileError

EVENT_WRITERS = {
    "event-digits": lambda root: None,
    "nmnist": event_files.write_nmnist,
    "dvs-gesture": event_files.write_dvs_gesture,
    "shd": event_files.write_shd,
    "ssc": event_files.write_ssc,
    "ncaltech101": event_files.write_ncaltech101,
    "cifar10-dvs": event_files.write_cifar10_dvs,
    "har-dvs": event_files.write_har_dvs,
    "celex-har": event_files.write_celex_har,
    "spoken-digits": event_files.write_spoken_digits,
}
ROOT_FIXTURES = {
    "digits": "tmp_path",
    "smnist": "mnist_root",
    "psmnist": "mnist_root",
    "scifar": "images_root",
    "cifar10-patches": "images_root",
    "cifar10-columns": "images_root",
    "lra-image": "images_root",
    "lra-text": "imdb_root",
    "lra-text-bytes": "imdb_root",
    "spoken-digits-raw": "sounds_root",
    "spoken-digits-raw-speakers": "sounds_root",
    "spoken-digits-frames": "sounds_root",
    "speech-commands": "words_root",
    "signal-segments": "tmp_path",
    "listops": "listops_root",
    "shakespeare": "corpora_root",
    "novels": "corpora_root",
    "shakespeare-chars": "language_root",
    "novels-words": "language_root",
    "ptb": "language_root",
    "wikitext-2": "language_root",
    "wikitext-103": "language_root",
    "lra-retrieval": "retrieval_root",
    "novel-pairs": "novels_root",
    "pathfinder": "pictures_root",
    "pathfinder-mid": "pictures_root",
    "pathfinder-easy": "pictures_root",
    "pathfinder-64": "pictures_root",
    "path-x": "pictures_root",
    "pathfinder-256": "pictures_root",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "event-digits" else ()) for name in EVENT_WRITERS]
)
def test_every_entry_of_events_loads_what_it_promises(name: str, tmp_path: Path) -> None:
    EVENT_WRITERS[name](tmp_path)
    entry, bundle = DATASETS[name], load(name, root=tmp_path)
    assert isinstance(bundle, EventBundle)
    assert bundle.name == name
    assert (bundle.sensor_size, bundle.num_classes) == (entry.sensor_size, entry.num_classes)
    for split in (bundle.train, bundle.val, bundle.test):
        batch = split.batch(torch.tensor([len(split) - 1, 0]))
        assert batch.events.batch == 2
        assert batch.labels.tolist() == [int(split.labels[-1]), int(split.labels[0])]
    assert bundle.source.endswith(".")
    state = status(name, tmp_path)
    assert state.is_present
    assert state.missing == ()


def test_every_entry_is_tested_and_has_one_kind() -> None:
    assert {*EVENT_WRITERS, *ROOT_FIXTURES} == set(available()) == set(DATASETS)
    modules = {f"longspike.data.sets.{module}" for module in MODULES.values()}
    assert [*DATASETS] == [*MODULES]
    assert {name for module in modules for name in importlib.import_module(module).ENTRIES} == set(DATASETS)
    for entry in DATASETS.values():
        assert (entry.sensor_size is None) == (entry.seqlen is not None) == (entry.d_input is not None)
        assert bool(entry.layouts) == (entry.package is None)
        assert "\n" not in entry.description
        assert entry.files


def test_loading_by_kind(mnist_root: Path, tmp_path: Path) -> None:
    assert load_sequences("smnist", root=mnist_root).d_input == 1
    event_files.write_nmnist(tmp_path)
    assert load_events("nmnist", root=tmp_path).sensor_size == (34, 34)
    with pytest.raises(
        ConfigError, match=r"must be a data set of sequences; 'nmnist' is not one. Use one of digits, sm"
    ):
        load_sequences("nmnist")
    with pytest.raises(
        ConfigError, match=r"must be a data set of events; 'digits' is not one. Use one of event-digits"
    ):
        load_events("digits")
    for function in (load_sequences, load_events):
        with pytest.raises(ValueError, match="`name` must be one of 'digits'"):
            function("nothing")


@pytest.mark.parametrize("name", [name for name, entry in DATASETS.items() if entry.page is not None])
def test_missing_event_sets_name_places_and_the_publisher(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataFileError) as caught:
        load(name, root=tmp_path)
    message = str(caught.value)
    for layout in DATASETS[name].layouts:
        for folder in layout.folders:
            assert f"{tmp_path / folder}: {layout.needs[0][0]}" in message
    assert f"Fetch it from {DATASETS[name].page} and unpack it there, or set LONGSPIKE_DATA" in message
    assert not status(name, tmp_path).is_present


@pytest.mark.parametrize("name", ROOT_FIXTURES)
def test_every_entry_loads_what_it_promises(name: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(ROOT_FIXTURES[name])
    entry, bundle = DATASETS[name], load(name, root=root)
    assert bundle.name == name
    assert (bundle.d_input, bundle.num_classes) == (entry.d_input, entry.num_classes)
    lengths = [split.max_seqlen for split in (bundle.train, bundle.val, bundle.test)]
    assert max(lengths) == entry.seqlen
    assert isinstance(bundle.train, AbstractRaggedSplit) or min(lengths) == entry.seqlen
    state = status(name, root)
    assert state.is_present
    assert state.missing == ()


def test_digits_are_split_by_class() -> None:
    bundle = load("digits")
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [1347, 90, 360]
    assert bundle.val.labels.bincount().tolist() == [9] * 10
    assert int(bundle.test.labels.bincount().min()) >= 34
    assert int(bundle.train.values.max()) == 16


def test_digits_are_normalised() -> None:
    splits = [getattr(load("digits"), part) for part in ("train", "val", "test")]
    x = torch.cat([split.values for split in splits]).double() * splits[0].scale + splits[0].shift
    assert abs(float(x.mean())) < 1e-3
    assert abs(float(x.std()) - 1.0) < 1e-3


def test_digits_in_the_test_set_are_pinned() -> None:
    # recorded from the fixed seed of hold_out
    assert load("digits").test.labels[:10].tolist() == [4, 7, 1, 3, 7, 2, 5, 8, 4, 2]


@pytest.mark.parametrize("function", [load, status])
def test_unknown_names_are_refused(function) -> None:
    with pytest.raises(
        ValueError, match=r"`name` must be one of 'digits', 'smnist', 'psmnist', 'scifar', .*; got 'mnist1d'"
    ):
        function("mnist1d")


def test_a_missing_data_set_names_every_place_and_the_remedies(tmp_path: Path) -> None:
    with pytest.raises(DataFileError) as caught:
        load("psmnist", root=tmp_path)
    message = str(caught.value)
    for folder in ("MNIST/raw", "mnist", "."):
        for name in FILES:
            assert f"{tmp_path / folder}: " in message
            assert f"{name} or {name}.gz" in message
    assert "Run `longspike data download psmnist`, or set LONGSPIKE_DATA to the folder" in message


def test_only_missing_files_are_named(mnist_root: Path) -> None:
    (mnist_root / "MNIST/raw" / FILES[3]).unlink()
    with pytest.raises(DataFileError, match=rf"MNIST/raw: {FILES[3]} or {FILES[3]}.gz\n"):
        load("smnist", root=mnist_root)
    state = status("smnist", mnist_root)
    assert not state.is_present
    assert state.folder is None
    assert state.missing == (f"{FILES[3]} or {FILES[3]}.gz",)
    assert len(state.places) == 3


def test_missing_cifar_names_both_layouts(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"cifar-10-batches-py: data_batch_1.*\n.*cifar10-jpeg: train/airplane"):
        load("scifar", root=tmp_path)


def test_status_says_where(mnist_root: Path) -> None:
    assert status("smnist", mnist_root).folder == mnist_root / "MNIST/raw"


def test_status_of_digits_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    state = status("digits")
    assert (state.is_present, state.missing) == (False, ("sklearn",))


def test_the_data_folder_is_argument_then_environment_then_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSPIKE_DATA", str(tmp_path / "environment"))
    assert data_root(tmp_path / "argument") == tmp_path / "argument"
    assert data_root() == tmp_path / "environment"
    monkeypatch.delenv("LONGSPIKE_DATA")
    assert data_root() == Path("~/.cache/longspike/data").expanduser()
