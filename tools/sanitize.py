"""The kernels under a sanitizer: build them with it, then run tests of them with its runtime loaded first.

    python tools/sanitize.py address,undefined|thread [pytest's arguments]

The build lies in build/sanitize-NAME and is for one instruction set (AVX2 on x86, whose partial loads and stores are plain
copies that a sanitizer sees). Leaks are not looked for: Python and PyTorch keep much until they end; tests/stress measures
memory. ThreadSanitizer cannot see OpenMP's barriers, so under it the kernels use threads of their own.
"""

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNTIMES = {"address,undefined": ("libasan.so", "libubsan.so"), "thread": ("libtsan.so",)}
TESTS = {
    "address,undefined": [
        "tests/kernels",
        "tests/unit/test_stream.py",
        "tests/unit/test_event_stream.py",
        "tests/properties/test_stream.py",
        "tests/properties/test_event_stream.py",
        "tests/events/test_decoding.py",
        "tests/events/test_damage.py",
    ],
    "thread": ["tests/kernels", "tests/unit/test_stream.py", "tests/unit/test_event_stream.py"],
}
CHOSEN = {  # other code than ours, for minutes; and what a sanitizer refuses
    "address,undefined": "not triton and not opcheck and not compile",
    "thread": "thread and not triton and not fork",
}
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:handle_segv=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": f"ignore_noninstrumented_modules=1:suppressions={ROOT / 'tools/sanitize_thread.txt'}",
}


def build(sanitizer: str) -> Path:
    """The instrumented extension."""
    folder = ROOT / "build" / f"sanitize-{sanitizer.split(',')[0]}"
    sets = "avx2" if platform.machine() in ("x86_64", "AMD64") else "portable"
    chosen = {"LONGSPIKE_SANITIZER": sanitizer, "LONGSPIKE_ARCHITECTURES": sets, "LONGSPIKE_OPTIMISATION": "-O1"}
    settings = {"CMAKE_BUILD_TYPE": "RelWithDebInfo", "Python_EXECUTABLE": sys.executable, **chosen}
    subprocess.run(
        ["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *(f"-D{k}={v}" for k, v in settings.items())], check=True
    )
    subprocess.run(["cmake", "--build", folder, "--parallel", "2"], check=True)
    return next(folder.glob("_native*.so"))


def runtime(name: str) -> str:
    """Where the compiler keeps a sanitizer's runtime."""
    return subprocess.run(
        ["g++", f"-print-file-name={name}"], check=True, capture_output=True, text=True
    ).stdout.strip()


def main() -> int:
    """Build, then run this file again with the runtime loaded."""
    if sys.argv[1] == "--run":
        return run_tests(Path(sys.argv[2]), sys.argv[3:])
    sanitizer = sys.argv[1]
    extension = build(sanitizer)
    # setarch: addresses stay where a sanitizer's shadow expects them. libstdc++: exceptions are intercepted from the start.
    preload = [runtime(name) for name in (*RUNTIMES[sanitizer], "libstdc++.so")]
    environment = {**os.environ, **OPTIONS, "LD_PRELOAD": " ".join(preload), "PYTHONMALLOC": "malloc"}
    tests = [*TESTS[sanitizer], "-k", CHOSEN[sanitizer], *sys.argv[2:]]
    plain = ["setarch", platform.machine(), "-R", sys.executable, __file__, "--run", str(extension)]
    return subprocess.run([*plain, *tests], cwd=ROOT, env=environment, check=False).returncode


def run_tests(path: Path, arguments: list[str]) -> int:
    """pytest on the package with its extension exchanged."""
    import pytest

    spec = importlib.util.spec_from_file_location("longspike._native", path)
    sys.modules["longspike._native"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return int(pytest.main(["-q", "-p", "no:cacheprovider", "--timeout", "1800", *arguments]))


if __name__ == "__main__":
    sys.exit(main())
