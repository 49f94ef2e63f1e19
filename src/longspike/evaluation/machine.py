"""What the numbers were measured with: versions and the machine."""

import os
import platform
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch


def versions() -> dict[str, str]:
    """Versions of the package and of what computes for it."""
    return {
        "longspike": version("longspike"),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "python": platform.python_version(),
    }


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as the system gives it."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def caches(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> dict[str, str]:
    """Sizes of the first core's caches by name, as the system gives them; empty where it does not."""
    kinds = {"Data": "d", "Instruction": "i", "Unified": ""}
    found = {}
    for cache in sorted(folder.glob("index*")):
        level, kind, size = ((cache / name).read_text().strip() for name in ("level", "type", "size"))
        found[f"L{level}{kinds.get(kind, '')}"] = size
    return found


def machine(device: torch.device) -> dict[str, str | int]:
    """Processor, cores, threads, and the device that computed."""
    is_gpu = device.type == "cuda"
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count() or 1,
        "torch_threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(device) if is_gpu else device.type,
    }


def peak_memory_bytes() -> int | None:
    """The largest memory that this process has had; None where the system does not tell."""
    if find_spec("resource") is None:
        return None
    peak: int = import_module("resource").getrusage(import_module("resource").RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
