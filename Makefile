# Every command starts from nothing: it makes .venv if there is none, adds only what it needs, and skips what is there.
# `make run` and `make test` may come in any order; both build on the same .venv.

PYTHON ?= python3
SCALE  ?= quick
ARGS   ?=

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
PIP   := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint requirements.lock
OURS  := $(PIP) --build-constraint requirements.lock
GROUND := $(READY)/pip pyproject.toml setup.py requirements.lock

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test torture lint format bench docs screenshots clean

help: ## list these commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

run: $(READY)/lab ## the headline study at quick scale, a few minutes (SCALE=smoke|laptop, ARGS='--seeds 3')
	@$(BIN)/wayfare run exploit --scale $(SCALE) $(ARGS)

test: lint $(READY)/browser ## format, lint, types, import contracts, then the tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadgroup $(ARGS)

torture: $(READY)/dev ## what a memory survives: kill -9, full disks, damage, strangers; into results/reliability.json, half an hour and more
	@nice $(BIN)/python tests/memory/torture/torture.py $(ARGS)
	@WAYFARE_FUZZ=40 OMP_NUM_THREADS=1 nice $(BIN)/python -m pytest -q -n 0 tests/serve/test_openapi.py

lint: $(READY)/dev ## format, lint, types and import contracts only
	@$(BIN)/ruff format --check --quiet || { $(BIN)/ruff format --diff; exit 1; }
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache

format: $(READY)/dev ## put the code into the house style
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

bench: $(READY)/bench ## speed beside named peers, each in an environment of its own
	@$(BIN)/python benchmarks/run.py $(ARGS)
	@$(BIN)/python benchmarks/bandits.py
	@$(BIN)/python benchmarks/training.py
	@$(BIN)/python benchmarks/memory.py
	@$(BIN)/python benchmarks/language.py

docs: $(READY)/docs ## the manual, into site/manual/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/manual/index.html"

screenshots: $(READY)/dev $(READY)/browser ## the manual's pictures of the memory's page, into docs/img/
	@$(BIN)/python docs/screenshots.py

clean: ## forget environments, caches and built things; runs/ and results/ stay
	rm -rf $(VENV) .venv-* build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis src/*.egg-info

$(READY)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Wayfare needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@$(PIP) --upgrade pip
	@mkdir -p $(READY) && touch $@

$(READY)/lab: $(GROUND)
	@echo "installing wayfare[lab] into $(VENV)"
	@$(OURS) --editable '.[lab]'
	@touch $@

$(READY)/dev: $(GROUND)
	@echo "installing wayfare[lab,lm,serve,postgres,langgraph,ray,tensorboard,sentence-transformers] and the tools of the tests into $(VENV)"
	@$(OURS) --editable '.[lab,lm,serve,postgres,langgraph,ray,tensorboard,sentence-transformers]' --group dev
	@touch $@ $(READY)/lab

# The memory's page is tested in Debian's own browser: apt brings it where it is missing.
$(READY)/browser: $(READY)/pip
	@if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then \
		command -v apt-get >/dev/null && test "$$(id -u)" = 0 || { \
			echo "The page is tested in a browser. As root: apt-get install chromium chromium-driver" \
			"(elsewhere than on Debian: any Chromium as 'chromium', with its 'chromedriver')"; exit 1; }; \
		echo "installing chromium and chromium-driver with apt"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends chromium chromium-driver; } >$(READY)/apt.log 2>&1 \
			|| { tail -5 $(READY)/apt.log; exit 1; }; \
	fi
	@touch $@

$(READY)/bench: $(GROUND)
	@echo "installing wayfare[lab,lm] and what the benchmarks need into $(VENV)"
	@$(OURS) --editable '.[lab,lm]' --group bench
	@touch $@ $(READY)/lab

$(READY)/docs: $(GROUND)
	@echo "installing wayfare[lab] and the tools of the manual into $(VENV)"
	@$(OURS) --editable '.[lab]' --group docs
	@touch $@ $(READY)/lab
