# make demo   install into .venv and run the main job, on data that needs no download
# make docs   install into .venv and build the documentation into docs/_build
# make test   install into .venv and run every check: lint, types, tests, doctests, README, wheel
PYTHON ?= python3
BIN := .venv/bin
export JAX_PLATFORMS ?= cpu

.PHONY: demo docs test lint types tests wheel format clean

demo: .venv/experiments
	$(BIN)/python -m experiments demo

docs: .venv/docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build
	@echo "docs/_build/index.html"

test: lint types tests wheel

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test
	$(BIN)/basedpyright --level error

tests: .venv/test
	$(BIN)/python -m pytest -n 2 --dist loadfile

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
