"""smnist and psmnist: where files are found, what comes out, what is refused."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from longspike.data import load, psmnist_permutation, read_idx, write_idx
from longspike.data.sets.mnist import FILES, PIXEL_MEAN, PIXEL_STD
from longspike.errors import DataFileError


def test_smnist_holds_the_pixels_in_raster_order(mnist_root: Path) -> None:
    bundle = load("smnist", root=mnist_root)
    images = read_idx(mnist_root / "MNIST/raw" / FILES[2])
    np.testing.assert_array_equal(bundle.test.values.numpy(), images.reshape(20, 784, 1))
    assert bundle.test.labels.tolist() == [label % 10 for label in range(20)]
    assert (len(bundle.train), len(bundle.val)) == (36, 4)
    assert bundle.test.lengths.tolist() == [784] * 20


def test_train_and_val_are_the_training_files_and_nothing_else(mnist_root: Path) -> None:
    bundle = load("smnist", root=mnist_root)
    images = read_idx(mnist_root / "MNIST/raw" / FILES[0]).reshape(40, 784)
    drawn = torch.cat([bundle.train.values, bundle.val.values])[..., 0].numpy()
    assert {row.tobytes() for row in drawn} == {row.tobytes() for row in images}


def test_normalisation_is_that_of_the_docstring(mnist_root: Path) -> None:
    train = load("smnist", root=mnist_root).train
    pixels = torch.arange(256, dtype=torch.float64)
    expected = (pixels / 255.0 - PIXEL_MEAN) / PIXEL_STD
    torch.testing.assert_close(pixels * train.scale + train.shift, expected, rtol=1e-12, atol=1e-12)


def test_the_permutation_is_pinned() -> None:
    # recorded from numpy.random.RandomState(92916).permutation(784)
    permutation = psmnist_permutation()
    assert permutation[:8].tolist() == [319, 576, 323, 107, 355, 716, 197, 20]
    digest = hashlib.sha256(permutation.numpy().astype("<i8").tobytes()).hexdigest()
    assert digest == "96240fe27409981c3ed3e92c20d995f7103a94c2282307bc776923030113be74"
    assert sorted(permutation.tolist()) == list(range(784))


def test_psmnist_is_smnist_permuted(mnist_root: Path) -> None:
    plain, permuted = load("smnist", root=mnist_root), load("psmnist", root=mnist_root)
    for part in ("train", "val", "test"):
        expected = getattr(plain, part).values[:, psmnist_permutation()]
        assert torch.equal(getattr(permuted, part).values, expected)
        assert torch.equal(getattr(permuted, part).labels, getattr(plain, part).labels)


@pytest.mark.parametrize("folder", ["MNIST/raw", "mnist", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_are_found(tmp_path: Path, write_mnist: Callable[..., None], folder: str, suffix: str) -> None:
    root = tmp_path / "root"
    write_mnist(root / folder, suffix)
    assert len(load("smnist", root=root).test) == 20


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (FILES[0], np.zeros((40, 28, 27), np.uint8), r"uint8 images of shape \(num_samples, 28, 28\).*\(40, 28, 27\)"),
        (FILES[0], np.zeros((40, 28, 28), np.int16), "must hold uint8 images.*got int16"),
        (FILES[1], np.zeros(39, np.uint8), r"one uint8 label per image of train-images.*\(40,\); got uint8 .*\(39,\)"),
        (FILES[3], np.full(20, 10, np.uint8), "t10k-labels-idx1-ubyte must hold labels 0 to 9; got 10"),
    ],
)
def test_wrong_contents_are_refused(mnist_root: Path, name: str, array: np.ndarray, message: str) -> None:
    write_idx(mnist_root / "MNIST/raw" / name, array)
    with pytest.raises(DataFileError, match=message):
        load("smnist", root=mnist_root)
