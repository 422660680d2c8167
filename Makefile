PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED := --require-hashes --only-binary :all:

.PHONY: demo test check bench peers attacks faults security questions refusals lock clean audit

demo: .venv/run
	$(BIN)/glovebox demo

test: .venv/dev
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m "(not fault and not attack) or sample"

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n auto --dist loadfile

bench: .venv/run peers
	$(BIN)/python -m benchmarks.run

# Other systems to measure beside, in an environment of their own, for theirs and ours want different numpys. Where one
# cannot be installed the benchmarks say so.
peers:
	@test -e .venv/peers/done || { $(PYTHON) -m venv .venv/peers && .venv/peers/bin/python -m pip install --quiet \
	    --disable-pip-version-check $(LOCKED) -r requirements/peers.txt && touch .venv/peers/done; } \
	    || echo "the other systems could not be installed: they will not be measured"

attacks: .venv/dev
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m attack tests/attacks

# 10^5 releases of every case and planted mistake: what one curious party learns of a person through the noise.
audit: .venv/dev
	$(BIN)/python -m benchmarks.audit

faults: .venv/dev
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m fault tests/faults

# Runs what the catalogue of attacks names, and writes the table in docs/security.md from the results. Other tracebacks
# parse the sources anew, over which CPython 3.11 can fall, and with it the whole run (gh-106905).
security: .venv/dev
	-$(BIN)/python -m pytest -q -n auto --dist loadfile --tb=native --junitxml=.venv/security.xml $$($(BIN)/python -m tests.attacks.table --list)
	$(BIN)/python -m tests.attacks.table .venv/security.xml

# Ten times as many random questions as `make test` asks, each compared with DuckDB.
questions: .venv/dev
	GLOVEBOX_EXAMPLES=500 $(BIN)/python -m pytest -q -n auto --timeout 3600 tests/planner

# Writes the pinned refusals, plans and readings anew; the diff is what a reviewer reads.
refusals: .venv/dev
	$(BIN)/python -m pytest -q tests/refusals tests/planner tests/contract --rewrite

# Universal locks for every Python from 3.11 on; no address of an index is written.
lock: .venv/dev
	$(BIN)/uv pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate pyproject.toml requirements/build.in -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate --extra dev pyproject.toml requirements/build.in -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate requirements/peers.in -o requirements/peers.txt

.venv/run: requirements/run.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) $(LOCKED) -r requirements/run.txt
	$(PIP) --no-deps --no-build-isolation -e .
	$(BIN)/python -m glovebox.algebra.kernels
	touch $@

.venv/dev: requirements/dev.txt .venv/run
	$(PIP) $(LOCKED) -r requirements/dev.txt
	touch $@

clean:
	rm -rf .venv build dist
