"""Errors of the shell show bytes of a file's name that are not UTF-8 as ``\\xff``."""

import os

import pytest

from skfashion._cli.main import main

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file names of another kind")
ODD = os.fsdecode(b"odd\xff")
COMMANDS = {
    "cache": ["cache", ODD + "/file"],
    "output": ["compare", "--output", ODD + "/file"],
    "memory": ["compare", "--memory", ODD + "/file/deep"],
    "data": ["train", "--output", "model", "--data", ODD + ".csv"],
    "folder of data": ["train", "--output", "model", "--data", ODD],
    "folder as output": ["train", "--output", ODD],
    "model": ["predict", "no" + ODD, "photo.png"],
    "file as model": ["predict", ODD + "/file", "photo.png"],
    "number": ["train", "--output", "model", "--seed", ODD],
    "size": ["cache", ".", "--max-size", ODD],
    "extra argument": ["cache", ".", ODD],
    "command": [ODD],
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_errors_name_the_byte(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        (tmp_path / ODD).mkdir()
    except OSError:
        pytest.skip("a file system of names in UTF-8 alone")
    (tmp_path / ODD / "file").write_text("the user's own")
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    assert status in (1, 2)
    err = capsys.readouterr().err
    assert r"odd\xff" in err
    assert "udcff" not in err.encode("ascii", "backslashreplace").decode()
