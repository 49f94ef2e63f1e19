"""`longspike info`: what is installed, and what runs the kernels."""

import platform
from importlib.util import find_spec
from typing import Any

from longspike.cli.output import print_facts, print_json

EXTRAS = {
    "train": ("lightning", "tensorboard"),
    "data": ("sklearn", "PIL"),
    "events": ("h5py", "zstandard"),
    "viz": ("matplotlib", "jinja2"),
    "gpu": ("triton",),
}
"""Extra -> the modules that it brings."""


def info(*, json: bool = False) -> int:
    """Show versions, the compiled extension, threads and extras.

    Args:
        json: Print JSON.
    """
    found = collect()
    if json:
        print_json(found)
        return 0
    extension = found["extension"]
    loaded = f"loaded, {extension['instruction_set']}" if extension["is_loaded"] else f"no: {extension['reason']}"
    triton = found["triton"]["reason"]
    facts: list[tuple[str, ...]] = [(name, found[name]) for name in ("longspike", "python", "torch", "platform")]
    facts += [
        ("extension", loaded),
        ("thread pool", extension["thread_pool"] or "none"),
        ("threads", str(found["threads"])),
        ("cuda", found["cuda"] or "no device"),
        ("gpu kernels", f"no: {triton}" if triton else "triton, when on cuda"),
    ]
    for extra, state in found["extras"].items():
        facts.append((f"extra {extra}", "installed" if state["is_installed"] else f"missing; run: {state['install']}"))
    print_facts(facts)
    return 0


def collect() -> dict[str, Any]:
    """The facts, as plain values."""
    import torch

    import longspike
    from longspike.kernels import _triton, native

    is_loaded = native.is_available()
    extension = {
        "is_loaded": is_loaded,
        "reason": native.unavailable_reason or None,
        "instruction_set": native.extension().architecture() if is_loaded else None,
        "thread_pool": native.extension().thread_pool() if is_loaded else None,
    }
    extras = {
        extra: {
            "is_installed": all(find_spec(module) is not None for module in modules),
            "install": f'pip install "longspike[{extra}]"',
        }
        for extra, modules in EXTRAS.items()
    }
    return {
        "longspike": longspike.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "extension": extension,
        "threads": torch.get_num_threads(),
        "triton": {"reason": _triton.why_not(torch.device("cuda"), torch.float32) or None},
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "extras": extras,
    }
