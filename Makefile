# `make demo` and `make test` work on a machine with only Python 3.11, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: demo test fuzz check format lint types assets notebooks clean

demo: $(READY)
	$(BIN)/python demo/make_demo.py

test: $(READY)
	$(BIN)/python -m pytest -q

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

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)
