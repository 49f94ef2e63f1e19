"""A recipe from where it is: by name, from a user's own Python file, or from the record of a run."""

import json
from pathlib import Path

from longspike.errors import ConfigError
from longspike.models.checkpoint import CONFIG
from longspike.recipes.definition import Recipe
from longspike.recipes.python_file import from_python
from longspike.recipes.run_folder import RECORD
from longspike.recipes.table import recipe, recipes


def load(source: str | Path) -> Recipe:
    """The recipe that `source` names.

    Args:
        source: a name of `recipes()`; or a Python file, "my.py" or "my.py:NAME", which is executed; or a JSON file, which
            is only read: recipe.json of a run, or what `longspike recipes NAME --json` prints; or the folder of a run or
            of a trained model.
    Raises: ConfigError if there is no such recipe or file, or if the file holds none, several, or a mistake: with the line.

    Example:
        >>> load("digits").training.epochs
        60
    """
    text = str(source)
    if text in recipes():
        return recipe(text)
    stem, mark, name = text.partition(".py:")
    if mark or text.endswith(".py"):
        return from_python(Path(f"{stem}.py" if mark else text), name)
    path = Path(text)
    records = [path / name for name in (RECORD, CONFIG) if (path / name).is_file()]
    if path.exists() and path.suffix != ".json" and not records:
        raise ConfigError(
            f"{path} is no recipe. If it is data to train on, say what is to be learnt: `longspike train classify {path}`; "
            "label, forecast, lm and events are others."
        )
    path = records[0] if records else path
    return _from_json(path) if path.suffix == ".json" else recipe(text)


def _from_json(file: Path) -> Recipe:
    if not file.is_file():
        raise ConfigError(f"there is no recipe file {file}. `longspike train` leaves {RECORD} in the folder of a run.")
    try:
        tree = json.loads(file.read_text())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is damaged, so no recipe can be read from it ({error}).") from None
    for key in ("metadata", "recipe"):  # of a saved model, of the record of a run
        tree = tree[key] if isinstance(tree, dict) and key in tree else tree
    try:
        return Recipe.from_dict(tree)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
