"""What README and docstrings show runs as printed."""

import doctest
import re
import runpy
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL_LINES = re.findall(r"^\.venv/bin/skfashion (.*?) *#", README, re.MULTILINE)


@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=range(len(PYTHON_BLOCKS)))
def test_python_in_the_readme_runs(block):
    names = {}
    exec(compile(block, "README.md", "exec"), names)
    if "search" in names:
        assert names["search"].score(names["X_test"], names["y_test"]) > 0.6


def test_the_first_example_of_the_readme_has_ten_lines():
    assert len([line for line in PYTHON_BLOCKS[0].splitlines() if line]) == 10


def test_the_readme_shows_the_table_of_the_demo():
    assert re.search(r"^FashionCNN v2 +0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] ", README, re.MULTILINE)
    assert not re.search(r"^[A-Z_]+$", README, re.MULTILINE)


def test_commands_of_the_readme_are_commands_of_the_shell():
    from skfashion.__main__ import main

    assert len(SHELL_LINES) == 3
    for line in SHELL_LINES:
        with pytest.raises(SystemExit) as stop:
            main([*line.split(), "--help"])
        assert stop.value.code == 0


@pytest.mark.parametrize(
    "module",
    [
        "skfashion._cnn",
        "skfashion.comparison._baselines",
        "skfashion.comparison._compare",
        "skfashion.datasets._mini",
        "skfashion.plotting._comparison",
        "skfashion.plotting._history",
        "skfashion.plotting._image_grid",
    ],
)
def test_examples_in_docstrings_run(module):
    result = doctest.testmod(import_module(module))
    assert result.attempted > 0
    assert result.failed == 0


def test_version_is_the_same_everywhere():
    from skfashion import __version__

    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"\n{__version__} " in (ROOT / "docs" / "whats_new.rst").read_text()


def test_scikit_learn_below_the_oldest_supported_is_not_promised():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "scikit-learn>=1.7" in project["dependencies"]
    assert "scikit-learn==1.7.0" in (ROOT / "Makefile").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").glob("plot_*.py")), ids=lambda p: p.stem
)
def test_gallery_examples_run_and_end_in_a_picture(path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    runpy.run_path(str(path))
    assert plt.get_fignums()
    plt.close("all")
