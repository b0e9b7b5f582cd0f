# Every target works in a fresh clone: it installs its own dependencies first. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(HOME)/.cache/cognitive-operator
UV := $(or $(shell uv --version >/dev/null 2>&1 && command -v uv),$(CACHE)/uv/bin/uv)
PYTHON := .venv/bin/python
HACK := PYTHONPATH=hack $(PYTHON)
SOURCES := compat/src operator/src runtime/src hack tests
export UV_PYTHON_DOWNLOADS := never
# Compiled bytecode halves the import time of Ray and DSPy.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' Makefile

.PHONY: sync
sync: $(UV) ## Create .venv with all development dependencies
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
test: sync-model lint verify control-plane helm ## Run all checks and all tests except faults and e2e; executors run on a double of Ray
	@$(HACK) -m lanes \
	  units="tests/unit tests/contract" \
	  parts="tests/component tests/integration/crds tests/integration/hack" \
	  tasks="tests/integration/cognitive_operator/tasks" agents="tests/integration/cognitive_operator/agents"

.PHONY: test-unit
test-unit: sync ## Run the unit and contract tests, which need no server
	@$(PYTHON) -m pytest -q tests/unit tests/contract

.PHONY: test-ray
test-ray: sync control-plane ## Run the tests that need an executor on a real Ray
	@$(PYTHON) -m pytest --ray=real tests/component tests/integration

.PHONY: test-faults
test-faults: sync control-plane ## Inject the faults of docs/operations/faults.md (FAULTS=quick for a subset)
	@$(PYTHON) -m pytest -v --durations=0 --durations-min=1 tests/faults

.PHONY: test-e2e
test-e2e: sync helm ## Run the end-to-end tests against the cluster of $KUBECONFIG
	@test -n "$${KUBECONFIG:-}" || { echo "set KUBECONFIG to a test cluster: the tests change it" >&2; exit 1; }
	@$(PYTHON) -m pytest tests/e2e

.PHONY: images
images: sync ## Build the operator and runtime images with docker
	@$(HACK) -m images

.PHONY: helm
helm: sync ## Build helm, once
	@$(HACK) -m helm get >/dev/null

.PHONY: chart
chart: sync verify ## Lint the chart and package it into dist/
	@$(HACK) -m helm lint --strict charts/cognitive-operator
	@$(HACK) -m helm package charts/cognitive-operator --destination dist

.PHONY: demo
demo: sync-model ## Run the whole system with a small model on this machine (KEEP=1 leaves it running)
	@$(HACK) -m demo

.PHONY: demo-down
demo-down: sync ## Stop a demo that was started with KEEP=1
	@$(HACK) -m demo down

.PHONY: kind-demo
kind-demo: sync ## Run the whole system on kind, with pods (CONTEXT=… uses an existing cluster)
	@$(HACK) -m kind_demo

.PHONY: kind-demo-down
kind-demo-down: sync ## Delete the cluster or the release of `make kind-demo`
	@$(HACK) -m kind_demo down

.PHONY: bench
bench: sync control-plane ## Measure everything against its floors and KubeRay in at most two hours, and write docs/bench
	@$(HACK) -m bench run --output docs/bench $(BENCH)

.PHONY: bench-quick
bench-quick: sync control-plane ## Measure in at most 15 minutes, and write .bench/quick
	@$(HACK) -m bench run --scale quick $(BENCH)

.PHONY: bench-check
bench-check: sync control-plane ## Compare the costs over their floors with the stored thresholds
	@$(HACK) -m bench check $(BENCH)

.PHONY: bench-thresholds
bench-thresholds: sync ## Make the thresholds of `make bench-check` from the results of `make bench`
	@$(HACK) -m bench thresholds

.PHONY: eval
eval: sync-model ## Measure answers on 72 cases, 12 of them with tools: the model of LLM_*, or EVAL="run --local" for the demo's model
	@$(HACK) -m evaluation $(or $(EVAL),run)

.PHONY: generate
generate: sync ## Generate files from the CRDs: API reference, task template, the chart's copies
	@$(HACK) -m reference

.PHONY: verify
verify: sync ## Check that the generated files are current
	@$(HACK) -m reference --check

.PHONY: clean
clean: ## Delete .venv and the tools' caches, but not ~/.cache/cognitive-operator
	@if [ -x $(PYTHON) ]; then $(HACK) -m demo down; fi
	@rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .bench dist
