"""Pictures of Pathfinder, many at a time: compiled where the extension is there, else the reference in Python."""

from dataclasses import astuple, replace

import numpy as np

from longspike.data.generators.pathfinder_reference import PathfinderRules, draw_picture
from longspike.kernels import native

__all__ = ["DIFFICULTIES", "SIZES", "PathfinderRules", "draw_pictures", "pathfinder_rules"]

DIFFICULTIES = {"easy": 6, "mid": 9, "hard": 14}
"""Paddles of the two long snakes."""
_DISTRACTING_PADDLES = {32: 20, 64: 22, 128: 35, 256: 30}
SIZES = tuple(_DISTRACTING_PADDLES)
NUM_WHOLE = 7
"""So many of the fields of `PathfinderRules`, the first ones, are whole numbers."""


def _rules(
    size: int,
    margins: tuple[int, int],
    paddle: tuple[float, float],
    seed_distance: float,
    marker_radius: float,
    continuity: float,
    contrast: float,
    padding: int = 1,
) -> PathfinderRules:
    return PathfinderRules(
        size=size,
        padding=padding,
        lowest_margin=margins[0],
        highest_margin=margins[1],
        contour_length=0,
        distractor_length=0,
        num_distractors=0,
        paddle_length=paddle[0],
        thickness=paddle[1],
        seed_distance=seed_distance,
        marker_radius=marker_radius,
        continuity=continuity,
        contrast=contrast,
    )


_BY_SIZE = {
    32: _rules(32, (1, 1), (2.0, 0.5), 7.0, 1.5, 1.0, 1.5),
    64: _rules(64, (1, 1), (5.0, 1.0), 12.0, 2.5, 1.8, 0.8),
    128: _rules(128, (2, 3), (5.0, 1.5), 20.0, 3.0, 1.8, 0.9),
    256: _rules(256, (3, 3), (5.0, 2.0), 27.0, 5.0, 1.8, 1.0, padding=22),
}


def pathfinder_rules(size: int, difficulty: str = "hard") -> PathfinderRules:
    """The rules of the Long Range Arena for pictures of `size` pixels.

    Distractors are a third as long as the long snakes, and as many as a fixed number of paddles gives, both rounded down.

    Args: size: one of `SIZES`. difficulty: one of `DIFFICULTIES`; published results are on "hard".

    Example:
        >>> rules = pathfinder_rules(32)
        >>> rules.contour_length, rules.distractor_length, rules.num_distractors
        (14, 4, 5)
    """
    contour = DIFFICULTIES[difficulty]
    distractor = contour // 3
    number = _DISTRACTING_PADDLES[size] // distractor
    return replace(_BY_SIZE[size], contour_length=contour, distractor_length=distractor, num_distractors=number)


def draw_pictures(
    labels: np.ndarray, *, rules: PathfinderRules, seed: int, first: int = 0, use_extension: bool | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures number `first` and on, one a label, and how many distractors each has; see `pathfinder_reference`.

    A picture depends on the seed, its number and its label alone. The two ways of drawing give the same on one machine.

    Args: labels: (count,), 0 or 1. use_extension: None takes the compiled way if it is there, some 100 times as fast.
    Returns: (count, size, size), uint8, and (count,), int32.
    """
    labels = np.ascontiguousarray(labels, np.uint8)
    shape = (len(labels), rules.size, rules.size)
    placed = np.zeros(len(labels), np.int32)
    images = np.zeros(shape, np.uint8)
    if native.is_available() if use_extension is None else use_extension:
        numbers = astuple(rules)
        native.extension().draw_pathfinder(
            [int(number) for number in numbers[:NUM_WHOLE]],
            [float(number) for number in numbers[NUM_WHOLE:]],
            seed,
            first,
            len(labels),
            labels.ctypes.data,
            images.ctypes.data,
            placed.ctypes.data,
        )
        return images, placed
    for k, label in enumerate(labels.tolist()):
        images[k], placed[k] = draw_picture(rules, seed=seed, number=first + k, label=label)
    return images, placed
