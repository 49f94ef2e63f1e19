"""The compiled extension against its sources: what a stale build is known by, and what is said of one."""

import warnings
from pathlib import Path
from types import ModuleType

import pytest

from longspike.kernels import native


def sources(folder: Path, call: str) -> Path:
    for pattern in native.INTERFACE:
        path = folder / pattern.replace("*", "a").replace("?", "h")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"// {path.name}\n", encoding="utf-8")
    (folder / "core/kernels.hpp").write_text(call, encoding="utf-8")
    return folder


def built_as(interface: str | None) -> ModuleType:
    module = ModuleType("_native")
    module.__file__ = "/somewhere/_native.so"
    if interface is not None:
        module.__dict__["interface"] = interface
    return module


def test_a_stale_extension_is_named_with_its_remedy(tmp_path: Path) -> None:
    old = native.interface_of(sources(tmp_path / "old", "struct Call { int a; };"))
    new = sources(tmp_path / "new", "struct Call { int a, b; };")
    with pytest.warns(RuntimeWarning, match=r"_native\.so was built from other sources than .*new.*pip install -e"):
        native.warn_if_stale(built_as(old), new)


def test_what_is_no_reason_to_build_again(tmp_path: Path) -> None:
    here = sources(tmp_path / "here", "struct Call { int a; };")
    told = sources(tmp_path / "told", "// What a call takes.\nstruct Call {\n    int a;  // steps\n};\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        native.warn_if_stale(built_as(native.interface_of(here)), told)
        native.warn_if_stale(built_as("installed"), tmp_path / "nowhere")


@pytest.mark.needs_extension
def test_cmake_and_python_read_the_same() -> None:
    built = native.extension().interface
    assert len(built) == 64
    if native.SOURCES.is_dir():
        assert built == native.interface_of(native.SOURCES)
