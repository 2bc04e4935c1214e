# Needs Python 3.11 or newer and make; everything else goes into a virtual environment of its own.
#
#   make demo      watch an answer arrive, from the built-in simulator: no key, nothing sent anywhere
#   make test      the whole suite: lint, types, tests
#   make notebook  opens JupyterLab with the quickstart
#   make bench     what a chunk costs, beside a floor measured in the same run

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A virtual environment made by uv has no pip of its own.
PIP = $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; $(BIN)/python -m pip
MODEL ?= simulator:default
PROMPT ?= Explain quantum computing in simple terms

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint types pytest notebook bench
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	@$(BIN)/rxwizard --model '$(MODEL)' '$(PROMPT)'

test: lint types pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# pyright is a program for node, which comes from PyPI with it. Where that cannot be started, the
# other checks still count.
types: $(VENV)/.installed-dev
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	@if $(BIN)/pyright --version >/dev/null 2>&1; then \
		echo "$(BIN)/pyright"; \
		$(BIN)/pyright --pythonpath $(BIN)/python; \
	else \
		echo "****************************************************************"; \
		echo "WARNING: pyright cannot be started here: types are checked by mypy only."; \
		echo "$(BIN)/pyright --version says why."; \
		echo "****************************************************************"; \
	fi

pytest: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

# In a container one mostly is root, which Jupyter wants to be told.
notebook: $(VENV)/.installed-notebook
	@$(BIN)/jupyter-lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/01_quickstart.ipynb

bench: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks

# The stamps say what was installed, and that it is not older than pyproject.toml. The install is
# editable: a change of the source needs no other one.
$(VENV)/.installed: $(BIN)/python pyproject.toml
	@echo "installing rxwizard into $(VENV)"
	@$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml
	@echo "installing rxwizard and its development tools into $(VENV)"
	@$(PIP) install --quiet --editable '.[dev]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-notebook: $(BIN)/python pyproject.toml
	@echo "installing rxwizard and JupyterLab into $(VENV)"
	@$(PIP) install --quiet --editable '.[notebook]' jupyterlab
	@touch $(VENV)/.installed $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"rxwizard needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + \
		": make PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
