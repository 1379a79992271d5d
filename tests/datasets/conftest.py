"""A machine without any copy of the data, and the real files for those who ask."""

import gzip
import shutil
import struct
from hashlib import sha256
from pathlib import Path

import pytest

from skfashion.datasets import _fetch
from skfashion.datasets._download import PACKED

PACKAGE = Path("/usr/share/datasets/fashion-mnist")
# Debian packs the same deflate streams as upstream under headers without these time stamps.
TIME_STAMPS = {"train": 1504176606, "t10k": 1504176627}
NAMES = tuple(PACKED)
TEST_NAMES = tuple(name for name in NAMES if name.startswith("t10k"))


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    """Yield a home folder that is empty, on a machine without copies."""
    home = tmp_path / "user"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("SKFASHION_DATA", "KERAS_HOME", "SCIKIT_LEARN_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_fetch, "_SYSTEM_FOLDER", tmp_path / "no-system-package")
    monkeypatch.chdir(work)
    yield home
    # pytest keeps the folders of three runs, and each download is 31 MB.
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session")
def package():
    """Return the folder of the Debian package with the real files."""
    if not (PACKAGE / f"{NAMES[0]}.gz").is_file():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    return PACKAGE


@pytest.fixture(scope="session")
def upstream(package):
    """Return the compressed files exactly as the mirrors have them, by name."""
    files = {}
    for name in NAMES:
        stamp = TIME_STAMPS[name.split("-")[0]]
        header = b"\x1f\x8b\x08\x08" + struct.pack("<I", stamp) + b"\x00\x03" + name.encode()
        content = header + b"\0" + (package / f"{name}.gz").read_bytes()[10:]
        if sha256(content).hexdigest() != PACKED[name]:
            pytest.skip("the Debian package is packed in another way than the one known here")
        files[f"{name}.gz"] = content
    return files


@pytest.fixture
def make_copy(package):
    """Return a function that makes a folder a copy of the data, as far as the test part goes.

    The training files are empty: whoever reads them for ``subset="test"`` fails.
    """

    def make(folder, *, damaged=False):
        folder.mkdir(parents=True)
        for name in NAMES:
            (folder / f"{name}.gz").write_bytes(b"")
        for name in TEST_NAMES:
            content = (package / f"{name}.gz").read_bytes()
            (folder / f"{name}.gz").write_bytes(content[:-100] if damaged else content)
        return folder

    return make


@pytest.fixture(scope="session")
def real_test_part(package):
    """Return the content of the two files of the test part, read without any of our code."""
    return tuple(
        gzip.decompress((package / f"{name}.gz").read_bytes())[skip:]
        for name, skip in zip(TEST_NAMES, (16, 8), strict=True)
    )
