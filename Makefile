PYTHON ?= python3

SHELL := bash
.DELETE_ON_ERROR:
.PHONY: help demo test lint acceptance arm64 clean

help:  ## List these targets
	@awk -F ':|  ## ' '/^[a-z0-9]+:.*  ## / { printf "  make %-10s %s\n", $$1, $$3 }' Makefile

demo: .venv/.installed  ## Fine-tune, quantize and run a small model
	.venv/bin/squeezebert demo

test: .venv/.installed-dev  ## Run all tests
	.venv/bin/python -m pytest -ra -n auto --maxprocesses 4 --dist worksteal

lint: .venv/.installed-dev  ## Check style and formatting
	.venv/bin/ruff check
	.venv/bin/ruff format --check

acceptance: demo-output/report.json .venv/.installed-dev  ## Ask other clients what they make of the demo's model
	tests/acceptance/setup
	.venv/bin/python tests/acceptance/acceptance.py

arm64: benchmarks/arm64/.arm64 .venv/.installed-dev  ## Compare ARM64, emulated, with this machine
	.venv/bin/python benchmarks/arm64/compare.py

clean:  ## Remove the environment and everything generated
	rm -rf .venv build dist *.egg-info demo-output
	rm -rf .pytest_cache .ruff_cache .hypothesis benchmarks/arm64/.arm64
	rm -rf tests/acceptance/.mediapipe tests/acceptance/.task-library
	find . -name __pycache__ -prune -exec rm -rf {} +

demo-output/report.json: | .venv/.installed
	.venv/bin/squeezebert demo

# === Environment

# Of all that pip says, the names of the packages show that it is alive.
install = set -o pipefail; .venv/bin/python -m pip install -e $(1) | awk \
	'/^Collecting/ { print "  " $$2 } /^Installing/ { print "Unpacking" } { fflush() }'

benchmarks/arm64/.arm64: benchmarks/arm64/setup .venv/.installed-dev
	benchmarks/arm64/setup

.venv/.installed: pyproject.toml setup.py | .venv/bin/python
	@echo "Installing into .venv: TensorFlow is large, this takes some minutes."
	@$(call install,.)
	@touch $@

.venv/.installed-dev: pyproject.toml setup.py | .venv/bin/python
	@echo "Installing into .venv: TensorFlow is large, this takes some minutes."
	@$(call install,".[dev]")
	@touch $@ .venv/.installed

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
		echo "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is not one." \
			"Name one, as in: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
