"""What is shipped is whole."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from helpers import ROOT

from skfashion import __version__


def build(target, folder, project=ROOT):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)],
        cwd=project,
        check=True,
        capture_output=True,
    )
    [path] = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(build("wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


def test_the_wheel_holds_the_package_small_data_both_licences_and_nothing_else(wheel):
    sizes = {entry.filename: entry.compress_size for entry in wheel.infolist()}
    names = {name for name in sizes if ".dist-info/" not in name}
    assert {"skfashion/py.typed", "skfashion/_cli/report/report.html"} <= names
    assert all(name.startswith("skfashion/") for name in names)
    assert {Path(name).suffix for name in names} == {".gz", ".html", ".py", ".rst", ".typed", ""}
    licences = [name.split("/licenses/")[1] for name in sizes if "/licenses/" in name]
    assert sorted(licences) == ["LICENSE", "skfashion/datasets/data/LICENSE"]
    data = [size for name, size in sizes.items() if name.endswith("-ubyte.gz")]
    assert len(data) == 4
    assert sum(data) < 4e6


def test_the_distribution_for_prediction_holds_the_same_package(wheel, tmp_path):
    with zipfile.ZipFile(build("wheel", tmp_path, ROOT / "predict")) as small:
        contents = {
            archive: {n: archive.read(n) for n in archive.namelist() if n.startswith("skfashion/")}
            for archive in (small, wheel)
        }
        [metadata] = [name for name in small.namelist() if name.endswith("METADATA")]
        assert any(name.endswith("/licenses/LICENSE") for name in small.namelist())
        assert "Requires-Dist: tensorflow" not in small.read(metadata).decode()
    assert contents[small] == contents[wheel]


def test_a_package_index_shows_readme_with_links_that_work(wheel):
    [metadata] = [name for name in wheel.namelist() if name.endswith("METADATA")]
    text = wheel.read(metadata).decode()
    targets = re.findall(r"\]\(([^)]*)\)", text)
    assert len(targets) > 5
    assert all(target.startswith("https://") for target in targets)
    assert "Project-URL: Source, https://" in text


def test_the_recipe_for_conda_forge_agrees_with_pyproject():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())
    requirements = recipe["requirements"]
    assert recipe["context"]["version"] == __version__
    assert recipe["about"]["summary"] == project["description"]
    assert recipe["about"]["license_file"] == project["license-files"]
    [script] = project["scripts"].items()
    assert recipe["build"]["python"]["entry_points"] == [" = ".join(script)]
    assert f">={recipe['context']['python_min']}" == project["requires-python"]
    [backend] = pyproject["build-system"]["requires"]
    assert backend.replace(">=", " >=") in requirements["host"]
    # conda packages have no extras: that of pooch is a package of its own.
    run = [each.replace("[progress]", "").replace(">=", " >=") for each in project["dependencies"]]
    assert set(requirements["run"]) == {"python >=${{ python_min }}", "tqdm", *run}


def test_the_sdist_holds_all_it_takes_to_build_and_test(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("needs a checkout: what is tracked is what has to be there")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    tracked = {name for name in listing.stdout.split("\0") if name and (ROOT / name).exists()}
    assert {"LICENSE", "Makefile", "README.md", "pyproject.toml", "tests/conftest.py"} <= tracked
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert tracked <= names
