"""Finding a data set's files: the folders that are searched, what each lacks, and the error that says so."""

from dataclasses import dataclass
from pathlib import Path

from longspike.errors import DataFileError


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """A form in which a data set can lie below the data folder.

    Args:
        folders: the folders that are looked at, in this order; "." is the data folder itself.
        needs: per file (or folder) that must be there, the names it may have; the first that exists is taken.
    """

    folders: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchResult:
    """What a search found.

    Args:
        folder: the first complete folder; None if none is complete.
        found: its files in the order of its layout's needs; of the fullest folder if none is complete.
        gaps: one line per folder that was looked at, saying what it lacks.
        missing: the names that the fullest folder lacks, empty if one is complete.
    """

    folder: Path | None
    found: tuple[Path, ...]
    gaps: tuple[str, ...]
    missing: tuple[str, ...]


def _examine(folder: Path, needs: tuple[tuple[str, ...], ...]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The needed files that exist in a folder, and the names of those that do not."""
    found, missing = [], []
    for names in needs:
        present = [folder / name for name in names if (folder / name).exists()]
        if present:
            found.append(present[0])
        else:
            missing.append(" or ".join(names))
    return tuple(found), tuple(missing)


def search(root: Path, layouts: tuple[Layout, ...]) -> SearchResult:
    """Look at the folders below `root` in order and stop at the first that is complete; nothing is opened."""
    best_found: tuple[Path, ...] = ()
    best_missing: tuple[str, ...] = ()
    gaps: list[str] = []
    for folder, needs in ((root / name, layout.needs) for layout in layouts for name in layout.folders):
        found, missing = _examine(folder, needs)
        if not missing:
            return SearchResult(folder=folder, found=found, gaps=tuple(gaps), missing=())
        gaps.append(f"{folder}: {name_list(missing)}")
        if not best_missing or len(found) > len(best_found):
            best_found, best_missing = found, missing
    return SearchResult(folder=None, found=best_found, gaps=tuple(gaps), missing=best_missing)


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


def require_files(
    name: str, root: Path, layouts: tuple[Layout, ...], *, page: str | None = None, command: str = "download"
) -> tuple[Path, tuple[Path, ...]]:
    """The first complete folder below `root` and its files, in the order of its layout's needs.

    Args:
        page: the publisher's address of sets that `longspike data download` does not fetch.
        command: what makes the files otherwise: `longspike data COMMAND NAME`.
    Raises: DataFileError, with every folder that was looked at, what it lacks, and the remedies.
    """
    result = search(root, layouts)
    if result.folder is None:
        remedy = (
            f"Run `longspike data {command} {name}`" if page is None else f"Fetch it from {page} and unpack it there"
        )
        places = "".join(f"\n  {gap}" for gap in result.gaps)
        raise DataFileError(
            f"{name}: files are missing. Looked in, and did not find:{places}\n"
            f"{remedy}, or set LONGSPIKE_DATA to the folder that holds the data."
        )
    return result.folder, result.found
