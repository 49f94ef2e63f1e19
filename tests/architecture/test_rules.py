"""Rules of the code base that a reader cannot check at a glance."""

import ast
import io
import re
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "longspike").rglob("*.py"))
KERNELS = sorted([*(ROOT / "csrc").rglob("*.hpp"), *(ROOT / "csrc").rglob("*.cpp")])
LONGEST_FILE, LONGEST_KERNEL, LONGEST_FUNCTION = 400, 600, 60
MACHINE_PATHS = re.compile(r"/(?:home|root|work|tmp|Users|mnt)/\w")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module", params=SOURCES, ids=name)
def source(request: pytest.FixtureRequest) -> tuple[str, ast.Module]:
    """The text of one module and its tree."""
    text = request.param.read_text()
    return text, ast.parse(text)


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_there_is_something_to_check() -> None:
    assert len(SOURCES) > 30
    assert len(KERNELS) > 5


def test_file_length(source: tuple[str, ast.Module]) -> None:
    assert source[0].count("\n") <= LONGEST_FILE


@pytest.mark.parametrize("path", KERNELS, ids=name)
def test_kernel_length(path: Path) -> None:
    assert path.read_text().count("\n") <= LONGEST_KERNEL


def test_every_module_and_public_name_is_documented(source: tuple[str, ast.Module]) -> None:
    _, tree = source
    missing = [] if ast.get_docstring(tree) else ["the module"]

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

    visit(tree.body)
    assert missing == []


def test_no_future_annotations_asserts_or_bare_excepts(source: tuple[str, ast.Module]) -> None:
    for node in ast.walk(source[1]):
        assert not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
        assert not isinstance(node, ast.Assert)
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None)
        if isinstance(node, ast.Import):
            assert not {a.name.partition(".")[0] for a in node.names} & {"torchvision", "torchaudio"}


def test_arguments_are_annotated(source: tuple[str, ast.Module]) -> None:
    """Not those of Triton's functions: they are what a launch makes of its arguments."""
    for f in functions(source[1]):
        if f.name.startswith("_") or any(ast.unparse(d).startswith("triton.jit") for d in f.decorator_list):
            continue
        arguments = [a for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs) if a.arg not in ("self", "cls")]
        assert all(a.annotation for a in arguments), f.name


def test_no_machine_paths(source: tuple[str, ast.Module]) -> None:
    assert MACHINE_PATHS.findall(source[0]) == []


@pytest.mark.parametrize("path", KERNELS, ids=name)
def test_no_machine_paths_in_kernels(path: Path) -> None:
    assert MACHINE_PATHS.findall(path.read_text()) == []


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_longspike_does_not_import_torch() -> None:
    done = run("import sys, longspike; print(sorted(m for m in ('torch', 'numpy', 'lightning') if m in sys.modules))")
    assert done.stdout.strip() == "[]", done.stderr


def test_imports_go_one_way() -> None:
    """The contracts of [tool.importlinter] in pyproject.toml."""
    command = Path(sys.executable).with_name("lint-imports")
    if not command.exists() and shutil.which("lint-imports") is None:
        pytest.skip("import-linter is not installed; pip install longspike[lint]")
    done = subprocess.run([command if command.exists() else "lint-imports"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


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


def test_function_length(source: tuple[str, ast.Module]) -> None:
    text, tree = source
    long = {f.name: lines_of_code(text, f) for f in functions(tree) if f.end_lineno - f.lineno >= LONGEST_FUNCTION}
    assert {k: n for k, n in long.items() if n > LONGEST_FUNCTION} == {}
