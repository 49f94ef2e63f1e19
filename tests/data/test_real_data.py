"""The published files themselves, where LONGSPIKE_DATA names a folder that holds them."""

import os

import pytest

from longspike.data import DataBundle, load, status


def load_real(name: str) -> DataBundle:
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
def test_cifar_patches_have_their_published_moments() -> None:
    bundle = load_real("cifar10-patches")
    assert (len(bundle.train), len(bundle.val), len(bundle.test)) == (45_000, 5_000, 10_000)
    values = bundle.train.values.float()
    assert float(values.mean()) == pytest.approx(120.7, abs=0.5)
    assert float(values.std()) == pytest.approx(64.15, abs=0.5)
