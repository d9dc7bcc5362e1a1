# Everything that a developer or CI runs. Needs make, git and a Python 3.11, 3.12 or 3.13; `make help` lists the targets.
#
# Settings, given as `make test PYTHON=python3.12 VENV=.venv312`:
#   PYTHON   the interpreter of the virtual environment (default: the first with committed constraints)
#   VENV     where that environment lives (default: .venv)
#   ARGS     handed on to pytest, mypy, the demo or the benchmarks
#   JOBS     processes that the tests are shared among (default: 4, since they mostly wait; 0: this one)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell scripts/find_python.sh)
PYTHON := $(PYTHON)
VENV ?= .venv
ARGS ?=
JOBS ?= 4
BENCHMARKS ?= detection imports hook fleet worker waiting soak engine
KILLS ?= 20
RUNS ?= 10
CALLS ?= 2000
SEED ?=
WHOLE ?=

# Where `make check` looks for quick tests; tests/conftest.py says which are. To collect all others takes as long as these.
QUICK := tests/core tests/parameters tests/start tests/test_exceptions.py tests/test_mutant_rules.py

MINOR := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
BIN := $(VENV)/bin
SOURCES := airflow_provider_amplifybackend example_dags tests benchmarks scripts docs
PRESENT := $(wildcard $(SOURCES))

# An environment of another Python, or of a checkout that has moved, is made again, however new its stamps are.
USABLE := $(shell [ "$$(cat $(VENV)/.made-for 2>/dev/null)" = "$(CURDIR) $(MINOR)" ] && $(BIN)/python -c '' 2>/dev/null && echo yes)
PINS := pyproject.toml scripts/venv.sh $(wildcard constraints/constraints-$(MINOR).txt)
AGAIN := $(if $(USABLE),,again)

.PHONY: help venv image demo test lint format types check coverage test-system test-upgrade test-system-short test-crash test-crash-short test-leases test-leases-short test-secrets test-secrets-short test-engines-short engines-struck engines-quiet test-faults test-faults-short test-guard \
	test-ui test-kubernetes screenshots test-mutants test-mutants-short test-js test-project test-mwaa test-matrix test-matrix-short bench bench-short bench-waiting docs docs-links build changelog changelog-release constraints clean again

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  %-14s %s\n", $$1, $$2}'

# One environment, in layers, so that the demo installs what it needs and no more.
$(VENV)/.demo-layer: $(PINS) $(AGAIN)
	@scripts/venv.sh $(VENV) $(PYTHON) demo
	@touch $@

$(VENV)/.dev-layer: $(VENV)/.demo-layer
	@scripts/venv.sh $(VENV) $(PYTHON) dev
	@touch $@

$(VENV)/.system-layer $(VENV)/.docs-layer $(VENV)/.package-layer $(VENV)/.kubernetes-layer: $(VENV)/.%-layer: $(VENV)/.dev-layer
	@scripts/venv.sh $(VENV) $(PYTHON) $*
	@touch $@

again:

venv: $(VENV)/.dev-layer  ## make or renew the virtual environment

image:  ## the container of the local AmplifyBackend (needs Docker)
	@docker build -f docker/amplifybackend-local.Dockerfile -t amplifybackend-local $(ARGS) .

demo: $(VENV)/.demo-layer  ## run the example DAG on the local AmplifyBackend (ARGS=--stay: and keep it up, with Airflow's UI)
	@$(BIN)/python scripts/demo.py $(ARGS)

test: $(VENV)/.dev-layer  ## the tests, without the slow suites
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/.dev-layer  ## ruff and import-linter: rules, format, which part may import which
	@$(BIN)/ruff check $(PRESENT)
	@$(BIN)/ruff format --check $(PRESENT)
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev-layer  ## let ruff fix and format
	@$(BIN)/ruff check --fix $(PRESENT)
	@$(BIN)/ruff format $(PRESENT)

types: $(VENV)/.dev-layer  ## mypy, strict: package, tests, scripts, benchmarks
	@$(BIN)/mypy $(ARGS)

check: lint types  ## before each commit: lint, types, the quick unit tests (no HTTP, no database; under a minute)
	@$(BIN)/python -m pytest -q -m quick $(QUICK)

