# The two commands of a newcomer are `make demo` and `make test`; `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PURE := .venv-pure/bin
RUN := $(BIN)/longspike
CODE := src tests tools docs
SOURCES := pyproject.toml CMakeLists.txt $(wildcard csrc/*/*)

.PHONY: help demo test test-pure stress sanitize check lint format docs wheel sdist test-wheel test-sdist changelog
.PHONY: exactness bench bench-events picture studies clean
.NOTPARALLEL:

help:
	@echo "make demo       train on embedded digits and event digits, evaluate, stream (sets up .venv)"
	@echo "make test       the test suite"
	@echo "make check      what must pass before a push: lint, documentation, tests"
	@echo "make lint       format, rules, types, imports"
	@echo "make format     format the code, repair what ruff can"
	@echo "make test-pure  the suite where nothing is compiled (sets up .venv-pure)"
	@echo "make stress     kills, full disks, long streams: tests/stress (many minutes)"
	@echo "make sanitize   tests of the kernels under sanitizers of memory, undefined behaviour and threads (half an hour)"
	@echo "make docs       build the documentation into docs/_build/html"
	@echo "make wheel      build the wheel into dist/; make test-wheel tries it in a clean environment"
	@echo "make sdist      the same for the source archive; make test-sdist tries it"
	@echo "make changelog  show the changes since the last release"
	@echo "make exactness  compare every route of the neuron on 10^8 positions (some minutes)"
	@echo "make bench      speed against limits and other libraries (about ten minutes)"
	@echo "make bench-events  FLAMES on event streams: speed, latency, growth with resolution"
	@echo "make picture    the README's picture, from the model of make demo"
	@echo "make studies    open questions of FLAMES, with plots"
	@echo "make clean      remove the environments and everything that was built"

.venv/pip .venv-pure/pip: requirements/cpu.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "longspike needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet -r requirements/cpu.txt
	touch $@

.venv/package: .venv/pip $(SOURCES)
	$(BIN)/python -m pip install --quiet -e '.[all]'
	touch $@

# Not after .venv/package: each installation compiles what a fresh build environment touches.
.venv/dev: .venv/pip $(SOURCES) requirements/peers.txt
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps -r requirements/peers.txt
	touch .venv/package $@

.venv/release: .venv/pip requirements/release.txt
	$(BIN)/python -m pip install --quiet -r requirements/release.txt
	touch $@

# A compiler that fails, and a build folder that holds nothing: the installation falls back to pure Python by itself.
.venv-pure/package: .venv-pure/pip $(SOURCES) $(shell find src -name '*.py')
	CXX=false $(PURE)/python -m pip install --quiet --config-settings=build-dir=.venv-pure/build '.[all,test]'
	touch $@

demo: .venv/package
	$(RUN) info
	$(RUN) train digits --run-dir runs/demo --overwrite
	$(RUN) evaluate runs/demo/model
	$(RUN) stream runs/demo/model digits:7 --check
	$(RUN) train event-digits --run-dir runs/events --overwrite
	$(RUN) evaluate runs/events/model
	$(RUN) stream runs/events/model event-digits:0 --packet-events 1 --check
	@echo "reports: runs/demo/report.html runs/events/report.html"

# Two workers of one thread each: two of two threads would wait for each other on two cores. Tests of threads ask for more.
# The large suite comes last, so that its summary is the last line.
test: export OMP_NUM_THREADS := 1
test: .venv/dev
	$(BIN)/python -m pytest -q --doctest-modules --pyargs longspike
	$(BIN)/python -m pytest -n 2 --dist worksteal --doctest-glob='*.md' tests docs

test-pure: export OMP_NUM_THREADS := 1
test-pure: .venv-pure/package
	$(PURE)/python -c 'from longspike.kernels import native; import sys; sys.exit(native.is_available() and "the extension is built")'
	$(PURE)/python -m pytest -n 2 --dist worksteal tests

stress: .venv/dev
	$(BIN)/python -m pytest --timeout 1800 tests/stress

sanitize: .venv/dev
	$(BIN)/python -m pip install --quiet cmake ninja nanobind
	$(BIN)/python tools/sanitize.py address,undefined
	$(BIN)/python tools/sanitize.py thread

# The documentation is built beside the rules and the types, which use one core.
check: .venv/dev
	$(MAKE) docs & docs=$$!; $(MAKE) lint; lint=$$?; wait $$docs && exit $$lint
	$(MAKE) test

lint: .venv/dev
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/clang-format --dry-run --Werror csrc/*/*.?pp
	$(BIN)/lint-imports
	$(BIN)/mypy

format: .venv/dev
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/clang-format -i csrc/*/*.?pp

docs: .venv/dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

wheel: .venv/release
	rm -f dist/*.whl
	$(BIN)/python -m build --wheel --outdir dist .

sdist: .venv/release
	rm -f dist/*.tar.gz
	$(BIN)/python -m build --sdist --outdir dist .

# The suite's own conftest is left out: it would import an installed longspike.
test-wheel: wheel
	$(BIN)/python -m pytest --confcutdir=tests/distribution tests/distribution -k wheel

test-sdist: sdist
	$(BIN)/python -m pytest --confcutdir=tests/distribution tests/distribution -k sdist

changelog: .venv/release
	$(BIN)/towncrier build --draft --version "after $$($(BIN)/python -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')"

exactness: .venv/dev
	$(BIN)/python -m longspike.bench.exactness --positions 100000000 --output results/exactness.json

bench: .venv/dev
	$(RUN) bench --output results/bench.json

bench-events: .venv/dev
	$(BIN)/python -m longspike.bench.events --output results/events.json
	$(BIN)/python -m longspike.bench.events.roofline --output results/flames_roofline.json

picture: .venv/package
	test -d runs/demo/model || $(RUN) train digits --run-dir runs/demo --overwrite
	$(BIN)/python tools/draw_digit.py runs/demo/model docs/_static/digit.svg

studies: .venv/dev
	$(RUN) study transitions --output results/studies
	$(RUN) study rank --output results/studies
	$(RUN) study retention --output results/studies

clean:
	rm -rf .venv .venv-pure build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
