# Everything from nothing but Python >= 3.11, make and a package index.
PYTHON ?= python3
BIN := .venv/bin
BUILD := .venv-build/bin
DEPLOYMENT := .venv-deployment/bin
OLDEST := .venv-oldest/bin
NIGHTLY := .venv-nightly/bin
WHEEL := .venv-wheel/bin

# Two at a time: a good part of the tests wait for TensorFlow to start in a fresh process.
TEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test coverage test-slow test-oldest test-nightly test-deployment wheel docs bench bench-gpu features scaling results
.PHONY: lint format clean

demo: .venv/installed
	$(BIN)/skfashion compare --output build/demo

test: .venv/installed
	$(TEST)

# The same tests, and the share of the package's statements that they run.
coverage: .venv/installed
	$(TEST) --cov --cov-report=term-missing:skip-covered

test-slow: .venv/installed
	$(BIN)/python -m pytest -m slow

test-oldest: .venv-oldest/installed
	$(OLDEST)/python -m pytest tests/test_estimator_checks.py

# PIP_EXTRA_INDEX_URL names the index of the nightly wheels.
test-nightly: .venv-nightly/installed
	$(NIGHTLY)/python -m pytest tests/test_estimator_checks.py tests/classifier tests/test_promises.py

# Where TensorFlow was never installed.
test-deployment: .venv-deployment/installed
	$(DEPLOYMENT)/python -m pip install --quiet --force-reinstall --no-deps ./predict
	$(DEPLOYMENT)/python -m pip check
	$(DEPLOYMENT)/python -m pytest -m deployment tests/test_deployment.py

# The wheel is built from the sdist, and used where no checkout can be imported in its stead.
wheel: .venv-build/installed
	rm -rf dist
	$(BUILD)/python -m build
	$(BUILD)/python -m twine check --strict dist/*
	$(BUILD)/check-wheel-contents dist/*.whl
	$(PYTHON) -m venv --clear .venv-wheel
	$(WHEEL)/python -m pip install --quiet dist/*.whl
	cd dist && ../$(WHEEL)/python -c "$$USE"
	cd dist && ../$(WHEEL)/skfashion --help
	cd dist && ../$(WHEEL)/skfashion reproduce v2 --epochs 1 --data mini

define USE
import skfashion
from skfashion.datasets import load_fashion_mini

assert "site-packages" in skfashion.__file__, skfashion.__file__
X, y = load_fashion_mini(return_X_y=True)
fitted = skfashion.FashionCNN(epochs=1, random_state=0).fit(X, y)
assert fitted.score(X, y) > 0.6
endef
export USE

# Into docs/_build/html; then every link is followed and every page looked at.
docs: .venv/documenters
	$(BIN)/sphinx-build --fail-on-warning --keep-going docs docs/_build/html
	$(BIN)/python -m pytest -m site

bench: .venv/peers
	$(BIN)/python benchmarks/run.py

bench-gpu: .venv/peers
	$(BIN)/python benchmarks/gpu.py

features: .venv/peers
	$(BIN)/python benchmarks/features.py

scaling: .venv/peers
	$(BIN)/python benchmarks/scaling.py --plot

results: .venv/installed
	$(BIN)/python benchmarks/results.py
	$(BIN)/python benchmarks/version_3.py

lint: .venv/linters
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/repo-review .
	$(BIN)/codespell
	$(BIN)/rumdl check --no-cache .
	$(BIN)/zizmor --offline --no-progress .

format: .venv/linters
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# pip learnt --group in 25.1; Python 3.11 and 3.12 come with older ones.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[dask,onnx,plot,report,skops]" --group test
	touch $@

.venv/linters: .venv/installed
	$(BIN)/python -m pip install --quiet --group lint
	touch $@

.venv/documenters: .venv/installed
	$(BIN)/python -m pip install --quiet --group docs
	touch $@

.venv/peers: .venv/installed
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

.venv-build/installed: pyproject.toml
	$(PYTHON) -m venv .venv-build
	$(BUILD)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BUILD)/python -m pip install --quiet --group build
	touch $@

.venv-oldest/installed: pyproject.toml
	$(PYTHON) -m venv .venv-oldest
	$(OLDEST)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(OLDEST)/python -m pip install --quiet --editable . --group test "scikit-learn==1.7.0"
	touch $@

.venv-nightly/installed: pyproject.toml
	$(PYTHON) -m venv .venv-nightly
	$(NIGHTLY)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(NIGHTLY)/python -m pip install --quiet --editable ".[plot]" --group test
	$(NIGHTLY)/python -m pip install --quiet --upgrade --pre numpy scikit-learn
	touch $@

.venv-deployment/installed: predict/pyproject.toml
	$(PYTHON) -m venv .venv-deployment
	$(DEPLOYMENT)/python -m pip install --quiet ./predict pytest pytest-timeout
	touch $@

clean:
	rm -rf .venv .venv-build .venv-deployment .venv-nightly .venv-oldest .venv-wheel .coverage .mypy_cache .pytest_cache .ruff_cache dist
	rm -rf docs/_build docs/auto_examples docs/generated
