"""Settings of a command-line process that a library must not touch: memory and thread waiting.

Training on a CPU makes and drops tensors of tens of megabytes. By default glibc maps each afresh and unmaps it again,
and the page faults cost more than the arithmetic; keeping freed memory makes a step of the smnist recipe several times
faster. OpenMP threads that wait by spinning stall each other when another process wants the same cores; passive waiting
costs a little on an idle machine and saves an order of magnitude on a busy one.
"""

import ctypes
import os
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Let glibc reuse freed memory up to 1 GiB instead of returning it; False where there is no glibc."""
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES))


def prepare_process() -> None:
    """Set both; call it before PyTorch is imported, since OpenMP reads its variables once."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    keep_freed_memory()
