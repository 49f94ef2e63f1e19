"""Rules of the code base that a reader cannot check at a glance and no linter knows; each test lists its offenders."""

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "longspike").rglob("*.py"))
KERNELS = sorted([*(ROOT / "csrc").rglob("*.hpp"), *(ROOT / "csrc").rglob("*.cpp")])
LONGEST_FILE, LONGEST_KERNEL, LONGEST_FUNCTION = 400, 600, 60
MACHINE_PATHS = re.compile(r"/(?:home|root|work|tmp|Users|mnt)/\w")


def too_many_lines(text: str) -> list[int]:
    """The number of lines of a Python file that is too long."""
    return [n for n in [text.count("\n")] if n > LONGEST_FILE]


def too_many_kernel_lines(text: str) -> list[int]:
    """The number of lines of a C++ file that is too long."""
    return [n for n in [text.count("\n")] if n > LONGEST_KERNEL]


def machine_paths(text: str) -> list[str]:
    """Paths of one machine."""
    return MACHINE_PATHS.findall(text)


@cache
def parse(text: str) -> ast.Module:
    """The tree of a module."""
    return ast.parse(text)


def functions(text: str) -> list[ast.FunctionDef]:
    """All functions of a module, nested ones too."""
    return [node for node in ast.walk(parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def undocumented(text: str) -> list[str]:
    """The module and its public names that have no docstring."""
    missing = [] if ast.get_docstring(parse(text)) else ["the module"]

    def visit(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                decorators = {ast.unparse(d) for d in node.decorator_list}
                is_repeated = "overload" in decorators or any(d.endswith(".setter") for d in decorators)
                if not is_repeated and node.name != "extra_repr" and not ast.get_docstring(node):
                    missing.append(node.name)
                is_protocol = isinstance(node, ast.ClassDef) and "Protocol" in {ast.unparse(b) for b in node.bases}
                if isinstance(node, ast.ClassDef) and not is_protocol:
                    visit(node.body)

    visit(parse(text).body)
    return missing


def without_annotations(text: str) -> list[str]:
    """Public functions with an argument that has no type; Triton's take what a launch makes of its arguments."""
    found = []
    for f in functions(text):
        if f.name.startswith("_") or any(ast.unparse(d).startswith("triton.jit") for d in f.decorator_list):
            continue
        arguments = [a for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs) if a.arg not in ("self", "cls")]
        if not all(a.annotation for a in arguments):
            found.append(f.name)
    return found


def lines_of_code(text: str, node: ast.FunctionDef) -> int:
    """Lines that hold code: no blank lines, comments or docstring."""
    skip = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    first = node.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    document = range(first.lineno, first.end_lineno + 1) if has_docstring else range(0)
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skip:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len({n for n in lines if node.lineno <= n <= node.end_lineno and n not in document})


def long_functions(text: str) -> dict[str, int]:
    """Functions that do not fit a screen, and their lines of code."""
    long = {f.name: lines_of_code(text, f) for f in functions(text) if f.end_lineno - f.lineno >= LONGEST_FUNCTION}
    return {name: n for name, n in long.items() if n > LONGEST_FUNCTION}


Rule = Callable[[str], list | dict]
LONG_FUNCTION = "def f():\n    '''D.'''\n" + "    g()\n" * LONGEST_FUNCTION
RULES: dict[str, tuple[list[Path], Rule, str, list | dict]] = {  # files, rule, a text that breaks it, what it finds
    "file length": (SOURCES, too_many_lines, "\n" * 401, [401]),
    "kernel length": (KERNELS, too_many_kernel_lines, "\n" * 601, [601]),
    "function length": (SOURCES, long_functions, LONG_FUNCTION, {"f": 61}),
    "docstrings": (SOURCES, undocumented, "class A:\n    def b(self): ...\n", ["the module", "A", "b"]),
    "annotations": (SOURCES, without_annotations, "def f(a: int, *, b): ...\ndef _g(c): ...\n", ["f"]),
    "machine paths": ([*SOURCES, *KERNELS], machine_paths, "see /" + "home/x, /homes/y", ["/" + "home/x"]),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str) -> None:
    files, find, broken, found = RULES[rule]
    assert find(broken) == found
    assert len(files) > 30
    offenders = {path.relative_to(ROOT).as_posix(): find(path.read_text()) for path in files}
    assert {name: what for name, what in offenders.items() if what} == {}


def test_every_fragment_of_the_change_log_has_a_kind() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    fragment = re.compile(rf"[a-z0-9-]+\.({'|'.join(kind['directory'] for kind in settings['type'])})\.md")
    assert fragment.fullmatch("stream-restore.fixed.md")
    names = [path.name for path in (ROOT / settings["directory"]).iterdir()]
    assert [name for name in names if not fragment.fullmatch(name)] == settings["ignore"]


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_longspike_does_not_import_torch() -> None:
    done = run("import sys, longspike; print(sorted(m for m in ('torch', 'numpy', 'lightning') if m in sys.modules))")
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.slow
def test_core_does_not_import_the_trainer() -> None:
    done = run("import sys, longspike; longspike.Stream, longspike.nn; print('lightning' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.slow
def test_the_core_works_without_the_extension() -> None:
    """A pure-Python install: every route falls back, and says why."""
    done = run(
        "import sys; sys.modules['longspike._native'] = None\n"
        "import torch, longspike\n"
        "from longspike.models import SpikeSSM, SpikeSSMConfig\n"
        "model = SpikeSSM(SpikeSSMConfig(d_model=3, num_layers=1, d_state=4))\n"
        "logits, _ = model(torch.randn(2, 9, 1)); logits.sum().backward()\n"
        "from longspike._explain import explain\n"
        "choice = explain('refractory_lif', (2, 9, 3))\n"
        "print(choice.method, choice.backend, 'did not load' in choice.reason)\n"
        "try: longspike.functional.refractory_lif(torch.zeros(1, 2, 3), beta=.5, method='sequential')\n"
        "except RuntimeError as error: print(type(error).__name__)\n"
    )
    assert done.stdout.split("\n")[:2] == ["reference torch True", "BackendUnavailableError"], done.stderr
