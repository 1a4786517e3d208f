# A fresh machine needs Python 3.11 or newer, make and git; everything else goes into .venv.
#   make demo    the main job on real flights, end to end
#   make test    all checks and all tests
#   make check   style, types, import rules
#   make test-clients  Triton's and kserve's clients, in an environment of their own
#   make sanitize  the native kernels' tests under AddressSanitizer and UBSan (gcc)
#   make fuzz    feed broken bytes to native kernels, readers of files, decoders of events (clang)
#   make demo-stream  sensors on NATS, scored as they arrive, in a live view
#   make soak    kill stream tasks and event workers, two hundred times each; load a server
#   make bench   every benchmark in turn
#   make docs    write what is made from the code: docs/coverage.md, a table of the README
#   make clean   remove what the other targets made

PYTHON ?= python3
WORKERS ?= 2
SECONDS ?= 60
SOAK ?= 1800
TARGETS ?=
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo demo-stream test check test-clients sanitize fuzz soak bench docs clean

help:
	@sed -n 's/^#   //p' Makefile

# A stamp records which extras are installed, and for which pyproject.toml.
$(VENV)/.installed-%: pyproject.toml setup.py $(wildcard kernels/native/*.[ch] udfs/duckdb/extension/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "foresql needs Python 3.11 or newer; set one with: make PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing foresql[$*] into $(VENV) (once; a few minutes on a slow line)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

demo: $(VENV)/.installed-demo
	@$(BIN)/foresql demo

demo-stream: $(VENV)/.installed-demo-stream
	@$(BIN)/foresql demo-stream

test: check
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope

check: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest -q tests/architecture/test_imports.py

# kserve brings 300 MB, and its own wishes for what others need.
CLIENTS := .peers/clients

$(CLIENTS)/.installed: tests/clients/requirements.txt
	@echo "Installing the clients into $(CLIENTS) (once; a minute or two)"
	@$(PYTHON) -m venv --clear $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
		--requirement tests/clients/requirements.txt
	@touch $@

test-clients: $(VENV)/.installed-dev $(CLIENTS)/.installed
	$(BIN)/python tests/clients/run.py $(CLIENTS)/bin/python

sanitize: $(VENV)/.installed-dev
	$(BIN)/python tests/fuzz/sanitize.py

fuzz: $(VENV)/.installed-fuzz
	$(BIN)/python tests/fuzz/run.py --seconds $(SECONDS) $(TARGETS)

soak: $(VENV)/.installed-dev
	FORESQL_KILLS=200 $(BIN)/python -m pytest -q --timeout=0 -o faulthandler_timeout=0 \
		tests/streams/test_kill.py tests/streams/events/test_kill.py \
		tests/streams/events/test_windows.py::test_a_killed_worker_loses_and_repeats_nothing \
		tests/streams/events/test_kafka_sink.py::test_killed_workers_lose_nothing_and_repeat_under_the_same_keys
	FORESQL_SOAK_SECONDS=$(SOAK) $(BIN)/python -m pytest -q --timeout=0 -o faulthandler_timeout=0 tests/serving/test_soak.py

bench: $(VENV)/.installed-dev
	@for script in benchmarks/*.py; do \
		echo "== $$script"; \
		$(BIN)/python "$$script" || exit 1; \
	done

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/coverage.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .fuzz .peers
	rm -rf dbt_project/target dbt_project/logs dbt_project/dbt_packages
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
