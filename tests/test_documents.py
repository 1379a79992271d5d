"""What README, docs and docstrings show runs as printed.

`make docs` runs the examples of README and the pages, which train for a minute.
"""

import doctest
import re
import tomllib
from importlib import import_module
from inspect import ismodule

import pytest
from helpers import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

# Not what the build has made.
PAGES = [
    path
    for path in sorted((ROOT / "docs").rglob("*.rst"))
    if not {"_build", "auto_examples", "generated"} & {*path.relative_to(ROOT).parts}
]
WITH_EXAMPLES = [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")]
MODULES_WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "skfashion").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.site
@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=range(len(PYTHON_BLOCKS)))
def test_python_in_the_readme_runs(block):
    names = {}
    exec(compile(block, "README.md", "exec"), names)
    if "search" in names:
        assert names["search"].score(names["X_test"], names["y_test"]) > 0.6


SHELL_IN_RST = re.compile(r"^\.\. code-block:: shell\n\n((?: +.*\n|\n)+)", re.MULTILINE)
PLOT_IN_RST = re.compile(r"^\.\. plot::\n((?: +.*\n|\n)+)", re.MULTILINE)


def shell_blocks():
    """Every line that a reader would type into a shell, with its document."""
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]:
        text = path.read_text(encoding="utf-8")
        blocks = re.findall(r"```shell\n(.*?)```", text, re.DOTALL)
        blocks += SHELL_IN_RST.findall(text)
        for line in "\n".join(blocks).splitlines():
            if command := line.partition("#")[0].strip():
                yield pytest.param(command, id=f"{path.name}: {command}")


@pytest.mark.parametrize("command", list(shell_blocks()))
def test_commands_of_the_documents_exist(command):
    from skfashion._cli.main import build_parser

    words = command.partition("<")[0].split()
    words = [word for word in words if "=" not in word or word.startswith("-")]
    program, *arguments = words
    program = re.sub(r"^\.venv(-answers)?/bin/", "", program)
    if program == "make":
        targets = (ROOT / "Makefile").read_text()
        assert all(f"\n{target}:" in targets for target in arguments)
    elif program == "skfashion":
        assert callable(build_parser().parse_args(arguments).run)
    elif arguments[0].startswith("benchmarks/"):
        assert (ROOT / arguments[0]).is_file()
    else:
        assert (program, arguments[0]) in {
            ("git", "clone"),
            ("cd", "skfashion"),
            ("python3", "-m"),
            ("python", "-m"),
            # Those of clusters are run in test_dask.py.
            ("dask", "scheduler"),
            ("dask", "worker"),
            ("openssl", "req"),
        }


@pytest.mark.parametrize("module", MODULES_WITH_EXAMPLES)
def test_examples_in_docstrings_run(module):
    result = doctest.testmod(import_module(module))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.site
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_examples_in_the_docs_run(page):
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_code_of_a_page_escapes_the_tests(page):
    text = page.read_text(encoding="utf-8")
    directives = r"^ *\.\. ((?:code|code-block|sourcecode|ipython|plot|doctest|testcode)::.*)$"
    blocks = re.findall(directives, text, re.MULTILINE)
    assert set(blocks) <= {"code-block:: shell", "plot::"}
    assert blocks.count("code-block:: shell") == len(SHELL_IN_RST.findall(text))
    assert blocks.count("plot::") == len(PLOT_IN_RST.findall(text))
    assert all(">>> " in block for block in PLOT_IN_RST.findall(text))
    # What follows two colons is what a command printed.
    assert not re.search(r"^ +(import [\w.]+|from [\w.]+ import .*|\w+ = .*)$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "kinds"), [("README.md", {"", "python", "shell"}), ("CONTRIBUTING.md", {"", "shell"})]
)
def test_no_code_of_a_readme_escapes_the_tests(name, kinds):
    text = (ROOT / name).read_text(encoding="utf-8")
    fences = re.findall(r"^ *(?:```|~~~)(.*)$", text, re.MULTILINE)
    assert set(fences) <= kinds


@pytest.mark.parametrize(
    "module", ["skfashion", "skfashion.datasets", "skfashion.inspection", "skfashion.plotting"]
)
def test_the_reference_has_every_public_name(module):
    reference = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    part = reference.partition(f".. module:: {module}\n")[2].partition(".. module::")[0]
    for name in import_module(module).__all__:
        if ismodule(getattr(import_module(module), name)):
            assert f".. module:: {module}.{name}\n" in reference
        elif not name.startswith("_"):
            assert re.search(rf"^( +|.*:: (skfashion\.)?){name}$", part, re.MULTILINE), name


def test_version_is_the_same_everywhere():
    from skfashion import __version__

    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"\n{__version__} " in (ROOT / "docs" / "whats_new.rst").read_text()


def test_scikit_learn_below_the_oldest_supported_is_not_promised():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "scikit-learn>=1.7" in project["dependencies"]
    assert "scikit-learn==1.7.0" in (ROOT / "Makefile").read_text()
