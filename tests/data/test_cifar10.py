"""scifar from pickled batches and from image folders: grey values, the cache, hostile and damaged files."""

import contextlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from longspike.data import CIFAR10_AUGMENT, CIFAR10_COLUMNS_AUGMENT, BatchLoader, load
from longspike.data.files import image_folder
from longspike.data.files.pickled_batch import read_pickled_batch
from longspike.data.image_augment import images_of_patches
from longspike.data.sets.cifar10 import BATCH_FILES, CLASS_NAMES, grey_of_rgb
from longspike.errors import DataFileError

channel = st.integers(0, 255)


@given(red=channel, green=channel, blue=channel)
def test_grey_is_the_formula_and_pillow_s(red: int, green: int, blue: int) -> None:
    pixel = np.array([red, green, blue], dtype=np.uint8)
    grey = int(grey_of_rgb(pixel.reshape(1, 3, 1, 1))[0, 0, 0])
    assert abs(grey - (0.299 * red + 0.587 * green + 0.114 * blue)) <= 0.51
    assert grey == Image.fromarray(pixel.reshape(1, 1, 3)).convert("L").getpixel((0, 0))


def test_scifar_from_batches(batches_root: Path) -> None:
    bundle = load("scifar", root=batches_root)
    assert (len(bundle.train), len(bundle.val), len(bundle.test)) == (45, 5, 10)
    images, labels = read_pickled_batch(batches_root / "cifar-10-batches-py" / "test_batch")
    np.testing.assert_array_equal(bundle.test.values.numpy(), grey_of_rgb(images).reshape(10, 1024, 1))
    assert bundle.test.labels.tolist() == labels.tolist() == list(range(10))
    assert bundle.class_names[3] == "cat"
    assert "JPEG" not in bundle.source
    assert bundle.test.scale * 183.6 + bundle.test.shift == pytest.approx((183.6 - 122.6) / 61.0)


def test_scifar_from_images_says_jpeg(images_root: Path) -> None:
    bundle = load("scifar", root=images_root)
    assert (len(bundle.train), len(bundle.val), len(bundle.test)) == (18, 2, 10)
    assert "CIFAR-10 (JPEG)" in bundle.source
    with Image.open(images_root / "cifar10-jpeg/test/cat/0000.png") as image:
        expected = np.asarray(image.convert("L")).reshape(1024, 1)
    np.testing.assert_array_equal(bundle.test.values[3].numpy(), expected)
    assert bundle.test.labels.tolist() == list(range(10))


def test_lra_image_is_scifar_with_another_validation_set(batches_root: Path) -> None:
    grey, lra = load("scifar", root=batches_root), load("lra-image", root=batches_root)
    assert torch.equal(grey.test.values, lra.test.values)
    assert (lra.train.scale, lra.train.shift) == (grey.train.scale, grey.train.shift)
    folder = batches_root / "cifar-10-batches-py"
    images = np.concatenate([read_pickled_batch(folder / name)[0] for name in BATCH_FILES[:5]])
    published = torch.from_numpy(grey_of_rgb(images)).reshape(50, 1024, 1)
    train, val = torch.utils.data.random_split(range(50), [45, 5], generator=torch.Generator().manual_seed(42))
    assert torch.equal(lra.train.values, published[list(train)])
    assert torch.equal(lra.val.values, published[list(val)])