coverage: $(VENV)/.dev-layer  ## line and branch coverage under the quick tests, with its floor (WHOLE=yes: under `make test`)
	@$(BIN)/python -m pytest -q --cov --cov-report=term $(if $(WHOLE),-n $(JOBS) --dist loadfile --no-loadscope-reorder,-m quick $(QUICK)) $(ARGS)

test-system: $(VENV)/.system-layer  ## a real Airflow of several processes (minutes)
	@$(BIN)/python -m pytest -m system tests/system $(ARGS)

test-upgrade: $(VENV)/.system-layer $(if $(filter kubernetes,$(UPGRADE)),$(VENV)/.kubernetes-layer)  ## older versions are replaced while tasks wait: UPGRADE=celery for the long form, local, or kubernetes
	@$(BIN)/python -m pytest -m system tests/system/test_upgrade.py $(ARGS)

test-system-short: $(VENV)/.system-layer  ## on one real Airflow: an upgrade while tasks wait, the example DAG, the UI in a browser where there is one
	@$(BIN)/python -m pytest -m system tests/system/test_upgrade.py tests/system/test_example_dag.py tests/system/test_ui.py $(ARGS)

test-ui: $(VENV)/.system-layer  ## Airflow's UI in a real browser: the page, the tab, the links (needs Chromium)
	@BROWSER_REQUIRED=yes $(BIN)/python -m pytest -m system tests/system/test_ui.py $(ARGS)

test-kubernetes: $(VENV)/.kubernetes-layer  ## KubernetesExecutor, with a stand-in for a cluster on this machine
	@$(BIN)/python -m pytest -m system tests/system/test_kubernetes.py $(ARGS)

screenshots: $(VENV)/.system-layer  ## the same, and the screenshots of docs/ui.md with it
	@BROWSER_REQUIRED=yes SCREENSHOTS=$(CURDIR)/docs/images $(BIN)/python -m pytest -m system tests/system/test_ui.py $(ARGS)

test-crash: $(VENV)/.system-layer  ## kill processes of a real Airflow: KILLS=20 SEED=1 (the control: ARGS=--naive)
	@$(BIN)/python -m tests.system.crash_campaign --kills $(KILLS) $(if $(SEED),--seed $(SEED)) $(ARGS)

test-crash-short: $(VENV)/.system-layer  ## twenty kills, and a control that must fail
	@$(BIN)/python -m pytest -m crash tests/system/test_crashes.py $(ARGS)

test-leases: $(VENV)/.system-layer  ## kill processes at every step of leased environments: RUNS=200 SEED=1
	@$(BIN)/python -m tests.system.lease_campaign --runs $(RUNS) $(if $(SEED),--seed $(SEED)) $(ARGS)

test-leases-short: $(VENV)/.system-layer  ## the same with ten runs
	@$(BIN)/python -m pytest -m crash tests/system/test_lease_campaign.py $(ARGS)

test-secrets: $(VENV)/.system-layer  ## plant secrets in a real Airflow at DEBUG and search everything: SQLite, then Celery
	@$(BIN)/python -m tests.system.secret_hunt $(ARGS)

test-secrets-short: $(VENV)/.dev-layer  ## the same with SQLite and LocalExecutor only
	@$(BIN)/python -m tests.system.secret_hunt --short $(ARGS)

# Two Airflows at a time: each mostly waits. One pytest for each, since xdist's groups do nothing with pytest 9.2
# (pytest-xdist #1386). What has an Airflow of its own comes before the one that stays until the end.
test-engines-short: $(VENV)/.system-layer  ## all short suites that run a real Airflow: kills, leases, upgrade, the example DAG, its UI, secrets (what CI runs)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target engines-struck engines-quiet

engines-struck engines-quiet: $(VENV)/.system-layer
	@$(BIN)/python -m pytest -m "system or crash" -rP $(ARGS) $(addprefix tests/system/, $(SUITES_OF_$@))

SUITES_OF_engines-struck := test_crashes.py test_lease_campaign.py
SUITES_OF_engines-quiet := test_secrets.py test_upgrade.py test_example_dag.py test_ui.py

test-faults: $(VENV)/.dev-layer  ## a long campaign against scripted faults: CALLS=2000 SEED=1 (ARGS=--naive)
	@$(BIN)/python -m tests.faults.campaign --calls $(CALLS) $(if $(SEED),--seed $(SEED)) $(ARGS)

