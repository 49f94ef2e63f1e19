"""Files and folders written whole or not at all: what is at the path after a failure, a kill, a race."""

import errno
import fcntl
import os
import resource
import signal
from pathlib import Path

import pytest
import torch

from longspike._core import files
from longspike._core.files import find_folder, replace_file, replace_folder, replace_text
from longspike.errors import FileWriteError


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def filler(text: str):
    def write(folder: Path) -> None:
        (folder / "a").write_text(text)
        (folder / "sub").mkdir()
        (folder / "sub" / "b").write_text(text * 2)

    return write


def content(folder: Path) -> str:
    a, b = (folder / "a").read_text(), (folder / "sub" / "b").read_text()
    assert b == a * 2
    return a


@pytest.fixture(params=["swapped in one step", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "two renames":
        monkeypatch.setattr(files, "_exchange", lambda *_: False)


@pytest.mark.usefixtures("way")
def test_new_then_replaced_and_nothing_beside(tmp_path: Path) -> None:
    for text in ("one", "two"):
        replace_text(tmp_path / "deep" / "f.txt", text)
        replace_folder(tmp_path / "deep" / "g", filler(text))
        assert (tmp_path / "deep" / "f.txt").read_text() == text
        assert content(tmp_path / "deep" / "g") == text
        assert names(tmp_path / "deep") == ["f.txt", "g"]


def test_rights_and_links_are_kept(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    replace_text(tmp_path / "real" / "f", "one")
    replace_folder(tmp_path / "real" / "g", filler("one"))
    usual = (tmp_path / "real").stat().st_mode & 0o777
    assert (tmp_path / "real" / "g").stat().st_mode & 0o777 == usual
    assert (tmp_path / "real" / "f").stat().st_mode & 0o777 == usual & 0o666
    for name in ("f", "g"):
        (tmp_path / "real" / name).chmod(0o700)
        (tmp_path / name).symlink_to(tmp_path / "real" / name)
    replace_text(tmp_path / "f", "two")
    replace_folder(tmp_path / "g", filler("two"))
    assert (tmp_path / "f").is_symlink()
    assert (tmp_path / "g").is_symlink()
    assert (tmp_path / "real" / "f").read_text() == content(tmp_path / "real" / "g") == "two"
    assert {(tmp_path / "real" / name).stat().st_mode & 0o777 for name in "fg"} == {0o700}


def test_every_file_and_folder_is_flushed_before_the_rename_and_the_names_after(tmp_path, monkeypatch) -> None:
    log: list[str] = []
    flush, rename, exchange = os.fsync, os.replace, files._exchange

    def named(handle: int) -> None:
        log.append("flush " + Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        flush(handle)

    monkeypatch.setattr(os, "fsync", named)
    monkeypatch.setattr(os, "replace", lambda a, b: (log.append("rename"), rename(a, b)))
    monkeypatch.setattr(files, "_exchange", lambda a, b: (log.append("rename"), exchange(a, b))[1])
    replace_text(tmp_path / "f", "one")
    assert log == ["flush new", "rename", f"flush {tmp_path.name}"]
    for _ in range(2):
        log.clear()
        replace_folder(tmp_path / "g", filler("one"))
        assert sorted(log[: log.index("rename")]) == ["flush a", "flush b", "flush new", "flush sub"]
        assert log[-1] == f"flush {tmp_path.name}"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("has_old", [False, True])
@pytest.mark.parametrize("at", range(5))
def test_killed_at_each_rename(tmp_path: Path, has_old: bool, at: int) -> None:
    place = tmp_path / "model"
    if has_old:
        replace_folder(place, filler("old"))
    child = os.fork()
    if child == 0:
        left = [at]

        def dies(call):
            def step(*arguments):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return call(*arguments)

            return step

        for module, name in ((os, "replace"), (files, "_exchange"), (files.shutil, "rmtree"), (os, "mkdir")):
            setattr(module, name, dies(getattr(module, name)))
        replace_folder(place, filler("new"))
        os._exit(0)
    os.waitpid(child, 0)
    found = find_folder(place)
    assert not (has_old and not found.exists())
    if found.exists():
        assert content(found) in ("old", "new")
    replace_folder(place, filler("third"))
    assert content(place) == "third"
    assert names(tmp_path) == ["model"]


def test_a_living_writer_is_not_swept_and_what_is_named_alike_is_not_touched(tmp_path: Path) -> None:
    living, dead = (tmp_path / f".model.{token * 16}.partial" for token in "ab")
    others = [".model.old.cccccccccccccccc.partial", ".model-x", "model.partial"]
    for folder in [living, dead, *(tmp_path / name for name in others)]:
        folder.mkdir()
    handle = os.open(living, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    replace_folder(tmp_path / "model", filler("one"))
    assert names(tmp_path) == sorted([*others, living.name, "model"])
    os.close(handle)
    replace_folder(tmp_path / "model", filler("two"))
    assert names(tmp_path) == sorted([*others, "model"])


def test_an_old_folder_that_was_half_removed_is_never_found(tmp_path: Path) -> None:
    staging = tmp_path / f".model.{'a' * 16}.partial"
    (staging / "done").mkdir(parents=True)
    (staging / "done" / "a").write_text("half")
    assert find_folder(tmp_path / "model") == tmp_path / "model"


@pytest.mark.parametrize("write", ["stream", "torch", "folder"])
def test_no_space_names_the_file_and_leaves_the_old_one(tmp_path: Path, write: str) -> None:
    path, data = tmp_path / "f", b"x" * 100_000
    calls = {
        "stream": lambda: replace_file(path, lambda stream: stream.write(data)),
        "torch": lambda: replace_file(path, lambda stream: torch.save(torch.zeros(100_000), stream)),
        "folder": lambda: replace_folder(path, lambda folder: (folder / "big").write_bytes(data)),
    }
    replace_folder(path, filler("old")) if write == "folder" else replace_text(path, "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(FileWriteError, match=f"cannot write {path}: File too large") as caught:
            calls[write]()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert (content(path) if write == "folder" else path.read_text()) == "old"
    assert names(tmp_path) == ["f"]


def test_devices_folders_and_denied_places(tmp_path: Path) -> None:
    replace_text("/dev/null", "gone")
    with pytest.raises(FileWriteError, match=r"cannot write /dev/full: No space left on device. Free some space"):
        replace_text("/dev/full", "much")
    with pytest.raises(FileWriteError, match=r"Is a directory. Name a file"):
        replace_text(tmp_path, "text")
    with pytest.raises(FileWriteError, match=r"cannot write /proc/x/f: .*"):
        replace_text("/proc/x/f", "text")
    (tmp_path / "closed").mkdir(mode=0o500)
    if os.geteuid() != 0:
        with pytest.raises(FileWriteError, match=r"Permission denied. Choose a place"):
            replace_folder(tmp_path / "closed" / "g", filler("one"))


def test_what_the_writer_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        replace_file(tmp_path / "f", lambda stream: 1 / 0)
    assert names(tmp_path) == []
