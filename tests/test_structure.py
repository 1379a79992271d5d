"""The structure of the package is that of CONTRIBUTING."""

import ast
import re
from pathlib import Path

import pytest
from helpers import ROOT

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PACKAGES = re.findall(r"^\| `(\w+)/` \|", GUIDE, re.MULTILINE)


def imported(package):
    """Yield the modules that a package imports, within functions too, each with its importer."""
    for path in sorted((ROOT / "skfashion" / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            yield from ((path.relative_to(ROOT), name) for name in names)


def test_the_table_has_all_packages():
    folders = (ROOT / "skfashion").glob("*/__init__.py")
    assert sorted(PACKAGES) == sorted(path.parent.name for path in folders)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_only_point_downwards(package):
    allowed = PACKAGES[PACKAGES.index(package) :]
    for path, name in imported(package):
        if re.match(r"skfashion\b", name) and package != "_cli":  # which uses the public names
            assert name.split(".")[1] in allowed, f"{path} imports {name}"


def test_only_one_module_imports_scikeras():
    found = {(path, name) for package in PACKAGES for path, name in imported(package)}
    [module] = {path for path, name in found if name.split(".")[0] == "scikeras"}
    assert module == Path("skfashion/_training/scikeras.py")
