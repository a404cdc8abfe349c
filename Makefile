# The ways in. CI runs these targets, to the letter.
PYTHON ?= python3
DEPLOYMENT ?= demo
export PYTHON
# where it is set, each start of Ansible compiles all of it anew: twice the time
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
.PHONY: help demo demo-down check lint unit test bench clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: ## A notebook in the sandbox, on this machine, with its link
	@tools/setup.sh demo
	@$(BIN)/dstk up --sandbox --yes --deployment $(DEPLOYMENT)

demo-down: ## Remove the demo and its sandbox
	@tools/setup.sh demo
	@$(BIN)/dstk destroy --sandbox --yes --deployment $(DEPLOYMENT)
	@$(BIN)/dstk sandbox down

check: ## Lint, types and unit tests, under two minutes
	@tools/setup.sh check
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint unit

lint: ## ruff, mypy, ansible-lint
	@tools/setup.sh check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --offline

unit: ## Tests that need nothing but Python
	@tools/setup.sh check
	$(BIN)/pytest -n 2 tests/unit

test: ## Every test
	@tools/setup.sh test
	$(BIN)/pytest -n 2 --dist loadgroup --verbose --durations 20

bench: ## How long a class takes, against plain scripts: bench/RESULTS.md
	@tools/setup.sh test
	$(BIN)/python bench/provision.py
	$(BIN)/python bench/configure.py
	$(BIN)/python bench/bake.py

clean: ## Remove what the targets made here
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .ansible
