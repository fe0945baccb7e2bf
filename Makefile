# `make test` on a fresh machine is all of it: the environment is made on the way.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed

# Where it is set, every process that a test starts would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test attack science docs explorer explorer-data compat gpu bench figures gallery clean

help:  ## show these lines
	@awk -F ':.*## ' '/^[.a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv: $(READY)  ## make the virtual environment and install into it

# --clear, so that a dependency dropped from pyproject.toml is dropped here too.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

demo: $(READY)  ## teacher and real digits, trained, measured and reported (a minute)
	$(BIN)/loadpath demo --out demo --overwrite

test: $(READY)  ## lint, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup

KILLS ?= 300
attack: $(READY)  ## kill, damage and fill at random what commands write (minutes; a night: KILLS=20000)
	OMP_NUM_THREADS=1 LOADPATH_KILLS=$(KILLS) LOADPATH_ATTACK=$(KILLS) \
		$(BIN)/python -m pytest -m "not cuda" -p no:randomly tests/attack

science: $(READY)  ## the slow tests: claims of the paper, measured
	$(BIN)/python -m pytest -m slow

docs: $(READY)  ## the docs site, in site/: warnings and dead links fail
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The pages are committed, so that who installs or tests needs no node. A test builds them where their sources changed.
explorer: $(READY)  ## the pages that run in a browser, built anew into the package (needs node 20)
	$(BIN)/python explorer/manifest.py --build

explorer-data: $(READY)  ## what the explorer's pages carry, from docs/data (half a minute); then `make explorer`
	$(BIN)/python explorer/data/export.py

compat: $(READY)  ## wheel and sdist, tried in clean environments (PYTHONS="python3.12 ..." for others)
	$(BIN)/python tests/helpers/packages.py $(PYTHONS)

gpu: $(READY)  ## the tests that need a GPU, and the speed of the training step there
	$(BIN)/python benchmarks/gpu.py

bench: $(READY)  ## speed of the training step, the chain, phase diagrams, geodesics and diagnoses (an hour)
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/train_step.py
	$(BIN)/python benchmarks/chain.py
	$(BIN)/python benchmarks/phase_diagram.py
	$(BIN)/python -m pip install --quiet -c constraints.txt torchlens pytorch_optimizer  # only to be compared with
	$(BIN)/python benchmarks/geodesic.py --opponents
	$(BIN)/python benchmarks/diagnose.py
	$(BIN)/python benchmarks/monitor.py
	$(BIN)/python benchmarks/explorer_frames.py

figures: $(READY)  ## every figure of the paper (hours; resumes where it stopped)
	$(BIN)/loadpath figures all --out docs --workers 2

gallery: $(READY)  ## the pictures of docs/gallery.md, anew (half a minute)
	rm -rf docs/gallery
	OMP_NUM_THREADS=1 $(BIN)/python tests/helpers/gallery.py docs

clean:  ## remove the environment, caches and the demo's output
	rm -rf .venv explorer/node_modules demo site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