test-faults-short: $(VENV)/.dev-layer  ## the same in its short form, the control that it can fail, and a long walk over starts
	@CALLS=300 SEED=$(SEED) $(BIN)/python -m pytest -m faults -n 3 tests/faults $(ARGS)

test-guard: $(VENV)/.dev-layer  ## every road to a protected or locked environment: none may lead there
	@$(BIN)/python -m pytest -q -m guard -n $(JOBS) tests/guard $(ARGS)

test-mutants: $(VENV)/.dev-layer  ## faults planted in what decides about a start: the tests must find each (ARGS="--only decide")
	@$(BIN)/python scripts/mutants.py $(ARGS)

test-mutants-short: $(VENV)/.dev-layer  ## a sample of forty of them: SEED=1 (what CI runs)
	@$(BIN)/python scripts/mutants.py --sample 40 $(if $(SEED),--seed $(SEED)) $(ARGS)

test-js: $(VENV)/.dev-layer  ## the JavaScript SDK against the local service (needs node and npm)
	@cd tests/local/js && npm ci --no-audit --no-fund
	@$(BIN)/python -m pytest -m js $(ARGS)

test-project: $(VENV)/.dev-layer  ## all that docs/first-dag.md says, from the wheel, and the container file, in new environments
	@$(BIN)/python -m pytest -m project tests/project/test_from_the_wheel.py tests/docker $(ARGS)

test-mwaa: $(VENV)/.dev-layer  ## the wheel with the requirements.txt of docs/mwaa.md: MWAA="3.0.6 3.3.1" (all)
	@MWAA="$(or $(MWAA),all)" $(BIN)/python -m pytest -m project tests/project/test_mwaa.py $(ARGS)

test-matrix:  ## many Airflows and Pythons: MATRIX="3.0.6 newest" MATRIX_TESTS="tests/compat" PYTHON312=...
	@$(PYTHON) -m scripts.matrix

test-matrix-short:  ## the same, imports, examples and one life of an environment
	@MATRIX_TESTS="tests/compat" $(PYTHON) -m scripts.matrix

bench: $(VENV)/.dev-layer  ## every benchmark, about an hour: BENCHMARKS="waiting imports"
	@for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name $(ARGS); done

bench-waiting: $(VENV)/.dev-layer  ## what 1,000 waiting jobs cost a triggerer, against the amazon provider: a quarter of an hour
	@$(BIN)/python -m benchmarks.waiting --jobs 1 1000 --connections plain https $(ARGS)

bench-short: $(VENV)/.dev-layer  ## a short form of each benchmark, for CI
	@for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name --short $(ARGS); done

docs: $(VENV)/.docs-layer  ## the documentation, where a warning is an error
	@$(BIN)/python scripts/docs.py
	@$(BIN)/python -m sphinx -W --keep-going -q -a -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

docs-links: $(VENV)/.docs-layer  ## ask at each address outside that the documentation links to (needs the internet)
	@$(BIN)/python scripts/docs.py
	@$(BIN)/python -m sphinx -q -b linkcheck docs docs/_build/links

build: $(VENV)/.package-layer  ## wheel and sdist in dist/, each installed in a bare environment and tested
	@rm -rf dist
	@PIP_CONSTRAINT=$(wildcard constraints/constraints-$(MINOR).txt) $(BIN)/python -m build --quiet --outdir dist .
	@$(BIN)/python -m twine check --strict dist/*
	@$(BIN)/python -m pytest -m package tests/package $(ARGS)

changelog: $(VENV)/.package-layer  ## what a release would say of the changes in changelog.d
	@$(BIN)/python -m towncrier build --draft --version next

changelog-release: $(VENV)/.package-layer  ## move them into CHANGELOG.md, under the version
	@$(BIN)/python scripts/release.py notes

constraints:  ## renew constraints/constraints-*.txt to the newest versions
	@PYTHON=$(PYTHON) scripts/constraints.sh

clean:  ## remove the environments and what tools leave behind
	@if [ -e $(VENV)/pyvenv.cfg ]; then rm -rf $(VENV); fi
	@rm -rf .coverage .venvs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis docs/_build dist build tests/local/js/node_modules
	@find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
