"""The folder of a run: what may go into it, and the record of the recipe."""

import json
import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from longspike._core.files import replace_text
from longspike.errors import ConfigError, RunFolderError
from longspike.models.transfer import fingerprint
from longspike.recipes.definition import Recipe

RECORD = "recipe.json"
_OURS = (RECORD, "last.ckpt", "best.ckpt", "model", "logs", "evaluation.json", "report.html")
_LEFT = re.compile(rf"\.({'|'.join(map(re.escape, (*_OURS, 'lock')))})(\..*)?")
"""Names of what a killed run leaves: a lock, and files that were not written to their end."""
_PLACES = ("data.path", "data.reading.test")
"""Where own data lies may change while what is found there does not."""
_PACKAGES = ("longspike", "torch", "numpy", "lightning")


def versions() -> dict[str, str]:
    """What the run was made with."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def fingerprint_of_start(run_dir: Path, recipe: Recipe, *, goes_on: bool) -> dict[str, str]:
    """The SHA-256 of the weights that the run begins with, for its record; of a run that goes on, as recorded."""
    key = "from_model_sha256"
    if recipe.from_model is None:
        return {}
    recorded = json.loads((run_dir / RECORD).read_text(encoding="utf-8")) if goes_on else {}
    return {key: recorded.get(key) or fingerprint(recipe.from_model)}


def write_record(run_dir: Path, record: dict[str, Any]) -> None:
    """Write recipe.json whole or not at all."""
    replace_text(run_dir / RECORD, json.dumps(record, indent=2) + "\n")


def _check_same(run_dir: Path, recipe: Recipe) -> None:
    """Raise unless the recorded recipe is `recipe`."""
    file = run_dir / RECORD
    now = _flat(json.loads(json.dumps(recipe.as_dict())))
    try:
        recorded = json.loads(file.read_text(encoding="utf-8"))["recipe"]
        before = _flat(json.loads(json.dumps(_as_this_version(recorded))))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # no JSON, or another document
        raise ConfigError(f"{file} is damaged, so the run cannot be continued. Train again with --overwrite.") from None
    decisive = {
        key
        for key in before.keys() | now.keys()
        if key.partition(".")[0] in ("name", "data", "model", "training", "augmentation", "from_model")
        and key not in _PLACES
    }
    changed = [
        f"{k} was {before.get(k)!r}, now {now.get(k)!r}" for k in sorted(decisive) if before.get(k) != now.get(k)
    ]
    if changed:
        raise ConfigError(
            f"{run_dir} was trained with another recipe: {'; '.join(changed)}. Resume with the same recipe and --set "
            "values, or choose another folder with --run-dir."
        )


def _as_this_version(recorded: dict[str, Any]) -> dict[str, Any]:
    """A recorded recipe with the fields that came later, or as it is if this version does not know it."""
    try:
        return Recipe.from_dict(recorded).as_dict()
    except ConfigError:
        return recorded


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


def check(run_dir: Path, recipe: Recipe, *, resume: bool, overwrite: bool) -> None:
    """Look whether the folder is fit for the run; nothing is changed.

    Raises:
        RunFolderError: it holds a run and neither `resume` nor `overwrite` is set, or it holds something else.
        ConfigError: `resume`, and the recorded recipe differs.
    """
    if resume and overwrite:
        raise ConfigError("--resume and --overwrite exclude each other. Give one of them.")
    if run_dir.exists() and not run_dir.is_dir():
        raise RunFolderError(f"{run_dir} is a file. Choose a folder with --run-dir.")
    if not run_dir.exists() or all(_LEFT.fullmatch(path.name) for path in run_dir.iterdir()):
        return
    if not (run_dir / RECORD).is_file():
        raise RunFolderError(f"{run_dir} exists and is not a training run. Choose another folder with --run-dir.")
    if resume:
        _check_same(run_dir, recipe)
    elif not overwrite:
        raise RunFolderError(
            f"{run_dir} holds a training run already. Continue it with --resume, choose another folder with --run-dir, "
            "or replace it with --overwrite."
        )


def clear(run_dir: Path) -> None:
    """Delete what a run writes and nothing else; the record goes last, so that a half-cleared run stays a run."""
    left = [path.name for path in run_dir.iterdir() if _LEFT.fullmatch(path.name) and path.name != ".lock"]
    for name in (*left, *reversed(_OURS)):
        path = run_dir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
