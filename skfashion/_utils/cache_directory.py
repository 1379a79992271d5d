"""What is where in a directory of `memory`: epochs of trainings, and fits of comparisons.

Either has a key of all that shaped it. Equal keys mean equal bits. So there are no locks: who
writes last writes the same, and a file is there as a whole or not at all.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skfashion._utils.files import is_part
from skfashion._utils.types import AnyArray, StrPath

_KEY = re.compile(r"[0-9a-f]{40}")
_EPOCH = re.compile(r"\d{5,}\.(weights|optimizer)")
_FIT = re.compile(r"[0-9a-f]{40}\.fit")


def key(settings: Mapping[str, Any], *arrays: AnyArray) -> str:
    """Name what settings and arrays shape.

    Parameters
    ----------
    settings : JSON-able
    *arrays : ndarray

    Returns
    -------
    str
        Hexadecimal digits; equal for equal contents, shapes and dtypes, whatever the layout in
        memory.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in arrays:
        digest.update(f"|{array.dtype.str}{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:40]


def training(directory: StrPath, key: str) -> Path:
    """The folder of a training's epochs; `_EPOCH` has the names in it."""
    return _home(directory) / key


def fit(directory: StrPath, key: str) -> Path:
    """The file of a fit of a comparison."""
    return _home(directory) / "fits" / f"{key}.fit"


class Usage(NamedTuple):
    """What a directory of `memory` holds.

    Parameters
    ----------
    trainings : int
    epochs : int
        Of them all.
    fits : int
        Of comparisons.
    bytes : int
    """

    trainings: int
    epochs: int
    fits: int
    bytes: int


def usage(directory: StrPath) -> Usage:
    """What is stored in a directory of `memory`.

    Parameters
    ----------
    directory : path-like

    Returns
    -------
    Usage
    """
    sizes = {}
    for file in _stored_files(directory):
        with contextlib.suppress(FileNotFoundError):  # a training removes what it needs no more
            sizes[file] = file.stat().st_size
    return Usage(
        trainings=len({file.parent for file in sizes if _KEY.fullmatch(file.parent.name)}),
        epochs=sum(file.suffix == ".weights" for file in sizes),
        fits=sum(file.suffix == ".fit" for file in sizes),
        bytes=sum(sizes.values()),
    )


def clear(directory: StrPath) -> Usage:
    """Remove what is stored in a directory of `memory`, and nothing else.

    Parameters
    ----------
    directory : path-like

    Returns
    -------
    Usage
        What was removed.
    """
    removed = usage(directory)
    for file in _stored_files(directory):
        file.unlink(missing_ok=True)
    for folder in (*_folders(directory), _home(directory)):
        with contextlib.suppress(OSError):  # something else is in it
            folder.rmdir()
    return removed


def _home(directory: StrPath) -> Path:
    return Path(directory) / "skfashion"


def _folders(directory: StrPath) -> dict[Path, re.Pattern[str]]:
    """Those of trainings and of fits, with what their files are called."""
    names = {
        folder: _FIT if folder.name == "fits" else _EPOCH
        for folder in _home(directory).glob("*/")
        if folder.name == "fits" or _KEY.fullmatch(folder.name)
    }
    return {folder: name for folder, name in names.items() if not folder.is_symlink()}


def _stored_files(directory: StrPath) -> Iterator[Path]:
    for folder, name in _folders(directory).items():
        with contextlib.suppress(FileNotFoundError):  # somebody else has cleared it
            for file in list(folder.iterdir()):  # all of them, for files are removed meanwhile
                ours = name.fullmatch(file.name) or is_part(file.name)
                if ours and file.is_file() and not file.is_symlink():
                    yield file