def test_patches_from_batches_and_from_images(batches_root: Path, images_root: Path) -> None:
    bundle = load("cifar10-patches", root=batches_root)
    images, _ = read_pickled_batch(batches_root / "cifar-10-batches-py" / "test_batch")
    for number, sample in enumerate(images):
        cut = [sample[:, 8 * r : 8 * r + 8, 8 * c : 8 * c + 8] for r in range(4) for c in range(4)]
        expected = np.stack([patch.transpose(1, 2, 0).reshape(192) for patch in cut])
        np.testing.assert_array_equal(bundle.test.values[number].numpy(), expected)
    assert bundle.test.values.dtype == torch.uint8
    assert bundle.source.startswith("CIFAR-10: ")
    assert bundle.test.scale * 184.85 + bundle.test.shift == pytest.approx(1.0)
    (batches_root / "cifar-10-batches-py" / BATCH_FILES[2]).unlink()
    bundle = load("cifar10-patches", root=images_root)
    assert bundle.source.startswith("CIFAR-10 (JPEG), re-encoded images: ")
    with Image.open(images_root / "cifar10-jpeg/test/cat/0000.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(bundle.test.values[3, 6].reshape(8, 8, 3).numpy(), pixels[8:16, 16:24])


def test_columns_from_left_to_right(batches_root: Path) -> None:
    patches, columns = load("cifar10-patches", root=batches_root), load("cifar10-columns", root=batches_root)
    images = images_of_patches(patches.test.values, height=32, width=32, patch=8)
    assert columns.test.values.shape[1:] == (32, 96)
    for t in (0, 5, 31):
        np.testing.assert_array_equal(columns.test.values[:, t].numpy(), images[:, :, t].flatten(1).numpy())
    assert torch.equal(images_of_patches(columns.test.values, height=32, width=32, patch=32, patch_width=1), images)
    split = columns.train
    plain = BatchLoader(split, batch_size=45, shuffle=False, seed=3)
    changed = BatchLoader(split, batch_size=45, shuffle=False, seed=3, augment=CIFAR10_COLUMNS_AUGMENT)
    (plain_batch,), (changed_batch,) = plain, changed
    assert plain_batch.x.shape == changed_batch.x.shape == (45, 32, 96)
    assert int((plain_batch.x != changed_batch.x).any((1, 2)).sum()) > 35


def test_patches_and_grey_hold_out_the_same_images(batches_root: Path) -> None:
    grey, patches = load("scifar", root=batches_root), load("cifar10-patches", root=batches_root)
    for part in ("train", "val", "test"):
        images = images_of_patches(getattr(patches, part).values, height=32, width=32, patch=8)
        expected = grey_of_rgb(images.permute(0, 3, 1, 2).numpy()).reshape(-1, 1024, 1)
        np.testing.assert_array_equal(getattr(grey, part).values.numpy(), expected)


def test_the_augmentation_of_patches_fits_them(batches_root: Path) -> None:
    split = load("cifar10-patches", root=batches_root).train
    plain = BatchLoader(split, batch_size=45, shuffle=False, seed=3)
    changed = BatchLoader(split, batch_size=45, shuffle=False, seed=3, augment=CIFAR10_AUGMENT)
    (plain_batch,), (changed_batch,) = plain, changed
    assert plain_batch.x.shape == changed_batch.x.shape == (45, 16, 192)
    assert int((plain_batch.x != changed_batch.x).any((1, 2)).sum()) > 35


def test_images_are_decoded_once(images_root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load("scifar", root=images_root)
    assert len(list(cache.glob("grey-*.npy"))) == len(list(cache.iterdir())) == 2
    monkeypatch.setattr(image_folder, "decode", None)
    second = load("scifar", root=images_root)
    np.testing.assert_array_equal(first.train.values.numpy(), second.train.values.numpy())


def test_grey_and_colour_are_cached_apart(images_root: Path, cache: Path) -> None:
    load("scifar", root=images_root)
    first = load("cifar10-patches", root=images_root)
    assert sorted(path.name.partition("-")[0] for path in cache.iterdir()) == ["colour", "colour", "grey", "grey"]
    second = load("cifar10-patches", root=images_root)
    np.testing.assert_array_equal(first.train.values.numpy(), second.train.values.numpy())


def test_a_changed_image_is_decoded_again(images_root: Path) -> None:
    load("scifar", root=images_root)
    path = images_root / "cifar10-jpeg/test/airplane/0000.png"
    Image.new("RGB", (32, 32), (9, 9, 9)).save(path)
    os.utime(path, ns=(1, 1))
    assert set(load("scifar", root=images_root).test.values[0].flatten().tolist()) == {9}


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY damaged"])
def test_a_damaged_cache_is_replaced(images_root: Path, cache: Path, content: bytes) -> None:
    first = load("scifar", root=images_root)
    for path in cache.iterdir():
        path.write_bytes(content)
    second = load("scifar", root=images_root)
    np.testing.assert_array_equal(first.test.values.numpy(), second.test.values.numpy())
    assert all(np.load(path).dtype == np.uint8 for path in cache.iterdir())


def test_a_cache_that_cannot_be_written_is_an_error(
    images_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("LONGSPIKE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataFileError, match=r"cannot be cached .*Set LONGSPIKE_CACHE to a folder that can be written"):
        load("scifar", root=images_root)


def test_the_cache_folder_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LONGSPIKE_CACHE")
    assert image_folder.cache_folder() == Path("~/.cache/longspike").expanduser()


def test_damaged_images_are_named(images_root: Path) -> None:
    (images_root / "cifar10-jpeg/train/dog/0001.jpg").write_bytes(b"\xff\xd8\xff broken")
    with pytest.raises(DataFileError, match=r"dog/0001.jpg cannot be decoded as an image"):
        load("scifar", root=images_root)


def test_images_of_another_size_are_named(images_root: Path) -> None:
    Image.new("RGB", (31, 32)).save(images_root / "cifar10-jpeg/train/dog/0000.png")
    with pytest.raises(DataFileError, match=r"dog/0000.png must be 32x32 pixels; got 31x32"):
        load("scifar", root=images_root)


def test_empty_classes_are_named(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataFileError, match=r"cat must hold images \(.jpg, .jpeg, .png\); got none"):
        image_folder.list_images(tmp_path, ("cat",))
    with pytest.raises(DataFileError, match=r"dog cannot be listed \(No such file"):
        image_folder.list_images(tmp_path, ("dog",))


class Attack:
    """Runs a command when a plain pickle reader loads it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_is_refused(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "was-run"
    (tmp_path / "evil").write_bytes(pickle.dumps({b"data": Attack(marker)}, protocol=protocol))
    with pytest.raises(DataFileError, match=r"evil is not a batch.*forbidden name (posix|nt|os)\.mkdir"):
        read_pickled_batch(tmp_path / "evil")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["builtins\neval", "numpy\nload", "numpy.core.multiarray\nfromfile", "os\nsystem"])
def test_names_outside_the_list_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "evil").write_bytes(b"c" + name.encode() + b"\n(S'1'\ntR.")
    with pytest.raises(DataFileError, match=f"forbidden name {name.replace(chr(10), '.')}"):
        read_pickled_batch(tmp_path / "evil")


def python2_pickle() -> bytes:
    """Two images as Python 2 and its numpy wrote them: byte strings, the old module name, protocol 2."""
    pixels = bytes(range(256)) * 24
    return (
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff"
        b"\xffK\x00tb\x89T" + len(pixels).to_bytes(4, "little") + pixels + b"tbU\x06labels](K\x03K\x07eu."
    )


def test_python_2_pickles_are_read(tmp_path: Path) -> None:
    (tmp_path / "batch").write_bytes(python2_pickle())
    images, labels = read_pickled_batch(tmp_path / "batch")
    np.testing.assert_array_equal(images.reshape(2, 12, 256), np.broadcast_to(np.arange(256), (2, 12, 256)))
    assert labels.tolist() == [3, 7]


@pytest.mark.parametrize("protocol", range(5))
def test_arrays_of_every_memory_order_are_read(tmp_path: Path, protocol: int) -> None:
    data = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8)
    for order in "CF":
        content = {"data": np.asarray(data, order=order), "labels": [0, 1, 2]}
        (tmp_path / "batch").write_bytes(pickle.dumps(content, protocol=protocol))
        np.testing.assert_array_equal(read_pickled_batch(tmp_path / "batch")[0].reshape(3, 3072), data)


pixels = np.zeros((2, 3072), dtype=np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "it holds a list in place of a dictionary"),
        ({"labels": [1]}, r"must hold `data`, uint8, of shape \(num_samples, 3072\)"),
        ({"data": pixels[:, :9], "labels": [1, 1]}, "must hold `data`"),
        ({"data": pixels.astype(np.int32), "labels": [1, 1]}, "an array of dtype 'i4'; only uint8 is read"),
        ({"data": pixels, "labels": [1]}, "must hold `labels`, one of 0 to 9 for each of 2 images"),
        ({"data": pixels, "labels": [1, 10]}, "must hold `labels`"),
        ({"data": pixels}, "must hold `labels`"),
    ],
)
def test_wrong_contents_are_refused(tmp_path: Path, content: object, message: str) -> None:
    (tmp_path / "batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(DataFileError, match=message):
        read_pickled_batch(tmp_path / "batch")


def test_arrays_with_a_wrong_size_are_refused(tmp_path: Path) -> None:
    (tmp_path / "batch").write_bytes(python2_pickle().replace(b"K\x02M\x00\x0c\x86", b"K\x03M\x00\x0c\x86"))
    with pytest.raises(DataFileError, match=r"an array of shape \(3, 3072\) with 6144 bytes"):
        read_pickled_batch(tmp_path / "batch")


def test_other_encodings_of_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "batch").write_bytes(b"c_codecs\nencode\n(Vx\nVrot13\ntR.")
    with pytest.raises(DataFileError, match=r"bytes in the encoding 'rot13'; only latin1 is read"):
        read_pickled_batch(tmp_path / "batch")


@given(data=st.data())
def test_damaged_pickles_raise_nothing_else(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(python2_pickle())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, 160))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(DataFileError):
        read_pickled_batch(path)


def test_missing_batches_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"test_batch cannot be read .*No such file"):
        read_pickled_batch(tmp_path / "test_batch")


def test_the_batches_go_before_the_images(batches_root: Path, images_root: Path) -> None:
    assert batches_root == images_root
    assert "JPEG" not in load("scifar", root=batches_root).source
    (batches_root / "cifar-10-batches-py" / BATCH_FILES[2]).unlink()
    assert "JPEG" in load("scifar", root=batches_root).source


def test_class_names_are_the_published_ones() -> None:
    assert len(CLASS_NAMES) == 10
    assert list(CLASS_NAMES) == sorted(CLASS_NAMES)
