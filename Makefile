# Every command of the project. `make help` lists them.
PYTHON ?= python3
PIP_ARGS ?=
# Byte code is written for what is used, when it is first used: for all of it that takes a minute and a half.
PIP_INSTALL := -m pip install --disable-pip-version-check --no-compile
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
SUM = $(shell cat requirements.txt | cksum | cut -d' ' -f1)
DEV_SUM = $(shell cat requirements.txt requirements-dev.txt | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help
.PHONY: help demo run install install-dev css test test-slow lint types bench bench-copy bench-preferences bench-reviews bench-review-import bench-train bench-offtopic bench-experiments bench-api backup restore messages clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: install ## install everything, start it with the demo shop, print address and login
	$(BIN)/python -m devstack up --demo

run: install ## start everything with your own data
	$(BIN)/python -m devstack up

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "EcomAI needs Python 3.11 or newer (PYTHON=python3.12 make …)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: on Debian and Ubuntu install python3-venv"; rm -rf $(VENV); exit 1; }

install: $(VENV)/bin/python
	@if [ "$$(cat $(STAMP) 2>/dev/null)" != "$(SUM)" ] && [ "$$(cat $(DEV_STAMP) 2>/dev/null)" != "$(DEV_SUM)" ]; then \
	  echo "installing the pinned packages (about 2 GB the first time) …"; \
	  $(BIN)/python $(PIP_INSTALL) $(PIP_ARGS) -r requirements.txt && echo "$(SUM)" > $(STAMP); fi

install-dev: $(VENV)/bin/python
	@if [ "$$(cat $(DEV_STAMP) 2>/dev/null)" != "$(DEV_SUM)" ]; then \
	  echo "installing the pinned packages (about 2 GB the first time) …"; \
	  $(BIN)/python $(PIP_INSTALL) $(PIP_ARGS) -r requirements-dev.txt && echo "$(DEV_SUM)" > $(DEV_STAMP); fi

css: install ## build the stylesheet
	$(BIN)/python -m devstack css

test: install-dev ## everything a change must pass: lint, then all tests against real servers
	$(BIN)/python -m devstack css
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python -m tests

test-slow: install-dev ## real trainings of every kind, killed and resumed (about half an hour)
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python -m pytest -m training -q

lint: install-dev ## style, import contracts, deployment check, migrations
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	SECRET_KEY=lint-only-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789 SITE_URL=https://shop.example ALLOWED_HOSTS=shop.example \
	  $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python manage.py makemigrations --check --dry-run

types: install-dev ## static types
	$(BIN)/mypy devstack ecomai/lib

bench: install-dev ## measure: import, list page, encoder, generator
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python -m benchmarks foundation

bench-copy: install-dev ## measure the copy model on the held-out products
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python -m benchmarks copy

bench-preferences: install-dev ## measure what the writer and the ranking learn from preferences (about twenty minutes)
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python -m benchmarks preferences

bench-reviews: install-dev ## measure the review model on public test sets (REVIEW_DATA) and after a store's fine-tuning
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python -m benchmarks reviews

bench-review-import: install-dev ## import 100,000 reviews (REVIEW_IMPORT_ROWS) while the workers are killed
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python -m benchmarks review_import

bench-train: install-dev ## measure the trainer against the textbook loop, and the methods in one table
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python -m benchmarks training

bench-offtopic: install-dev ## measure the flag "off topic" on public reviews: false alarms and recall
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python -m benchmarks off_topic

bench-experiments: install-dev ## simulate what the statistics of experiments promise (about three minutes)
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python -m benchmarks experiments

bench-api: install-dev ## measure the storefront API: 100,000 products, 10 experiments, events sent twice (about three minutes)
	$(BIN)/python -m devstack run --ephemeral -- $(BIN)/python -m benchmarks api

backup: install ## dump the embedded database to var/backup.dump
	$(BIN)/python -m devstack run -- $(BIN)/python -m devstack.backup dump var/backup.dump

restore: install ## load var/backup.dump into the embedded database
	$(BIN)/python -m devstack run -- $(BIN)/python -m devstack.backup load var/backup.dump

messages: install-dev ## collect and compile translations (needs gettext)
	DEBUG=1 $(BIN)/python manage.py makemessages -l zh_Hans --no-location --ignore=.venv --ignore=var --ignore=tests
	DEBUG=1 $(BIN)/python manage.py compilemessages -l zh_Hans

clean: ## remove what was built here (keeps the shop's data and models)
	rm -rf var/static ecomai/static/build .pytest_cache .ruff_cache .mypy_cache
