# phsearch: `make try` shows it at work, `make test` checks all of it. Both set up .venv first, if it is not there.

PYTHON ?= python3
BIN := .venv/bin
# pip reads the owner's settings by itself; uv wants to be told where local wheels lie.
FIND_LINKS := $(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null || echo "$$PIP_FIND_LINKS")

.PHONY: try test setup lint types imports unit bench soak torture quality lock clean

try: setup
	@$(BIN)/python tests/demo/try.py $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(QUERY),--query "$(QUERY)")

test: setup lint types imports unit

setup: .venv/ready

# One resolver run for everything, from pinned versions, with bytecode: an unpinned torchvision would replace a CPU torch
# by a newer CUDA build, and without bytecode every process spends ten seconds on imports.
.venv/ready: pyproject.toml constraints.txt
	@echo "setting up .venv (once; the machine learning libraries take a while)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "phsearch needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' constraints.txt)"
	@UV_FIND_LINKS="$(FIND_LINKS)" $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode \
		--constraint constraints.txt --editable ".[test]"
	@touch $@

lint:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .

types:
	@$(BIN)/mypy daemon tests

imports:
	@$(BIN)/lint-imports --no-logo 2>&1

unit:
	@$(BIN)/pytest

bench: setup
	@$(BIN)/python tests/bench/run.py

# Photos come, change and go for so many minutes, and in the end nothing may have grown.
soak: setup
	@$(BIN)/python tests/soak/run.py --minutes $(or $(MINUTES),10) $(if $(COLOURS),--colours) $(if $(JSON),--json $(JSON))

# Kills, pauses, full disks, unplugged disks: an hour of it; `make torture QUICK=1` takes about two minutes.
torture: setup
	@$(BIN)/python tests/torture/run.py $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

# Pins everything that is installed now; run it after a deliberate upgrade in .venv.
lock:
	@$(BIN)/uv pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
