# make demo   installs into .venv and transcribes the recording that ships, to the terminal and to demo/
# make test   installs with the test tools and runs the tests
# make test-all  the hour-long tests too
# make check  lint, format and types        make bench  the benchmarks, into benchmarks/results/
#
# Another installer: make demo INSTALL="uv pip install --python .venv --torch-backend=cpu"

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALL ?= $(BIN)/python -m pip install --quiet --disable-pip-version-check
SOURCES := pyproject.toml constraints.txt README.md $(shell find speechcli -type f -not -name '*.pyc' -not -path '*/__pycache__*')

.PHONY: demo test test-all check bench completions clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/speechcli transcribe speechcli/sample/two_cities.mp3 --format srt,vtt,json --output-dir demo --overwrite
	@echo; echo "== demo/two_cities.srt"; cat demo/two_cities.srt
	@echo "== demo/two_cities.vtt"; head -n 8 demo/two_cities.vtt
	@echo; echo "== demo/two_cities.json"; head -c 600 demo/two_cities.json; echo " ..."
	@echo; echo "== text, straight to the terminal"
	$(BIN)/speechcli transcribe speechcli/sample/two_cities.mp3 --format txt --output - --quiet

test: $(VENV)/.installed-test
	$(BIN)/pytest -n 2 --dist loadfile

test-all: $(VENV)/.installed-test
	$(BIN)/pytest -m ""

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/all.py

completions: $(VENV)/.installed
	$(BIN)/python -m speechcli.cli.completion completions

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "speechcli needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1): install one and run: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) comes without venv: install it (Debian and Ubuntu: apt install python3-venv) and run make again"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch first and by its exact version: a plain requirement would take the newest build
$(VENV)/.torch: constraints.txt | $(BIN)/python
	$(INSTALL) "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.installed: $(SOURCES) | $(VENV)/.torch
	$(INSTALL) -c constraints.txt .
	@touch $@

$(VENV)/.installed-test: $(SOURCES) | $(VENV)/.torch
	$(INSTALL) -c constraints.txt ".[test]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: $(SOURCES) | $(VENV)/.torch
	$(INSTALL) -c constraints.txt ".[bench]"
	@touch $@ $(VENV)/.installed
