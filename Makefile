# make demo       install into .venv and run the main job, on data that needs no download
# make docs       install into .venv and build the documentation into docs/_build
# make test       install into .venv and check: lint, types, tests, doctests, README, wheel
# make test-all   the same with the slow tests (kills, several processes and devices, real training)
#                and with XLA as users have it
PYTHON ?= python3
BIN := .venv/bin
# Two workers take whole files: a file's fixtures are made once.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile
export JAX_PLATFORMS ?= cpu

.PHONY: demo docs test test-all lint types tests tests-all wheel format clean

demo: .venv/experiments
	$(BIN)/python -m experiments demo

docs: .venv/docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build
	@echo "docs/_build/index.html"

# Types and the wheel are checked while the tests run.
test: .venv/test
	$(MAKE) --jobs=2 lint types tests wheel

test-all: .venv/test
	$(MAKE) --jobs=2 lint types tests-all wheel

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test
	$(BIN)/basedpyright --level error

tests: .venv/test
	$(PYTEST) -m "not slow"

# With the code generator that users have; see tests/conftest.py.
tests-all: .venv/test
	XLA_FLAGS= $(PYTEST)

# The wheel alone, in an environment of its own, from another folder: README example and command.
wheel: .venv/test
	bash tests/wheel.sh

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "jfool needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/experiments: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[experiments]'
	touch $@

.venv/test: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ .venv/experiments

.venv/docs: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf .venv build dist docs/_build *.egg-info
