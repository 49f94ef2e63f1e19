"""The public names, compared with a list that is changed on purpose.

A module is public if it has an `__all__` and its room, the first name after `longspike`, has one too.
"""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import longspike

ROOT = Path(__file__).parents[2]
PINNED = ROOT / "tests" / "golden" / "public_names.txt"
REGENERATE = "python tests/architecture/test_public_api.py > tests/golden/public_names.txt"


def exported(path: Path) -> list[str]:
    """What a file's `__all__` lists, without importing it; nothing if it has none."""
    for node in ast.parse(path.read_text()).body if path.is_file() else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def public_modules() -> dict[str, list[str]]:
    """Every public module that lies in the tree, with its names."""
    source, found = ROOT / "src", {}
    for path in sorted((source / "longspike").rglob("*.py")):
        names = path.relative_to(source).with_suffix("").parts
        parts = names[:-1] if names[-1] == "__init__" else names
        room = source.joinpath(*parts[:2])
        is_public = exported(path) and (exported(room / "__init__.py") or exported(room.with_suffix(".py")))
        if is_public and not any(part.startswith("_") for part in parts):
            found[".".join(parts)] = sorted(exported(path))
    return found


def public_names() -> str:
    """One name a line."""
    return "".join(f"{module}: {name}\n" for module, names in sorted(public_modules().items()) for name in names)


def test_the_public_names_are_those_that_are_pinned() -> None:
    now, pinned = set(public_names().splitlines()), set(PINNED.read_text().splitlines())
    assert (sorted(now - pinned), sorted(pinned - now)) == ([], []), f"new | gone; if that is the purpose: {REGENERATE}"


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_is_there(module: str) -> None:
    found = importlib.import_module(module)
    assert len(set(found.__all__)) == len(found.__all__)
    for name in found.__all__:
        assert getattr(found, name) is not None


def test_a_public_module_lists_all_that_it_defines() -> None:
    """What is meant for its room alone starts with an underscore or lives in a file without `__all__`."""
    missing = []
    for module, names in public_modules().items():
        path = (ROOT / "src").joinpath(*module.split(".")).with_suffix(".py")
        for node in ast.parse(path.read_text()).body if path.is_file() else ():
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                missing += [f"{module}.{node.name}"] if node.name not in names else []
    assert missing == []


def test_every_public_room_is_reached_from_the_package() -> None:
    rooms = {name.split(".")[1] for name in public_modules() if "." in name}
    source = ROOT / "src" / "longspike"
    assert rooms == {
        name for name in longspike.__all__ if (source / name).is_dir() or (source / f"{name}.py").is_file()
    }


def test_the_documentation_describes_public_modules_only() -> None:
    pages = "".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    assert set(re.findall(r"automodule:: (\S+)", pages)) <= set(public_modules())


def test_the_package_lists_what_it_has() -> None:
    assert dir(longspike) == longspike.__all__ == sorted(longspike.__all__)
    with pytest.raises(AttributeError, match="module 'longspike' has no attribute 'nothing'"):
        longspike.nothing  # noqa: B018


def test_type_checkers_see_every_name() -> None:
    """What `__getattr__` finds when the program runs is imported for tools that only read."""
    tree = ast.parse((ROOT / "src" / "longspike" / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imported = {alias.name: node.module for node in block.body[:-1] for alias in node.names}
    assert set(imported) | {ast.unparse(block.body[-1].target)} == set(longspike.__all__)
    for name, module in imported.items():
        assert getattr(importlib.import_module(module), name) is getattr(longspike, name)


def test_importing_and_looking_around_imports_nothing_heavy() -> None:
    code = (
        "import sys, longspike; dir(longspike); longspike.__version__; longspike.errors.ConfigError\n"
        "print(sorted({'torch', 'numpy', 'lightning', 'tyro'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_exception_of_the_package_is_public() -> None:
    """One base, one module."""
    errors = importlib.import_module("longspike.errors")
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.LongspikeError)
    elsewhere = [
        f"{path.name}: {node.name}"
        for path in (ROOT / "src" / "longspike").rglob("*.py")
        if path.name != "errors.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Error") for base in node.bases)
    ]
    assert elsewhere == []


if __name__ == "__main__":
    print(public_names(), end="")
