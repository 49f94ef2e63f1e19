"""Pictures of Pathfinder in plain Python: what csrc/generators/pathfinder.cpp computes, draw by draw.

    A paddle is a dash of `paddle_length` and `thickness` pixels. A snake is a row of paddles: behind one with the direction
    u and a pivot p, the next one's head is a pixel h at the distance paddle_length + margin of p, up to half a pixel, drawn
    with the weight cos^2(min(continuity * angle between u and h - p, pi / 2)), and with weight 0 within the margin of what
    is there; its direction is that of h - p, its tail lies paddle_length behind its head, its pivot
    paddle_length + 2 * margin ahead of p. A paddle that comes within the margin of what is there is drawn again, three times
    in all; the one before it in its snake is not there yet.

    Two snakes of `contour_length` paddles begin `seed_distance` apart and grow in turns; if one cannot, both begin anew.
    Then shorter snakes distract, as many as there is room for. Two discs mark the tail of one of the long snakes, and the
    head of the same one (label 1) or of the other one (label 0).

Every picture is a function of (seed, its number), and its discs of the label too.

Reference: Linsley et al. 2018, Learning long-range spatial dependencies with horizontal gated recurrent units; the sizes
are those of Tay et al. 2021. Not done: their resampling of images, so a picture's greys are this program's own.
"""

import math
from dataclasses import dataclass, field

import numpy as np

PADDLE_TRIES, SNAKE_TRIES = 3, 5
LEAST_FREE = 0.01
"""Of the pixels: with fewer there is no room for another distractor."""
_MASK64 = (1 << 64) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class PathfinderRules:
    """Sizes in pixels of pictures and what is on them; the fields are those of csrc/generators/pathfinder.hpp, in order."""

    size: int
    padding: int
    lowest_margin: int
    highest_margin: int
    contour_length: int
    distractor_length: int
    num_distractors: int
    paddle_length: float
    thickness: float
    seed_distance: float
    marker_radius: float
    continuity: float
    contrast: float


