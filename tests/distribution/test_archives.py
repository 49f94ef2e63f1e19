"""The wheel and the source archive: what is in them, and that each installs and works in a clean environment.

Not part of the suite, since each compiles the kernels: `make test-wheel` and `make test-sdist` build, then run this.
"""

import email
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DATA = {
    p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src").rglob("*") if p.suffix in (".json", ".j2", ".typed")
}
SOURCES = {p.relative_to(ROOT).as_posix() for p in (ROOT / "csrc").rglob("*.[ch]pp")}


def archive(pattern: str) -> Path:
    """The one file in dist/ of this version."""
    found = list((ROOT / "dist").glob(f"longspike-{PROJECT['version']}{pattern}"))
    assert len(found) == 1, f"dist/ must hold one file; it holds {[path.name for path in found]}"
    return found[0]


@pytest.fixture(params=["wheel", "sdist"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def path(kind: str) -> Path:
    return archive("-*.whl" if kind == "wheel" else ".tar.gz")


def names(path: Path) -> set[str]:
    """The files of an archive, as they lie in site-packages or in the repository."""
    if path.suffix == ".whl":
        return set(zipfile.ZipFile(path).namelist())
    with tarfile.open(path) as tar:
        return {name.partition("/")[2] for name in tar.getnames()}


def metadata(path: Path) -> email.message.Message:
    """The fields of METADATA or PKG-INFO."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            return email.message_from_bytes(wheel.read(name))
    with tarfile.open(path) as tar:
        (member,) = [m for m in tar.getmembers() if m.name.count("/") == 1 and m.name.endswith("/PKG-INFO")]
        return email.message_from_bytes(tar.extractfile(member).read())


def test_contents(kind: str, path: Path) -> None:
    found = names(path)
    modules = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src").rglob("*.py")}
    assert {"longspike/py.typed", "longspike/neurons/sdn_weights.json"} <= DATA
    if kind == "wheel":
        extension = {name for name in found if name.startswith("longspike/_native")}
        assert len(extension) == 1
        about = {name for name in found if ".dist-info/" in name}
        assert any(name.endswith("/licenses/LICENSE") for name in about)
        assert found - extension - about == modules | DATA
    else:
        assert {f"src/{name}" for name in modules | DATA} | SOURCES <= found
        assert {"CMakeLists.txt", "pyproject.toml", "LICENSE", "README.md", "PKG-INFO"} <= found
        assert not {name.partition("/")[0] for name in found} & {"results", "tests", "docs", "benchmarks", ".github"}
        assert not [name for name in found if name.endswith(".so")]


def test_metadata(path: Path) -> None:
    fields = metadata(path)
    assert (fields["Name"], fields["Version"]) == ("longspike", PROJECT["version"])
    assert fields["License-Expression"] == "Apache-2.0"
    assert fields["Requires-Python"] == PROJECT["requires-python"]
    done = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_names_its_python_and_machine() -> None:
    wheel = archive("-*.whl")
    tags = "cp312-abi3" if sys.version_info >= (3, 12) else f"cp3{sys.version_info.minor}-cp3{sys.version_info.minor}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert wheel.name == f"longspike-{PROJECT['version']}-{tags}-{platform}.whl"


@pytest.mark.timeout(1500)
def test_installed_in_a_clean_environment(path: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for what in (["-r", ROOT / "requirements" / "cpu.txt"], [path]):
        subprocess.run([python, "-m", "pip", "--quiet", "install", *what], check=True, cwd=tmp_path, env=clean)
    smoke = ROOT / "tests" / "distribution" / "smoke.py"
    done = subprocess.run([python, smoke], cwd=tmp_path, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"longspike     {PROJECT['version']}" in done.stdout
    assert "loaded" in done.stdout
