# A fresh machine needs Python 3.11 or newer, make and git; everything else goes into .venv.
#   make demo    the main job on real flights, end to end
#   make test    all checks and all tests
#   make check   style, types, import rules
#   make bench   every benchmark in turn
#   make docs    write what is made from the code: docs/coverage.md, a table of the README
#   make clean   remove what the other targets made

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs clean

help:
	@sed -n 's/^#   //p' Makefile

# A stamp records which extras are installed, and for which pyproject.toml.
$(VENV)/.installed-%: pyproject.toml setup.py kernels/native/forest.c kernels/native/blend.h
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "foresql needs Python 3.11 or newer; set one with: make PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing foresql[$*] into $(VENV) (once; a few minutes on a slow line)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

demo: $(VENV)/.installed-demo
	@$(BIN)/foresql demo

test: check
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope

check: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest -q tests/architecture/test_imports.py

bench: $(VENV)/.installed-dev
	@for script in benchmarks/*.py; do \
		echo "== $$script"; \
		$(BIN)/python "$$script" || exit 1; \
	done

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/coverage.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	rm -rf dbt_project/target dbt_project/logs dbt_project/dbt_packages
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
