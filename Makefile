# `make demo` and `make test` work on a machine with only Python 3.11 to 3.13, pip and make.
# `make test TORCH=2.14.1` runs them on another torch, `make test CONSTRAINTS=constraints-lowest.txt` on the lowest versions, each in a .venv-… of its own.
PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
PINNED := $(shell sed -n 's/^torch==//p' $(CONSTRAINTS))
TORCH ?= $(PINNED)
VENV := .venv$(if $(filter-out constraints.txt,$(CONSTRAINTS)),-$(CONSTRAINTS:constraints-%.txt=%))$(if $(filter-out $(PINNED),$(TORCH)),-$(TORCH))
BIN := $(VENV)/bin
DEMO_READY := $(VENV)/demo-ready
READY := $(VENV)/ready
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/constraints.txt
# How many processes run tests; 0 runs them in one.
PROCESSES ?= auto

.PHONY: demo test ready fuzz check format lint types assets notebooks environment versions clean

demo: $(DEMO_READY)
	$(BIN)/python demo/make_demo.py

test: $(READY)
	$(BIN)/python -m pytest -q -n $(PROCESSES) --maxprocesses 4 --dist loadfile

ready: $(READY)

fuzz: $(READY)
	FUZZ=5000 $(BIN)/python -m pytest -q tests/tracing/test_properties.py
	FUZZ=2000 $(BIN)/python -m pytest -q tests/maths/test_agreement.py
	FUZZ=1 $(BIN)/python -m pytest -q tests/output/test_real_modules.py tests/corpus
	FUZZ=1000 $(BIN)/python -m pytest -q tests/tracing/test_observable_state.py
	FUZZ=1 $(BIN)/python -m pytest -q tests/tracing/test_lying_torch.py tests/tracing/test_op_samples.py
	FUZZ=200 $(BIN)/python -m pytest -q tests/explain/test_grad_histories.py tests/film/test_rounds.py
	FUZZ=200 $(BIN)/python -m pytest -q -s tests/tracing/test_interrupts.py
	FUZZ=1 $(BIN)/python -m pytest -q -s tests/output/test_whole_or_untouched.py
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

environment: $(READY)
	@echo $(BIN)/python

versions: $(READY)
	$(BIN)/python tools/torch_versions.py

clean:
	rm -rf .venv .venv-* out

# A torch that is not the pinned one brings the sympy that it needs.
# Python compiles what the demo imports when it imports it; pip would compile all of torch, which takes longer than the demo.
$(DEMO_READY): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	sed -e '' $(if $(filter-out $(PINNED),$(TORCH)),-e '/^torch==/d' -e '/^sympy==/d') $(CONSTRAINTS) > $(VENV)/constraints.txt
	$(INSTALL) --no-compile "torch==$(TORCH)" -e ".[demo]"
	touch $@

$(READY): $(DEMO_READY)
	$(INSTALL) "torch==$(TORCH)" -e ".[dev]"
	touch $@
