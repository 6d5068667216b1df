# The same commands on a desk and in CI. The first one to need .venv makes it; a second run does not install again.

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready

# The versions that are installed: constraints/oldest.txt holds the least that pyproject.toml promises to run on, as in
# `make VENV=.venv-oldest CONSTRAINTS=constraints/oldest.txt test`.
CONSTRAINTS ?= constraints/dev.txt

# pyright runs on the node that its package brings, whatever node this machine has or lacks.
export PYRIGHT_PYTHON_GLOBAL_NODE := off
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# .venv is installed uncompiled: let the first import keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE

# One worker a core, four at most: each imports torch.
PYTEST_WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo picture test check format format-check lint types docs docs-check setup clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## Find, explain and cure a sick network on real digits (ARGS="--case zeros" for another illness)
	@$(BIN)/initium demo $(ARGS)

test: $(READY) ## Run the tests and the examples in docstrings (ARGS="-k gains -x" goes to pytest)
	@$(BIN)/pytest -n $(PYTEST_WORKERS) --maxprocesses 4 $(ARGS)

check: format-check lint types test docs-check ## The gate: format, lint, types, tests with doctests, docs

format: $(READY) ## Rewrite the code in the house format, with the safe lint fixes
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

format-check: $(READY) ## Say whether `make format` would change anything
	@$(BIN)/ruff format --check .

lint: $(READY) ## ruff, every rule on
	@$(BIN)/ruff check .

types: $(READY) ## pyright, strict on src
	@$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(READY) ## Write docs/reference and docs/checks.md from the docstrings
	@$(BIN)/python tools/reference.py
	@$(BIN)/python tools/checks_page.py

docs-check: $(READY) ## Say whether `make docs` would change anything
	@$(BIN)/python tools/reference.py --check
	@$(BIN)/python tools/checks_page.py --check

picture: $(READY) ## Draw docs/assets/demo.svg, the picture of the demo in README
	@mkdir -p docs/assets
	@$(BIN)/initium demo --svg docs/assets/demo.svg $(ARGS)

setup: $(READY) ## Only make .venv

clean: ## Remove .venv, caches and build outputs
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml $(CONSTRAINTS) tools/venv.sh
	@sh tools/venv.sh $(VENV) $(CONSTRAINTS)
	@touch $@
