# `make` alone lists what there is. Everything happens in .venv, which is made on first need and
# brought up to date when pyproject.toml or constraints.txt change.

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := sematic tests $(wildcard benchmarks)
SERIAL := ray or postgres or slow or cluster or chaos
# Of `make chaos`: how many faults, the first one's seed, and only this kind of them.
COUNT ?= 100
SEED ?= 0
KIND ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
# The goals share one environment, one Ray and two processors: with -j, too, one follows the other.
.NOTPARALLEL:
.PHONY: help setup example test chaos lint format bench clean

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

example: $(VENV)/.example ## Run a real pipeline: classifiers of handwritten digits, trained in parallel
	$(BIN)/sematic run examples/digits

test: $(VENV)/.dev lint ## Check style, types and imports, then run every test
	$(BIN)/python -m pytest -n $(WORKERS) -m "not ($(SERIAL))"
	$(BIN)/python -m pytest -m "$(SERIAL)"

chaos: $(VENV)/.dev ## Strike a pipeline with a hundred faults: COUNT=, SEED=, KIND= choose
	$(BIN)/python -m tests.acceptance.chaos --count $(COUNT) --seed $(SEED) $(if $(KIND),--kind $(KIND))

lint: $(VENV)/.dev ## Check style, types and who imports whom
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev ## Put the source in its standard form
	$(BIN)/ruff check --fix-only $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(VENV)/.dev ## Measure what a run costs, beside raw Ray in the same minute
	$(BIN)/python -m benchmarks

setup: $(VENV)/.dev ## Make .venv with everything that development needs

clean: ## Remove .venv and everything else that was made here
	rm -rf $(VENV) build dist htmlcov .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is the last thing that goes into a new environment: a broken-off set-up begins anew.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || { \
		echo "sematic needs Python 3.10 to 3.13, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.example: $(BIN)/pip pyproject.toml constraints.txt
	@echo "Installing sematic and what its examples need into $(VENV) (a minute or two, once)"
	@$(PIP_INSTALL) --editable '.[examples]'
	@touch $@

# It holds all that .example does.
$(VENV)/.dev: $(BIN)/pip pyproject.toml constraints.txt
	@echo "Installing sematic and what development needs into $(VENV) (a minute or two, once)"
	@$(PIP_INSTALL) --editable '.[examples,postgres,dev]'
	@touch $(VENV)/.example $@
