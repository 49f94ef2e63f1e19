"""A recipe from a user's own Python file, which is executed as a script would be."""

import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from longspike._core.mistakes import did_you_mean, shown
from longspike.errors import ConfigError
from longspike.recipes.definition import Recipe


def from_python(file: Path, name: str = "") -> Recipe:
    """The recipe called `name` in a file; without a name `recipe`, or the only one that the file defines.

    A recipe is a `Recipe`, or a function without arguments that returns one.

    Raises: ConfigError if there is no such file or recipe, and for whatever goes wrong in the file, with the line.
    """
    if not file.is_file():
        raise ConfigError(f"there is no recipe file {file}. Give the path of a Python file that defines a recipe.")
    with _as_script(file):
        module = _executed(file)
        chosen = name or _default(file, module)
        if not hasattr(module, chosen):
            found = _recipe_names(module)
            hint = did_you_mean(chosen, found)
            raise ConfigError(f"{file} defines no {chosen!r}.{hint} Its recipes are: {', '.join(found) or 'none'}.")
        value = getattr(module, chosen)
        value = value() if callable(value) else value
    if not isinstance(value, Recipe):
        raise ConfigError(f"{file}: {chosen!r} must be a Recipe or a function that returns one; got {shown(value)}.")
    return value


@contextmanager
def _as_script(file: Path) -> Iterator[None]:
    """Let the file import its neighbours, as Python does for a script, and say in which line it fails."""
    before = list(sys.path)
    sys.path.insert(0, str(file.parent.resolve()))
    try:
        yield
    except ConfigError as error:
        line = _line(file, error)
        if line is None:
            raise
        raise ConfigError(f"{file}, line {line}: {error}") from error
    except Exception as error:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ConfigError(f"{file}, line {_line(file, error)}: {type(error).__name__}: {text}") from error
    finally:
        sys.path[:] = before


def _line(file: Path, error: Exception) -> int | None:
    """The last line of the file on the way to the error; None if it was not on the way."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return lines[-1] if lines else None


def _executed(file: Path) -> ModuleType:
    module = ModuleType(f"longspike recipe {file}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # where a dataclass in the file looks for its module
    exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)
    return module


def _default(file: Path, module: ModuleType) -> str:
    found = _recipe_names(module)
    if "recipe" in found or len(found) == 1:
        return "recipe" if "recipe" in found else found[0]
    if found:
        raise ConfigError(f"{file} defines several recipes. Choose one: {', '.join(f'{file}:{x}' for x in found)}.")
    raise ConfigError(f"{file} defines no recipe. Define a Recipe called `recipe`, or a function that returns one.")


def _recipe_names(module: ModuleType) -> list[str]:
    """What the file defines itself: recipes, functions said to return one, and a function called `recipe`."""
    names = []
    for name, value in vars(module).items():
        is_own_function = inspect.isfunction(value) and value.__module__ == module.__name__
        returned = value.__annotations__.get("return") if is_own_function else None
        if isinstance(value, Recipe) or returned in (Recipe, "Recipe") or (is_own_function and name == "recipe"):
            names.append(name)
    return [name for name in names if not name.startswith("_")]
