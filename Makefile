# The targets that people use; `make help` lists them.
PYTHON ?= python3
PY := .venv/bin/python
export PYTHON

.PHONY: screenshots quickstart-timed help setup demo up check check-stack test format docs reference security-report residue
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

.venv/.made-run: requirements.txt pyproject.toml scripts/make-venv
	@scripts/make-venv run

.venv/.made-dev: requirements.txt requirements-aws.txt requirements-dev.txt requirements-docs.txt pyproject.toml scripts/make-venv
	@scripts/make-venv dev

setup: .venv/.made-dev ## make .venv with the development tools

demo: .venv/.made-run ## start a grid, deploy the examples, run each on real input, stop
	@$(PY) examples/demo.py

up: .venv/.made-run ## start a grid that stays
	@.venv/bin/nanogrid up

format: .venv/.made-dev ## put the code into form
	@.venv/bin/ruff format src tests examples
	@.venv/bin/ruff check --fix src tests

check: .venv/.made-dev ## format, lint, types, imports
	.venv/bin/ruff format --check src tests examples
	.venv/bin/ruff check src tests examples
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

check-stack: ## lint the AWS template: form and security
	@scripts/check-stack

test: .venv/.made-dev ## the whole test suite
	.venv/bin/pytest -q -n 2

docs: .venv/.made-dev ## build the documentation into site/, without any network
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

reference: .venv/.made-dev ## write the generated parts of docs/ anew
	.venv/bin/python tests/unit/test_api_docs.py
	.venv/bin/python tests/docs/reference.py

screenshots: .venv/.made-dev ## take the pictures of docs/images anew, of console and terminal
	UPDATE_SCREENSHOTS=1 .venv/bin/pytest -q tests/console/test_looks.py tests/docs/test_terminal.py

quickstart-timed: ## the quick start on a clean clone in a clean environment, with seconds for each step
	@$(PYTHON) scripts/quickstart-timed

security-report: .venv/.made-dev ## attack a grid with every hostile function, and write docs/security.md
	.venv/bin/python tests/hostile/report.py

residue: .venv/.made-dev ## 1,000 alternations of a function that leaves residue and one that looks for it
	ALTERNATIONS=1000 .venv/bin/pytest -q tests/hostile/test_residue.py --timeout 1200

.PHONY: chaos soak reliability-report
chaos: .venv/.made-dev ## faults while a grid is under load, and a verdict; OPTIONS="--tasks 10000 --seed 1", or REPLAY=FILE
	@REPLAY=$(REPLAY) .venv/bin/python tests/chaos $(OPTIONS)

soak: .venv/.made-dev ## the model test with a million steps, or so many: STEPS=200000
	MODEL_STEPS=$(or $(STEPS),1000000) .venv/bin/pytest -q tests/model

reliability-report: .venv/.made-dev ## measure what docs/reliability.md promises, and write its table; or some: ROWS="kills leaks"
	@.venv/bin/python tests/chaos/report.py $(ROWS)

.PHONY: bench bench-docs bench-guard bench-peers bench-where
bench: .venv/.made-dev ## workloads W1 to W11 beside the machine's limits; OPTIONS="--only W1,W5 --rounds 1", or --force
	.venv/bin/python benchmarks/run.py $(OPTIONS)

bench-peers: .venv/.made-dev ## the same handler on what the registries hold of NanoGrid's kind, in interleaved rounds
	.venv/bin/python benchmarks/compare.py $(OPTIONS)

bench-guard: .venv/.made-dev ## whether a run has become dearer than benchmarks/guard.json allows
	.venv/bin/python benchmarks/guard.py $(OPTIONS)

bench-where: .venv/.made-dev ## where a warm run's time in the server goes, step by step
	.venv/bin/python benchmarks/where.py $(OPTIONS)

bench-docs: ## measure everything anew, and write the tables and the chart of docs/performance.md
	$(MAKE) bench OPTIONS="--write-docs $(OPTIONS)"
	$(MAKE) bench OPTIONS="--write-docs --sandbox docker --only W1,W5 $(OPTIONS)"
	$(MAKE) bench-where OPTIONS="--write-docs"
	$(MAKE) bench-peers OPTIONS="--write-docs $(OPTIONS)"
