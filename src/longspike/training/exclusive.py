"""One training, one process, one run folder."""

import fcntl
import os
import platform
import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import Self

from longspike.errors import ConfigError, RunFolderError

LOCK = ".lock"


class RunLock:
    """While entered, no other process (and no other thread) trains in the folder, which is made.

    The system's own lock on a file `.lock` in it: it ends with the process, however that ends. The file says who has it,
    and goes with the lock. On a file system without locks nothing is locked.

    Raises: RunFolderError naming the owner.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir, self._file, self._handle = run_dir, run_dir / LOCK, -1

    def __enter__(self) -> Self:
        self._run_dir.mkdir(parents=True, exist_ok=True)
        while not self._is_taken():
            os.close(self._handle)
        owner = f"process {os.getpid()} on {platform.node()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
        os.ftruncate(self._handle, 0)
        os.write(self._handle, owner.encode())
        return self

    def _is_taken(self) -> bool:
        """Lock the file; False if a former owner has just deleted it."""
        self._handle = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._handle, 200).decode(errors="replace") or "another process"
            os.close(self._handle)
            raise RunFolderError(
                f"{self._run_dir} is being trained in by {owner}. Wait until it has ended, stop it, or choose another "
                "folder with --run-dir."
            ) from None
        except OSError:  # no locks here
            return True
        try:
            return os.path.samestat(os.fstat(self._handle), os.stat(self._file))
        except FileNotFoundError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.unlink(missing_ok=True)
        os.close(self._handle)


def check_alone() -> None:
    """Warn of tasks that a training would not use.

    Raises: ConfigError if this process is one of several that torchrun or its like have started.
    """
    world = os.environ.get("WORLD_SIZE", "1")
    if world.isdigit() and int(world) > 1:
        raise ConfigError(
            f"fit: this is one of {world} processes of a distributed start (WORLD_SIZE={world}, "
            f"RANK={os.environ.get('RANK', '?')}), and a training is one process. Start it without torchrun."
        )
    tasks = os.environ.get("SLURM_NTASKS", "1")
    if tasks.isdigit() and int(tasks) > 1:
        warnings.warn(
            f"fit: SLURM was asked for {tasks} tasks (SLURM_NTASKS={tasks}), and a training is one process. Ask for "
            "--ntasks=1, or give every task a run folder of its own.",
            stacklevel=3,
        )
