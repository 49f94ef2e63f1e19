"""The published files themselves, where LONGSPIKE_DATA names a folder that holds them."""

import os

import pytest
import torch

from longspike.data import CIFAR10_AUGMENT, BatchLoader, DataBundle, EventBundle, load, status


def load_real(name: str) -> DataBundle | EventBundle:
    """The data set, or a skip with the reason."""
    if not os.environ.get("LONGSPIKE_DATA"):
        pytest.skip("LONGSPIKE_DATA is not set")
    if not status(name).is_present:
        pytest.skip(f"LONGSPIKE_DATA holds no {name}")
    return load(name)


def test_mnist_has_its_published_counts_and_moments() -> None:
    bundle = load_real("smnist")
    assert (len(bundle.train), len(bundle.val), len(bundle.test)) == (54_000, 6_000, 10_000)
    # over all 60,000 training images: the figures in common use
    counts = bundle.train.values.flatten().bincount(minlength=256) + bundle.val.values.flatten().bincount(minlength=256)
    shares = counts.double() / counts.sum()
    levels = counts.new_tensor(range(256)).double() / 255.0
    mean = float((shares * levels).sum())
    assert mean == pytest.approx(0.1307, abs=5e-5)
    assert float((shares * (levels - mean) ** 2).sum().sqrt()) == pytest.approx(0.3081, abs=5e-5)
    assert bundle.test.labels[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.slow
def test_cifar_has_its_published_counts() -> None:
    bundle = load_real("scifar")
    assert (len(bundle.train), len(bundle.val), len(bundle.test)) == (45_000, 5_000, 10_000)
    assert bundle.test.labels.bincount().tolist() == [1000] * 10
    assert bundle.val.labels.bincount().tolist() == [500] * 10
    values = bundle.train.values.float()
    assert float(values.mean()) == pytest.approx(122.6, abs=0.5)
    assert float(values.std()) == pytest.approx(61.0, abs=0.5)


@pytest.mark.slow
def test_imdb_has_its_published_counts_and_characters() -> None:
    bundle = load_real("lra-text")
    assert (len(bundle.train), len(bundle.val), len(bundle.test)) == (22_500, 2_500, 25_000)
    assert bundle.test.labels.bincount().tolist() == [12_500] * 2
    assert bundle.val.labels.bincount().tolist() == [1_250] * 2
    assert bundle.d_input == 134
    assert "".join(bundle.vocabulary.symbols[:9]) == " etaoisnr"
    assert float(bundle.train.lengths.double().mean()) == pytest.approx(1297, abs=1)


@pytest.mark.slow
def test_novels_give_passages_of_works_that_are_not_seen() -> None:
    bundle = load_real("novel-pairs")
    assert (len(bundle.train), len(bundle.val), len(bundle.test)) == (60_000, 4_000, 4_000)
    assert bundle.test.labels.bincount().tolist() == [2_000] * 2
    (x, other), label = bundle.test[1]
    assert (len(x), len(other), label) == (2_000, 2_000, 1)
    assert sum(word in bundle.vocabulary.decode(x) for word in (" the ", " and ", " of ")) >= 2


@pytest.mark.slow
def test_cifar_patches_have_their_published_moments() -> None:
    bundle = load_real("cifar10-patches")
    assert (len(bundle.train), len(bundle.val), len(bundle.test)) == (45_000, 5_000, 10_000)
    batch = next(iter(BatchLoader(bundle.train, batch_size=9, shuffle=True, seed=0, augment=CIFAR10_AUGMENT)))
    assert batch.x.shape == (9, 16, 192)
    values = bundle.train.values.float()
    assert float(values.mean()) == pytest.approx(120.7, abs=0.5)
    assert float(values.std()) == pytest.approx(64.15, abs=0.5)


@pytest.mark.slow
def test_nmnist_holds_recordings_of_three_saccades() -> None:
    bundle = load_real("nmnist")
    splits = (bundle.train, bundle.val, bundle.test)
    published = torch.cat([bundle.train.labels, bundle.val.labels]).bincount()
    assert bundle.val.labels.bincount().tolist() == pytest.approx((published / 10).tolist(), abs=1.0)
    for split in splits:
        for index in range(0, len(split), 97):
            events = split.sample(index)
            assert 500 < len(events) < 20_000
            assert 250_000 < int(events["t"][-1]) < 360_000
            assert 10 < events["x"].max() < 34
            assert 0.3 < events["p"].mean() < 0.7
    if (len(bundle.train) + len(bundle.val), len(bundle.test)) == (1000, 100):  # MNIST's first 1,000 and 100
        assert sum(len(split.events) for split in splits) == 4_518_827


@pytest.mark.slow
def test_spoken_digits_keep_the_published_takes() -> None:
    bundle = load_real("spoken-digits")
    assert [len(split) for split in (bundle.train, bundle.val, bundle.test)] == [2430, 270, 300]
    assert bundle.test.labels.bincount().tolist() == [30] * 10
