# Every target works in a fresh clone: it installs what it needs first. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(HOME)/.cache/cognitive-operator
UV := $(or $(shell uv --version >/dev/null 2>&1 && command -v uv),$(CACHE)/uv/bin/uv)
PYTHON := .venv/bin/python
HACK := PYTHONPATH=hack $(PYTHON)
SOURCES := operator/src runtime/src hack tests/support
export UV_PYTHON_DOWNLOADS := never
# Compiled bytecode halves the start of everything that imports Ray or DSPy.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' Makefile

.PHONY: sync
sync: $(UV) ## Make .venv with all that development needs
	@$(UV) sync --quiet --locked --inexact
	@$(PYTHON) -m compileall -q $(SOURCES)

.PHONY: sync-model
sync-model: $(UV)
	@$(UV) sync --quiet --locked --inexact --group demo
	@$(PYTHON) -m compileall -q $(SOURCES)

$(CACHE)/uv/bin/uv:
	@command -v python3 >/dev/null || { echo "install Python 3.11 or newer" >&2; exit 1; }
	@echo "Installing uv into $(CACHE)/uv" >&2
	@python3 -m venv $(CACHE)/uv && $(CACHE)/uv/bin/pip install --quiet uv

.PHONY: fmt
fmt: sync ## Format the code and sort its imports
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

.PHONY: lint
lint: sync ## Check format, style, types and import directions
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy $(SOURCES)
	@.venv/bin/lint-imports --no-logo

.PHONY: control-plane
control-plane: sync ## Download or build kube-apiserver, etcd and kube-controller-manager, once
	@$(HACK) -m controlplane get >/dev/null

.PHONY: test
test: sync-model lint verify control-plane helm ## Run everything but the end-to-end tests; executors run on a double of Ray
	@$(PYTHON) -m pytest tests/unit tests/contract tests/component tests/integration

.PHONY: test-unit
test-unit: sync ## Run the tests that need no server: seconds
	@$(PYTHON) -m pytest -q tests/unit tests/contract

.PHONY: test-ray
test-ray: sync control-plane ## Run the tests that need an executor on a real Ray
	@$(PYTHON) -m pytest --ray=real tests/component tests/integration

.PHONY: test-faults
test-faults: sync control-plane ## Inject the faults of docs/operations/faults.md (FAULTS=quick: some of them)
	@$(PYTHON) -m pytest -v --durations=0 --durations-min=1 tests/faults

.PHONY: test-e2e
test-e2e: sync helm ## Run the end-to-end tests against the cluster of $KUBECONFIG
	@test -n "$${KUBECONFIG:-}" || { echo "set KUBECONFIG to a cluster that the tests may change" >&2; exit 1; }
	@$(PYTHON) -m pytest tests/e2e

.PHONY: images
images: sync ## Build the images of the operator and the runtime with docker
	@$(HACK) -m images

.PHONY: helm
helm: sync ## Build helm, once
	@$(HACK) -m helm get >/dev/null

.PHONY: chart
chart: sync verify ## Check the chart and pack it into dist/
	@$(HACK) -m helm lint --strict charts/cognitive-operator
	@$(HACK) -m helm package charts/cognitive-operator --destination dist

.PHONY: demo
demo: sync-model ## Show the whole system at work on this machine (KEEP=1 leaves it running)
	@$(HACK) -m demo

.PHONY: demo-down
demo-down: sync ## Stop what `make demo KEEP=1` left running
	@$(HACK) -m demo down

.PHONY: kind-demo
kind-demo: sync ## Show the whole system on kind, with pods (CONTEXT=… uses a cluster that exists)
	@$(HACK) -m kind_demo

.PHONY: kind-demo-down
kind-demo-down: sync ## Delete what `make kind-demo` made
	@$(HACK) -m kind_demo down

.PHONY: bench
bench: sync control-plane ## Measure latency, throughput and writes beside their budgets
	@$(HACK) -m bench

.PHONY: generate
generate: sync ## Write what is made from the CRDs: reference page, task templates, the chart's copies
	@$(HACK) -m reference

.PHONY: verify
verify: sync ## Check that the generated files are up to date
	@$(HACK) -m reference --check

.PHONY: clean
clean: ## Delete .venv and every cache of the tools; what is in ~/.cache/cognitive-operator stays
	@if [ -x $(PYTHON) ]; then $(HACK) -m demo down; fi
	@rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
