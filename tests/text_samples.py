"""Small data sets of texts in their published layouts."""

from pathlib import Path

import numpy as np

CHARACTERS = "".join(map(chr, [*range(32, 127), *range(161, 197)]))
"""131 of them: as many as occur 15 times in the published reviews."""


def write_imdb(root: Path, *, num_train: int = 10, num_test: int = 3) -> None:
    """Reviews of 150 characters and more, which name every one of `CHARACTERS`; the first is 5,000 long."""
    random = np.random.default_rng(3)
    for part, count in (("train", num_train), ("test", num_test)):
        for folder in ("neg", "pos"):
            place = root / "aclImdb" / part / folder
            place.mkdir(parents=True)
            for k in range(count):
                filler = "".join(random.choice(list("abc de"), 5000 if k == 0 else 20 + 7 * k))
                (place / f"{k}_7.txt").write_bytes((CHARACTERS + "œ" * (k == 1) + filler).encode())
