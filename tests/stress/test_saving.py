"""`model.save` killed at every system call that it makes, and at random times: the old model or the new one is there."""

import ctypes
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import longspike
from longspike._core import files
from longspike._core.files import find_folder
from longspike.models import SpikeSSM, SpikeSSMConfig

TRACEME, KILL, SYSCALL = 0, 8, 24
LIBC = ctypes.CDLL(None, use_errno=True)


def network(value: float) -> SpikeSSM:
    model = SpikeSSM(SpikeSSMConfig(d_input=2, d_model=6, num_layers=2, d_state=4, num_outputs=3))
    with torch.no_grad():
        model.decoder.bias.fill_(value)
    return model


OLD, NEW = network(1.0), network(2.0)


def trace(request: int, child: int) -> None:
    if LIBC.ptrace(request, child, None, None) != 0:
        pytest.skip(f"no ptrace here: {os.strerror(ctypes.get_errno())}")


def killed_at(call: int, save: Callable[[], None]) -> bool:
    """Run `save` in a child and kill it when it enters or leaves system call number `call` / 2; whether it got that far."""
    child = os.fork()
    if child == 0:
        LIBC.ptrace(TRACEME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        save()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    for _ in range(call):
        trace(SYSCALL, child)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSTOPPED(status):
            return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def check(path: Path, has_old: bool) -> str:
    """Which model is there now."""
    if not has_old and not find_folder(path).exists():
        return "none"
    weight = longspike.load(path).decoder.bias[0].item()
    assert weight in ((1.0, 2.0) if has_old else (2.0,))
    return "old" if weight == 1 else "new"


@pytest.mark.parametrize("has_old", [True, False])
@pytest.mark.parametrize("way", ["swapped in one step", "two renames"])
def test_killed_at_every_system_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, has_old: bool) -> None:
    if way == "two renames":
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    path, found, call = tmp_path / "model", [], 0
    while True:
        if has_old:
            OLD.save(path)
        elif path.exists():
            (path / "config.json").unlink(), (path / "model.safetensors").unlink(), path.rmdir()
        call += 1
        if not killed_at(call, lambda: NEW.save(path)):
            break
        found.append(check(path, has_old))
        if call % 7 == 0:  # the next save sweeps; between, litter of several kills lies side by side
            OLD.save(path)
            assert os.listdir(tmp_path) == ["model"]
    print(
        f"\n{way}, {'over an old model' if has_old else 'new'}: {len(found)} kills:", {x: found.count(x) for x in found}
    )
    assert len(found) > 60
    assert "new" in found


def test_killed_at_random_times(tmp_path: Path) -> None:
    path, seconds, found = tmp_path / "model", random.Random(0), []
    began = time.perf_counter()
    OLD.save(path)
    usual = time.perf_counter() - began
    for _ in range(200):
        OLD.save(path)
        child = os.fork()
        if child == 0:
            while True:
                NEW.save(path)
                OLD.save(path)
        time.sleep(seconds.uniform(0, 6 * usual))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found.append(check(path, True))
    NEW.save(path)
    assert os.listdir(tmp_path) == ["model"]
    print("\nrandom:", {x: found.count(x) for x in found})


def test_readers_beside_a_writer_never_miss(tmp_path: Path) -> None:
    path = tmp_path / "model"
    OLD.save(path)
    child = os.fork()
    if child == 0:
        while True:
            NEW.save(path)
            OLD.save(path)
    try:
        found = [check(path, True) for _ in range(2000)]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print("\nread:", {x: found.count(x) for x in found})
