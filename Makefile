# `make demo` and `make test` work on a machine with only Python 3.11, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_READY := $(VENV)/demo-ready
READY := $(VENV)/ready
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# How many processes run tests; 0 runs them in one.
PROCESSES ?= auto

.PHONY: demo test ready fuzz check format lint types assets notebooks clean

demo: $(DEMO_READY)
	$(BIN)/python demo/make_demo.py

test: $(READY)
	$(BIN)/python -m pytest -q -n $(PROCESSES) --maxprocesses 4 --dist loadfile

ready: $(READY)

fuzz: $(READY)
	FUZZ=5000 $(BIN)/python -m pytest -q tests/test_properties.py
	$(BIN)/python tools/fuzz_operations.py

check: $(READY)
	$(BIN)/ruff format --check .
	$(MAKE) lint types test

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

assets: $(READY)
	$(BIN)/python assets/make_assets.py

notebooks: $(READY)
	$(BIN)/python tools/run_notebooks.py

clean:
	rm -rf $(VENV) out

# Python compiles what the demo imports when it imports it; pip would compile all of torch, which takes longer than the demo.
$(DEMO_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --no-compile -e ".[demo]"
	touch $@

$(READY): $(DEMO_READY)
	$(INSTALL) -e ".[dev]"
	touch $@
