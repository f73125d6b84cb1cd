# `make help` lists the targets. Everything is installed into .venv by the first target that needs it.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

# make reproduce DATASET=fer2013 ROOT=/path/to/fer2013
DATASET ?= synthetic
ROOT ?=
EXPERIMENT := $(if $(filter synthetic,$(DATASET)),demo,$(DATASET))
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup lint types tests test smoke reproduce figures gallery tree format clean clean-outputs

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1|/' | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP)  ## install everything into .venv (about 6.6 GB)

$(STAMP): pyproject.toml constraints.txt scripts/setup.sh
	PYTHON="$(PYTHON)" sh scripts/setup.sh .venv
	@touch $@

lint: $(STAMP)  ## ruff: rules and format
	$(BIN)/python scripts/tree.py --check
	$(BIN)/ruff check src tests scripts benchmarks
	$(BIN)/ruff format --check src tests scripts benchmarks

types: $(STAMP)  ## strict mypy on src
	$(BIN)/mypy

# Files in their order: by default those with the fewest tests, which are the longest here, would come last.
tests: $(STAMP)  ## pytest, two processes (ARGS="-n 0 ...": in one)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test: lint types tests  ## lint, types and tests

smoke: $(STAMP)  ## small studies from nothing to their reports, in a minute
	sh scripts/smoke.sh $(BIN)

reproduce: $(STAMP)  ## the main job: sweep none/mask/headset, end in a report (DATASET=fer2013 ROOT=DIR: real faces)
	@echo "Step 1 of 2: trainings, two at a time on two cores; it says how far they are."
	$(BIN)/occlufer train -m experiment=$(EXPERIMENT) hydra/launcher=local $(if $(ROOT),dataset.root='$(ROOT)') $(ARGS)
	@echo "Step 2 of 2: the report."
	$(BIN)/occlufer report study=$(EXPERIMENT) paper=true

figures: $(STAMP)  ## draw the pictures of README.md again
	$(BIN)/python scripts/figures.py

gallery: $(STAMP)  ## draw the pictures of docs/gallery.md again
	$(BIN)/python scripts/gallery.py

tree: $(STAMP)  ## write the tree of docs/architecture.md again
	$(BIN)/python scripts/tree.py

format: $(STAMP)  ## let ruff format the code
	$(BIN)/ruff check --fix src tests scripts benchmarks
	$(BIN)/ruff format src tests scripts benchmarks

clean:  ## delete the environment and the caches of the tools
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-outputs:  ## delete every study, drawn face and landmark
	find outputs -mindepth 1 -not -name .gitkeep -delete
