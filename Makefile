# Every target makes its own environment in .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test slow soak lint types check clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test,lint]"
	touch $@

demo: .venv/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

# As many processes as there are cores, each of one thread: few tests keep a second core busy, and they would spin for it.
test: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal

slow: .venv/ready
	$(BIN)/python -m pytest -q -m slow

soak: .venv/ready
	HUBEL_KILLS=500 $(BIN)/python -m pytest -q tests/test_kills.py -m "slow or not slow"

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

check: lint types test

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache

.PHONY: readme
readme: .venv/ready
	$(BIN)/python benchmarks/readme.py --demo
