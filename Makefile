# The two commands of a newcomer are `make demo` and `make test`; `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
RUN := $(BIN)/longspike

.PHONY: help demo test check format docs exactness bench bench-events studies clean

help:
	@echo "make demo       train on embedded digits and event digits, evaluate, stream (sets up .venv)"
	@echo "make test       the test suite"
	@echo "make check      format, lint, types, import rules, tests"
	@echo "make docs       build the documentation into docs/_build/html"
	@echo "make exactness  compare every route of the neuron on 10^8 positions (some minutes)"
	@echo "make bench      speed against limits and other libraries (about ten minutes)"
	@echo "make bench-events  FLAMES on event streams: speed, latency, growth with resolution"
	@echo "make studies    open questions of FLAMES, with plots"
	@echo "make clean      remove .venv and everything that was built"

.venv/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "longspike needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements/cpu.txt
	touch $@

.venv/package: .venv/pip pyproject.toml CMakeLists.txt $(wildcard csrc/*/*)
	$(BIN)/python -m pip install --quiet -e '.[all]'
	touch $@

.venv/dev: .venv/package requirements/peers.txt
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps -r requirements/peers.txt
	touch $@

demo: .venv/package
	$(RUN) info
	$(RUN) train digits --run-dir runs/demo --overwrite
	$(RUN) evaluate runs/demo/model
	$(RUN) stream runs/demo/model digits:7 --check
	$(RUN) train event-digits --run-dir runs/events --overwrite
	$(RUN) evaluate runs/events/model
	$(RUN) stream runs/events/model event-digits:7 --packet-events 1 --check
	@echo "reports: runs/demo/report.html runs/events/report.html"

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist worksteal --doctest-glob='*.md' tests docs
	$(BIN)/python -m pytest -q --doctest-modules --pyargs longspike

check: .venv/dev
	$(BIN)/ruff format --check src tests benchmarks tools docs
	$(BIN)/ruff check src tests benchmarks tools docs
	$(BIN)/clang-format --dry-run --Werror csrc/*/*.?pp
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) docs
	$(MAKE) test

format: .venv/dev
	$(BIN)/ruff format src tests benchmarks tools docs
	$(BIN)/ruff check --fix src tests benchmarks tools docs
	$(BIN)/clang-format -i csrc/*/*.?pp

docs: .venv/dev
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

exactness: .venv/dev
	$(BIN)/python benchmarks/exactness.py --positions 100000000 --output results/exactness.json

bench: .venv/dev
	$(RUN) bench --output results/bench.json

bench-events: .venv/dev
	$(BIN)/python benchmarks/events.py --output results/events.json
	$(BIN)/python benchmarks/flames_roofline.py --output results/flames_roofline.json

studies: .venv/dev
	$(RUN) study transitions --output results/studies
	$(RUN) study rank --output results/studies
	$(RUN) study retention --output results/studies

clean:
	rm -rf .venv build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