class SplitMix64:
    """Random numbers of 64 bits (Steele, Lea and Flood 2014)."""

    def __init__(self, state: int) -> None:
        self._state = state & _MASK64

    def next(self) -> int:
        """The next 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK64
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK64
        return z ^ (z >> 31)

    def uniform(self) -> float:
        """In [0, 1)."""
        return (self.next() >> 11) * 2.0**-53

    def below(self, n: int) -> int:
        """In 0 .. n - 1."""
        return int(self.uniform() * n)


@dataclass(frozen=True, slots=True)
class Paddle:
    """A dash (points are (x, y)); quarters: of each pixel that it touches, (y, x) -> how many of its four parts."""

    tail: tuple[float, float]
    head: tuple[float, float]
    pivot: tuple[float, float]
    direction: tuple[float, float]
    quarters: dict[tuple[int, int], int] = field(repr=False)


def _rounded(x: float) -> int:
    """To the nearest whole number, halves away from 0, as C rounds."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def _distance2(p: tuple[float, float], a: tuple[float, float], b: tuple[float, float]) -> float:
    """Squared distance of p to the segment from a to b."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy
    t = ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length2 if length2 > 0 else 0.0
    t = min(max(t, 0.0), 1.0)
    ex, ey = p[0] - (a[0] + t * dx), p[1] - (a[1] + t * dy)
    return ex * ex + ey * ey


class Picture:
    """A picture while it is drawn."""

    def __init__(self, rules: PathfinderRules, random: SplitMix64) -> None:
        self.rules, self.random = rules, random
        self.margin = rules.lowest_margin + random.below(rules.highest_margin - rules.lowest_margin + 1)
        steps = range(-self.margin, self.margin + 1)
        self.near = [(dy, dx) for dy in steps for dx in steps if dy * dy + dx * dx <= self.margin**2]
        self.pair: tuple[list[Paddle], list[Paddle]] = ([], [])
        self.layer: list[Paddle] = []
        self.clear()

    def draw(self, label: int) -> tuple[np.ndarray, int]:
        """The picture (size, size), uint8, and how many distractors had room."""
        while not self.place_pair():
            pass
        placed = self.place_distractors()
        first = self.random.below(2)
        last = first if label else 1 - first
        image = np.zeros((self.rules.size, self.rules.size), np.uint8)
        for paddle in self.layer:
            for pixel, quarters in paddle.quarters.items():
                _paint(image, pixel, min(1.0, self.rules.contrast * quarters / 4))
        for tip in (self.pair[first][0].tail, self.pair[last][-1].head):
            for pixel, quarters in self.covered(tip, tip, self.rules.marker_radius).items():
                _paint(image, pixel, quarters / 4)
        return image, placed

    def covered(self, a: tuple[float, float], b: tuple[float, float], radius: float) -> dict[tuple[int, int], int]:
        """The pixels of which a quarter or more lies within `radius` of the segment, row by row."""
        last = self.rules.size - 1
        x0, x1 = max(0, math.floor(min(a[0], b[0]) - radius)), min(last, math.ceil(max(a[0], b[0]) + radius))
        y0, y1 = max(0, math.floor(min(a[1], b[1]) - radius)), min(last, math.ceil(max(a[1], b[1]) + radius))
        found = {}
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                parts = [(x + dx, y + dy) for dy in (-0.25, 0.25) for dx in (-0.25, 0.25)]
                quarters = sum(_distance2(part, a, b) <= radius * radius for part in parts)
                if quarters:
                    found[y, x] = quarters
        return found

    def clear(self) -> None:
        """Only the border is there."""
        size, padding = self.rules.size, self.rules.padding
        self.mask, self.taken = np.zeros((size, size), bool), np.zeros((size, size), bool)
        self.layer = []
        for y in range(size):
            for x in range(size):
                if min(x, y, size - 1 - x, size - 1 - y) < padding:
                    self.mark((y, x))

    def around(self, pixel: tuple[int, int]) -> list[tuple[int, int]]:
        """The pixels within the margin of one."""
        size = self.rules.size
        places = ((pixel[0] + dy, pixel[1] + dx) for dy, dx in self.near)
        return [(y, x) for y, x in places if 0 <= y < size and 0 <= x < size]

    def mark(self, pixel: tuple[int, int]) -> None:
        """Something is there."""
        self.mask[pixel] = True
        for each in self.around(pixel):
            self.taken[each] = True

    def join(self, paddle: Paddle) -> None:
        """A paddle is there."""
        for pixel in paddle.quarters:
            self.mark(pixel)

    def meets(self, paddle: Paddle, other: Paddle | None) -> bool:
        """Whether a paddle comes within the margin of what is there, or of `other`."""
        wide = {each for pixel in paddle.quarters for each in self.around(pixel)}
        is_met = any(self.mask[pixel] for pixel in wide)
        return is_met or not wide or (other is not None and not wide.isdisjoint(other.quarters))

    def paddle(
        self,
        tail: tuple[float, float],
        head: tuple[float, float],
        pivot: tuple[float, float],
        direction: tuple[float, float],
    ) -> Paddle:
        """One with its pixels."""
        return Paddle(tail, head, pivot, direction, self.covered(tail, head, self.rules.thickness / 2))

    def seed(self, tail: tuple[float, float]) -> Paddle:
        """A first paddle with a random orientation, in whole degrees."""
        angle = self.random.below(360) * math.pi / 180.0
        u = (math.cos(angle), math.sin(angle))
        length = self.rules.paddle_length
        reach = length + self.margin
        head = (tail[0] + length * u[0], tail[1] + length * u[1])
        return self.paddle(tail, head, (tail[0] + reach * u[0], tail[1] + reach * u[1]), u)

    def extended(self, last: Paddle, other: Paddle | None) -> Paddle | None:
        """The next paddle behind `last`, if one was found."""
        heads, sums, total = [], [], 0.0
        for pixel, direction, weight in self.candidates(last):
            total += weight
            heads.append((pixel, direction))
            sums.append(total)
        length, ahead = self.rules.paddle_length, self.rules.paddle_length + 2 * float(self.margin)
        for _ in range(PADDLE_TRIES if heads else 0):
            drawn = self.random.uniform() * total
            (y, x), u = heads[next((k for k, each in enumerate(sums[:-1]) if each > drawn), len(sums) - 1)]
            tail = (x - length * u[0], y - length * u[1])
            pivot = (last.pivot[0] + ahead * u[0], last.pivot[1] + ahead * u[1])
            found = self.paddle(tail, (float(x), float(y)), pivot, u)
            if not self.meets(found, other):
                return found
        return None

    def candidates(self, last: Paddle) -> list[tuple[tuple[int, int], tuple[float, float], float]]:
        """Pixels where a next head can be, the directions to them from the pivot, and their weights; row by row."""
        size, continuity, (px, py) = self.rules.size, self.rules.continuity, last.pivot
        radius = self.rules.paddle_length + float(self.margin)
        reach, widest = math.ceil(radius) + 2, math.cos(math.pi / 2 / continuity)
        found = []
        for y in range(max(0, _rounded(py) - reach), min(size - 1, _rounded(py) + reach) + 1):
            for x in range(max(0, _rounded(px) - reach), min(size - 1, _rounded(px) + reach) + 1):
                dx, dy = x - px, y - py
                distance2 = dx * dx + dy * dy
                if not (radius - 0.5) ** 2 <= distance2 <= (radius + 0.5) ** 2 or self.taken[y, x]:
                    continue
                distance = math.sqrt(distance2)
                u = (dx / distance, dy / distance)
                along = u[0] * last.direction[0] + u[1] * last.direction[1]
                if along > widest:
                    cosine = math.cos(continuity * math.acos(min(along, 1.0)))
                    found.append(((y, x), u, cosine * cosine))
        return found

    def place_pair(self) -> bool:
        """Try to place the two long snakes on an empty picture."""
        rules, random = self.rules, self.random
        self.clear()
        edge = _rounded(2 * rules.seed_distance)
        room = rules.size - 2 * edge
        x = float(edge + random.below(room))
        y = float(edge + random.below(room))
        angle, away = random.uniform() * 2 * math.pi, rules.seed_distance
        first = self.seed((x, y))
        second = self.seed((float(_rounded(x + away * math.cos(angle))), float(_rounded(y + away * math.sin(angle)))))
        self.pair = ([first], [second])
        if self.meets(first, None) or self.meets(second, first):
            return False
        for _ in range(1, rules.contour_length):
            for snake, other in (self.pair, self.pair[::-1]):
                found = self.extended(snake[-1], other[-1])
                if found is None:
                    return False
                self.join(snake[-1])
                snake.append(found)
        for snake in self.pair:
            self.finish(snake)
        return True

    def finish(self, snake: list[Paddle]) -> None:
        """The last paddle is there, and the snake is drawn."""
        self.join(snake[-1])
        self.layer += snake

    def place_distractors(self) -> int:
        """Place as many as there is room for; how many."""
        size, placed = self.rules.size, 0
        for _ in range(self.rules.num_distractors):
            for _ in range(SNAKE_TRIES):
                free = np.flatnonzero(~self.taken)
                if len(free) < LEAST_FREE * size * size:
                    return placed
                y, x = divmod(int(free[self.random.below(len(free))]), size)
                if self.place_distractor((float(x), float(y))):
                    placed += 1
                    break
        return placed

    def place_distractor(self, tail: tuple[float, float]) -> bool:
        """Try to place one that begins at `tail`; nothing of it stays if it has no room."""
        before = self.mask.copy(), self.taken.copy()
        snake = [self.seed(tail)]
        is_placed = not self.meets(snake[0], None)
        while is_placed and len(snake) < self.rules.distractor_length:
            found = self.extended(snake[-1], None)
            if found is None:
                is_placed = False
            else:
                self.join(snake[-1])
                snake.append(found)
        if is_placed:
            self.finish(snake)
        else:
            self.mask, self.taken = before
        return is_placed


def _paint(image: np.ndarray, pixel: tuple[int, int], value: float) -> None:
    image[pixel] = max(image[pixel], _rounded(255.0 * value))


def draw_picture(rules: PathfinderRules, *, seed: int, number: int, label: int) -> tuple[np.ndarray, int]:
    """A picture (size, size), uint8, and how many distractors had room."""
    return Picture(rules, SplitMix64(SplitMix64(seed).next() + number)).draw(label)
