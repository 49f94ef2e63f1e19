"""Finding a data set's files: the folders that are searched, what each lacks, and the error that says so."""

from dataclasses import dataclass
from pathlib import Path

from longspike.errors import DataFileError


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One place in which a data set can lie.

    Args:
        folder: the folder that is looked at.
        needs: per file (or folder) that must be there, the names it may have; the first that exists is taken.
    """

    folder: Path
    needs: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchResult:
    """What a search found.

    Args:
        layout: the first complete layout; None if no layout is complete.
        found: its files in the order of its needs; of the fullest layout if none is complete.
        gaps: one line per layout that was looked at, saying which folder and what it lacks.
        missing: the names that the fullest layout lacks, empty if one is complete.
    """

    layout: Layout | None
    found: tuple[Path, ...]
    gaps: tuple[str, ...]
    missing: tuple[str, ...]


def _examine(layout: Layout) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The files of a layout that exist, and the names of those that do not."""
    found, missing = [], []
    for names in layout.needs:
        present = [layout.folder / name for name in names if (layout.folder / name).exists()]
        if present:
            found.append(present[0])
        else:
            missing.append(" or ".join(names))
    return tuple(found), tuple(missing)


def search(layouts: tuple[Layout, ...]) -> SearchResult:
    """Look at the layouts in order and stop at the first that is complete; nothing is opened."""
    best_found: tuple[Path, ...] = ()
    best_missing: tuple[str, ...] = ()
    gaps: list[str] = []
    for layout in layouts:
        found, missing = _examine(layout)
        if not missing:
            return SearchResult(layout=layout, found=found, gaps=tuple(gaps), missing=())
        gaps.append(f"{layout.folder}: {name_list(missing)}")
        if not best_missing or len(found) > len(best_found):
            best_found, best_missing = found, missing
    return SearchResult(layout=None, found=best_found, gaps=tuple(gaps), missing=best_missing)


MOST_NAMES = 20
"""A list of missing names is cut after so many."""


def name_list(names: tuple[str, ...], *, most: int = MOST_NAMES) -> str:
    """Names for a message, separated by commas; long lists are cut, and the rest counted.

    Example:
        >>> name_list(("a", "b", "c"), most=2)
        'a, b and 1 more'
    """
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def require_layout(
    name: str, layouts: tuple[Layout, ...], *, page: str | None = None
) -> tuple[Layout, tuple[Path, ...]]:
    """The first complete layout and its files, in the order of its needs.

    Args:
        page: the publisher's address of sets that `longspike data download` does not fetch.
    Raises: DataFileError, with every folder that was looked at, what it lacks, and the remedies.
    """
    result = search(layouts)
    if result.layout is None:
        remedy = (
            f"Run `longspike data download {name}`" if page is None else f"Fetch it from {page} and unpack it there"
        )
        places = "".join(f"\n  {gap}" for gap in result.gaps)
        raise DataFileError(
            f"{name}: files are missing. Looked in, and did not find:{places}\n"
            f"{remedy}, or set LONGSPIKE_DATA to the folder that holds the data."
        )
    return result.layout, result.found
