# innkeep: `make run` tries it, `make test` proves it. Needs Python 3.11 or later and make, nothing else.
# Everything that is installed lies in .venv; what took long to build (real Ollamas) lies outside the tree and is kept.

# A Mac's own python3 is too old, so the first of these that is not.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
ROUTING := $(HOME)/.cache/innkeep/routing
SPREAD := -n auto --maxprocesses 4 --dist worksteal
APART := live or clients or attack or slow
OURS := daemon client tests $(wildcard scripts packaging examples tools)

.DEFAULT_GOAL := help
.PHONY: help run check test lint format ollama bench attack attack-check test-engines test-clients upgrades routing routing-report clean
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.runs ## watch innkeep do its job: a real Ollama where one answers, else the bundled simulator
	@$(BIN)/python scripts/demo.py

check: lint ## a contributor's loop, a minute: lint, types, the tests of single modules
	$(BIN)/python -m pytest tests/client tests/daemon tests/test_architecture.py -m "not processes" $(SPREAD) -q $(PYTEST)

test: lint ## everything: lint, types, all tests, coverage; live ones where an ollama is (see `make ollama`)
	$(BIN)/python -m pytest -m "not ($(APART) or engines)" $(SPREAD) --cov --cov-report= $(PYTEST)
	@echo "counted apart, one after the other: real Ollamas, official clients, attacks, builds"
	$(BIN)/python -m pytest -m "($(APART)) and not engines" --cov --cov-append --cov-report=term --cov-fail-under=90 $(PYTEST)
	@echo "the room of choices, every branch of it:"
	@$(BIN)/coverage report --include='daemon/innkeepd/policy/*' --fail-under=100

lint: .venv/.proves ## ruff, formatting, mypy --strict
	$(BIN)/ruff check $(OURS)
	$(BIN)/ruff format --check $(OURS)
	$(BIN)/mypy

format: .venv/.proves ## put every file in the form that `make lint` wants
	$(BIN)/ruff check --fix-only --quiet $(OURS)
	$(BIN)/ruff format $(OURS)

ollama: .venv/.made ## build the real Ollamas for Linux, 0.17.4 and 0.33.0, once (20 minutes), and print where they are
	@PYTHON=$(BIN)/python packaging/ollama/build.sh

bench: .venv/.proves ## measure what innkeep costs, in one run; ARGS="side --check" for a part (scripts/bench)
	@$(BIN)/python scripts/bench $(ARGS)

attack: .venv/.proves ## attack the daemon for up to 15 minutes; SEED=N repeats a run
	ATTACK=long ATTACK_SEED=$(or $(SEED),$$(date +%s)) $(BIN)/python -m pytest tests/attack -m attack $(PYTEST)

attack-check: .venv/.proves ## plant bugs into a copy of the tree, one by one; the attack must find each
	$(BIN)/python tests/attack/planted/check.py

test-engines: .venv/.proves ## fail-over to real engines (Ray Serve, LiteLLM); downloads much, not part of `make test`
	$(BIN)/python -m pytest -m engines $(PYTEST)

upgrades: .venv/.proves ## install, upgrade, break and mend innkeep by pip, pipx and uv for real; downloads; not part of `make test`
	$(BIN)/python -m pip install --quiet pipx uv build
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python packaging/upgrades/try.py

test-clients: .venv/.proves ## real Claude Code, Codex, opencode, pi, aider, llm, Open WebUI; half an hour, 10 GB; CLIENTS="pi S" chooses
	$(BIN)/python tests/agents/run.py $(CLIENTS); status=$$?; $(BIN)/python -m innkeepd.connect.pages docs; exit $$status

routing: $(ROUTING)/.made ## train the router's weights again (tools/routing/README.md); about 8 minutes
	OMP_NUM_THREADS=1 $(ROUTING)/bin/python tools/routing/train.py

routing-report: $(ROUTING)/.made ## measure the router with each group of sources left out of its training
	@OMP_NUM_THREADS=1 $(ROUTING)/bin/python tools/routing/evaluate.py

$(ROUTING)/.made: tools/routing/requirements.txt
	$(PYTHON) -m venv $(ROUTING)
	$(ROUTING)/bin/python -m pip install --quiet -r $<
	@touch $@

clean: ## remove what these targets made in the tree (the built Ollama is kept)
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* build dist htmlcov
	find daemon client tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment: stamps, so that nothing is installed twice ------------------------------------------------------
.venv/.made:
	@test -n "$(PYTHON)" || { echo "innkeep needs Python 3.11 or later on PATH; on a Mac: brew install python@3.13," \
		"on Debian: apt-get install python3-venv. Or name one: make PYTHON=/path/to/python3 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) does not run or is older than Python 3.11, which innkeep needs"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' # older ones know no dependency groups
	@touch $@

.venv/.runs: .venv/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[daemon]'
	@touch $@

.venv/.proves: .venv/.runs pyproject.toml
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@
