"""Patches and images are each other's inverse; crops and mirror images are those of a loop over pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longspike.data import CropAndFlip
from longspike.data.image_augment import crop_and_flip, images_of_patches, patches_of_images


def random_images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


@given(batch=st.integers(0, 3), rows=st.integers(1, 3), columns=st.integers(1, 4), patch=st.integers(1, 4))
def test_patches_are_cut_in_raster_order(batch: int, rows: int, columns: int, patch: int) -> None:
    height, width, channels = rows * patch, columns * patch, 3
    images = random_images(batch, height, width, channels)
    patches = patches_of_images(images, patch=patch)
    assert patches.shape == (batch, rows * columns, patch * patch * channels)
    for b in range(batch):
        for r in range(height):
            for c in range(width):
                place = ((r % patch) * patch + c % patch) * channels
                found = patches[b, (r // patch) * columns + c // patch, place : place + channels]
                assert torch.equal(found, images[b, r, c])
    assert torch.equal(images_of_patches(patches, height=height, width=width, patch=patch), images)


@given(data=st.data(), padding=st.integers(1, 4))
def test_crops_and_mirror_images_are_the_loop_s(data: st.DataObject, padding: int) -> None:
    height, width = 5, 7
    image = random_images(1, height, width, 2, seed=padding)
    top, left = (data.draw(st.integers(0, 2 * padding)) for _ in range(2))
    is_flipped = data.draw(st.booleans())
    moved = crop_and_flip(
        image,
        top=torch.tensor([top]),
        left=torch.tensor([left]),
        is_flipped=torch.tensor([is_flipped]),
        padding=padding,
    )
    expected = torch.zeros_like(image)
    for r in range(height):
        for c in range(width):
            row, column = r + top - padding, (width - 1 - c if is_flipped else c) + left - padding
            if 0 <= row < height and 0 <= column < width:
                expected[0, r, c] = image[0, row, column]
    assert torch.equal(moved, expected)


def test_every_sample_has_its_own_draws_and_the_input_stays() -> None:
    images = random_images(6, 8, 12, 3)
    values = patches_of_images(images, patch=4)
    before = values.clone()
    augment = CropAndFlip(height=8, width=12, patch=4, padding=2)
    together = augment(values, [np.random.default_rng(seed) for seed in range(6)])
    alone = torch.cat([augment(values[i : i + 1], [np.random.default_rng(i)]) for i in range(6)])
    assert torch.equal(together, alone)
    assert torch.equal(values, before)
    for number in range(6):
        rng = np.random.default_rng(number)
        (top, left), flip = rng.integers(5, size=2), rng.integers(2)
        moved = crop_and_flip(
            images[number : number + 1],
            top=torch.tensor([top]),
            left=torch.tensor([left]),
            is_flipped=torch.tensor([bool(flip)]),
            padding=2,
        )
        assert torch.equal(patches_of_images(moved, patch=4)[0], together[number])


def test_draws_cover_every_position_and_both_sides() -> None:
    image = torch.zeros(1, 7, 7, 1, dtype=torch.uint8)
    image[0, 3, 2] = 1  # off the middle column: the mirror image is told apart
    values = patches_of_images(image, patch=1).expand(900, -1, -1)
    moved = CropAndFlip(height=7, width=7, patch=1, padding=1)(values, [np.random.default_rng(s) for s in range(900)])
    counts = moved.reshape(900, 49).argmax(1).bincount(minlength=49).reshape(7, 7)
    assert (moved.sum((1, 2)) == 1).all()
    # rows 2-4 alike; columns 1-3 upright, 3-5 mirrored, so column 3 takes both
    expected = torch.zeros(7, 7)
    expected[2:5, 1:6] = 900 / 3 / 6 * torch.tensor([1.0, 1.0, 2.0, 1.0, 1.0])
    assert ((counts == 0) == (expected == 0)).all()
    assert float(((counts - expected) ** 2 / expected.clamp(min=1)).sum()) < 36.0  # chi squared, 14 degrees: p = 0.001


def test_empty_batches_stay_empty() -> None:
    augment = CropAndFlip(height=8, width=8, patch=4, padding=2)
    assert augment(torch.zeros(0, 4, 48, dtype=torch.uint8), []).shape == (0, 4, 48)


@pytest.mark.parametrize("shape", [(2, 5, 8, 3), (2, 8, 5, 3), (8, 8, 3)])
def test_images_that_patches_do_not_fill_are_refused(shape: tuple[int, ...]) -> None:
    message = r"`images` must have shape .* height a multiple of 4 and width of 4; got .*Crop or pad"
    with pytest.raises(ValueError, match=message):
        patches_of_images(torch.zeros(shape), patch=4)


def test_wrong_geometry_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be multiples of a patch.s 8 and 8; got 32 and 30. Choose a patch"):
        CropAndFlip(height=32, width=30, patch=8, padding=4)
    with pytest.raises(ValueError, match="`padding` must be an integer of at least 1; got 0"):
        CropAndFlip(height=32, width=32, patch=8, padding=0)
    augment = CropAndFlip(height=32, width=32, patch=8, padding=4)
    with pytest.raises(ValueError, match=r"`values` must have shape \(batch, 16, 64 \* channels\).*Set height"):
        augment(torch.zeros(2, 64, 48), [np.random.default_rng()] * 2)
    with pytest.raises(ValueError, match="`rngs` must have 2 generators, one a sample; got 1"):
        augment(torch.zeros(2, 16, 192), [np.random.default_rng()])
