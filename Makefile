# Everything from nothing but Python >= 3.11, make and a package index.
PYTHON ?= python3
BIN := .venv/bin
OLDEST := .venv-oldest/bin

.PHONY: demo test test-slow test-oldest bench results lint format clean

demo: .venv/installed
	$(BIN)/skfashion compare --output build/demo

# Two at a time: a good part of the tests wait for TensorFlow to start in a fresh process.
test: .venv/installed
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

test-slow: .venv/installed
	$(BIN)/python -m pytest -m slow

test-oldest: .venv-oldest/installed
	$(OLDEST)/python -m pytest tests/test_estimator_checks.py

bench: .venv/peers
	$(BIN)/python benchmarks/run.py

results: .venv/installed
	$(BIN)/python benchmarks/results.py

lint: .venv/linters
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/linters
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# pip learnt --group in 25.1; Python 3.11 and 3.12 come with older ones.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[plot,report]" --group test
	touch $@

.venv/linters: .venv/installed
	$(BIN)/python -m pip install --quiet --group lint
	touch $@

.venv/peers: .venv/installed
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

.venv-oldest/installed: pyproject.toml
	$(PYTHON) -m venv .venv-oldest
	$(OLDEST)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(OLDEST)/python -m pip install --quiet --editable . --group test "scikit-learn==1.7.0"
	touch $@

clean:
	rm -rf .venv .venv-oldest .pytest_cache .ruff_cache
