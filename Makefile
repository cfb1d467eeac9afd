# make help says what there is. Everything is installed into .venv; nothing needs root.
#
# Each step prints one line with its time; its output is shown only where it fails. Steps whose inputs did not
# change are not run again (stamps in .venv).

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.SILENT:
.PHONY: help setup setup-dev demo up test test-postgres test-redis check bench pictures fuzz clean

# Images of Python often set it: each of the panel's processes would compile the program again, at each start.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
PY := $(VENV)/bin/python
LEAST_PYTHON := 3.11

# $(call step,what is done,command)
define step
printf '  %-42s' "$(1)"; begin=$$(date +%s%N); \
if output=$$( { $(2); } 2>&1 ); then \
  t=$$(( ($$(date +%s%N) - begin) / 10000000 )); printf '%3d.%02d s\n' $$((t / 100)) $$((t % 100)); \
else printf ' failed\n'; printf '%s\n' "$$output" >&2; exit 1; fi
endef

# uv unpacks in a third of pip's time. It does not read pip.conf, so where it cannot reach an index pip is asked.
install = { $(PY) -m uv --version || $(PY) -m pip install -q --disable-pip-version-check 'uv>=0.9,<1'; } && \
  UV_HTTP_TIMEOUT=10 $(PY) -m uv pip install -q --compile-bytecode --python $(PY) -r $(1) || \
  $(PY) -m pip install -q --disable-pip-version-check -r $(1)

# Tests wait about as much as they compute. A module stays in one process, the longest come first (tests/conftest.py).
PROCESSES = $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
beside = -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

help: ## this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.runtime ## .venv with what the program needs to run (PYTHON=... chooses the interpreter)

setup-dev: $(VENV)/.dev

$(VENV)/.python:
	candidates="$(PYTHON)"; found=; \
	for candidate in $${candidates:-python3 python3.13 python3.12 python3.11}; do \
	  if "$$candidate" -c 'import sys, ensurepip; sys.exit(sys.version_info < tuple(map(int, "$(LEAST_PYTHON)".split("."))))' 2>/dev/null; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "No Python $(LEAST_PYTHON) or newer with the venv module among: $${candidates:-python3, python3.13, python3.12, python3.11}." \
	    "Install one (Debian: apt-get install python3 python3-venv) or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; \
	fi; \
	$(call step,virtual environment ($$found),"$$found" -m venv --clear $(VENV))
	touch $@

$(VENV)/.runtime: $(VENV)/.python requirements.txt requirements-node.txt
	$(call step,packages of requirements.txt,$(call install,requirements.txt))
	touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt requirements-postgres.txt
	$(call step,packages of requirements-dev.txt,$(call install,requirements-dev.txt))
	touch $@

demo: setup ## the panel with a tunnel to look at and a web server behind it (LISTEN=127.0.0.1:8000 PORT=8080)
	exec $(PY) manage.py serve --demo $(if $(LISTEN),--listen $(LISTEN)) $(if $(PORT),--demo-port $(PORT))

up: setup ## the panel, all of it: prints the link to the first account (LISTEN=127.0.0.1:8000)
	exec $(PY) manage.py serve $(if $(LISTEN),--listen $(LISTEN))

test: setup-dev ## the test suite, in processes side by side (PROCESSES=0: in one; ARGS='-k mux' is handed to pytest)
	$(PY) -m pytest -q $(beside) $(ARGS)

test-postgres: setup-dev ## what the panel does with its database, on a PostgreSQL server of its own (needs PostgreSQL)
	$(PY) -m tests.support.postgres $(PY) -m pytest -q $(beside) $(or $(ARGS),tests/dashboard/services tests/dashboard/api --ignore tests/dashboard/api/test_any_request.py)
	$(if $(ARGS),,$(PY) -m tests.support.postgres $(PY) -m pytest -q tests/dashboard/test_big_instance.py)  # alone: it is about speed

test-redis: setup-dev ## what goes through the channel layer, on a Redis server of its own (needs redis-server)
	$(PY) -m tests.support.redis $(PY) -m pytest -q $(or $(ARGS),tests/dashboard/live tests/xrevsite/test_health.py)

check: setup-dev ## linters, types, Django's checks, the rules of the architecture
	$(call step,ruff,$(PY) -m ruff check .)
	$(call step,mypy --strict proxycore,$(PY) -m mypy --strict proxycore)
	$(call step,mypy of the Django side,$(PY) -m mypy xrevsite dashboard manage.py)
	$(call step,manage.py check,$(PY) manage.py check --fail-level WARNING)
	$(call step,manage.py makemigrations --check,$(PY) manage.py makemigrations --check --dry-run)
	$(call step,rules of the architecture,$(PY) -m pytest -q tests/test_architecture.py)

bench: setup ## the tunnel beside V2Ray's, figure by figure (ROUNDS=3)
	$(PY) bench/reverse_bench.py --rounds $(or $(ROUNDS),3)

pictures: setup-dev ## the pictures in docs/pictures, from a panel of its own (Chromium)
	$(PY) -m tests.browser.pictures

fuzz: setup-dev ## the property tests with many more examples (minutes)
	HYPOTHESIS_PROFILE=long $(PY) -m pytest -q -m "hypothesis or fuzz" --timeout 3600 $(ARGS)

clean: ## remove .venv and caches; var/ (database, keys) stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
