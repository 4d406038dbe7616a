# phsearch: `make try` shows it at work, `make test` checks all of it. Both set up .venv first, if it is not there.

PYTHON ?= python3
BIN := .venv/bin
# pip reads the owner's settings by itself; uv wants to be told where local wheels lie.
FIND_LINKS := $(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null || echo "$$PIP_FIND_LINKS")
UV = UV_FIND_LINKS="$(FIND_LINKS)" $(BIN)/uv pip

.PHONY: try test checks setup lint types imports unit test-busy bench soak torture quality calibrate lock audit clean

try: setup
	@$(BIN)/python tests/demo/try.py $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(QUERY),--query "$(QUERY)") $(if $(KEEP),--keep)

# The types are checked beside the tests: that takes one processor for a minute.
test: setup
	@$(MAKE) --no-print-directory -j 2 checks unit

setup: .venv/ready

# One resolver run for everything, from pinned versions, with bytecode: an unpinned torchvision would replace a CPU torch
# by a newer CUDA build, and without bytecode every process spends ten seconds on imports. Nothing is installed whose
# sha256 is not locked, uv and what builds us included. A local build of a locked version (2.13.0+cpu) has hashes of its
# own, which count where there is one.
.venv/ready: pyproject.toml constraints.txt constraints-local.txt
	@echo "setting up .venv, once: 2.5 GB on disk with a CPU build of torch, 6 GB with CUDA; a few minutes"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "phsearch needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv
	@awk '/^[^ ]/ { keep = /^uv==/ } keep' constraints.txt > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt
	@$(UV) compile --quiet --python $(BIN)/python --no-deps --no-header --no-annotate --extra test \
		--constraint constraints.txt pyproject.toml > .venv/wanted.txt
	@$(UV) install $$([ -t 2 ] || echo --quiet) --python $(BIN)/python --compile-bytecode --require-hashes --constraint constraints.txt \
		$$(grep -q '+' .venv/wanted.txt && echo --constraint constraints-local.txt) --requirement .venv/wanted.txt
	@$(UV) install --quiet --python $(BIN)/python --compile-bytecode --no-deps --no-build-isolation --editable .
	@touch $@

checks: lint imports types

lint:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .

types:
	@$(BIN)/mypy daemon tests

imports:
	@$(BIN)/lint-imports --no-logo 2>&1

unit:
	@$(BIN)/pytest

# Tests must hold on a machine that is busy with other things, too: RUNS times beside LOAD processes that only compute.
test-busy: setup
	@for run in $$(seq $(or $(RUNS),5)); do \
		$(BIN)/python tests/support/busy.py $(or $(LOAD),10) $(BIN)/pytest || exit 1; done

bench: setup
	@$(BIN)/python tests/bench/run.py

# Photos come, change and go for so many minutes, and in the end nothing may have grown.
soak: setup
	@$(BIN)/python tests/soak/run.py --minutes $(or $(MINUTES),10) $(if $(COLOURS),--colours) $(if $(JSON),--json $(JSON))

# Kills, pauses, full disks, unplugged disks: an hour of it; `make torture QUICK=1` takes about two minutes.
torture: setup
	@$(BIN)/python tests/torture/run.py $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

# How well photos are found, and what relevances are worth, on captioned photos; `make calibrate` fits them anew.
quality: setup
	@$(BIN)/python tests/quality/run.py $(if $(DATA),--data "$(DATA)")

calibrate: setup
	@$(BIN)/python tests/quality/run.py calibrate $(if $(DATA),--data "$(DATA)") $(if $(MODEL),--model "$(MODEL)") \
		$(if $(PRETRAINED),--pretrained "$(PRETRAINED)") $(if $(OUT),--out "$(OUT)")

# What the manual takes from the code: tables in its topics, and the man pages. A test says when this is due.
.PHONY: manual
manual: setup
	@$(BIN)/python daemon/docs/generate.py

# Locks what pyproject.toml asks for, for every Python and machine, and keeps the versions that still fit;
# `make lock UPGRADE=1` takes the newest. Local builds of locked versions are told to their hashes.
lock:
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra test $(if $(UPGRADE),--upgrade) --output-file constraints.txt pyproject.toml
	@for wheel in $(FIND_LINKS)/*+*.whl; do \
		name=$$(basename "$$wheel" | cut -d- -f1); version=$$(basename "$$wheel" | cut -d- -f2); \
		grep -q "^$$name==$${version%+*} " constraints.txt || continue; \
		hash=$$(sha256sum "$$wheel" | cut -c1-64); grep -q "$$hash" constraints-local.txt || \
		printf '%s==%s --hash=sha256:%s\n' "$$name" "$$version" "$$hash" >> constraints-local.txt; done

# What is known of the locked packages' holes; asks the registry, so it is no part of the tests.
audit: setup
	@$(BIN)/uv tool run --quiet pip-audit --progress-spinner off --strict --disable-pip --requirement constraints.txt

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
