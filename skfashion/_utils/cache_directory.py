"""The cache in a directory of `memory`: paths, sizes and removal.

The cache holds checkpoints of trainings and results of comparisons. Each entry has a key that
hashes everything its content depends on. Equal keys mean equal contents, so no locks are needed:
concurrent writers write the same, and files are written atomically.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from skfashion._utils.files import expand_user, is_temporary
from skfashion._utils.messages import shorten
from skfashion._utils.types import StrPath

_KEY = re.compile(r"[0-9a-f]{40}")
_EPOCH_FILE = re.compile(r"\d{5,}\.(figures|weights|optimizer)")
_FIT_FILE = re.compile(r"[0-9a-f]{40}\.fit")

# Files that make Git ignore the folder, and tell backup programs to skip it.
_MARKS = {
    ".gitignore": "*\n",
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder holds what skfashion can compute again, see https://bford.info/cachedir/\n",
}


def locate_memory(memory: Any) -> str | None:
    """Return the directory given by the parameter `memory`, unchanged.

    Parameters
    ----------
    memory : str, path-like, joblib.Memory or None

    Returns
    -------
    str or None
        None if nothing is to be stored, as for ``joblib.Memory(None)``.

    Raises
    ------
    ValueError
        If it has another type, or is not a possible path.
    """
    place = memory
    if hasattr(memory, "cache") and not isinstance(memory, os.PathLike):  # as Pipeline checks
        if not hasattr(memory, "location"):
            raise ValueError(
                f"memory={shorten(memory)} has no location: expected the path of a directory, a "
                "joblib.Memory, or None."
            )
        place = memory.location
    if place is None:
        return None
    path = os.fspath(place) if isinstance(place, os.PathLike) else place
    if not (isinstance(path, str) and path and "\0" not in path):
        raise ValueError(f"memory={shorten(memory)}: expected the path of a directory, or None.")
    return path


def resolve_memory(memory: Any) -> Path | None:
    """Return the absolute path of the directory given by the parameter `memory`.

    Like `locate_memory`, but a leading ``~`` is replaced by the home folder.
    """
    path = locate_memory(memory)
    return None if path is None else expand_user(path).absolute()


def hash_settings(settings: Mapping[str, Any]) -> str:
    """Hash JSON-serializable settings into 40 hexadecimal digits."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:40]


def training_folder(directory: StrPath, key: str) -> Path:
    """Return the path of the folder for a training's checkpoints."""
    return _cache_folder(directory) / key


def fit_file(directory: StrPath, key: str) -> Path:
    """Return the path of the file for one fit of a comparison."""
    return _cache_folder(directory) / "fits" / f"{key}.fit"


def make_entry_folder(folder: Path) -> None:
    """Create the folder of a training or of fits. Mark a new cache by the files in `_MARKS`."""
    if folder.is_dir():
        return
    is_new = not folder.parent.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if is_new:
        for name, text in _MARKS.items():
            with contextlib.suppress(OSError):  # the cache works without them
                (folder.parent / name).write_text(text, encoding="utf-8")


def mark_used(entry: Path) -> None:
    """Note that a training's folder or a fit's file was used. `limit_size` removes it later."""
    with contextlib.suppress(OSError):
        os.utime(entry)


class Usage(NamedTuple):
    """The number and size of cached files.

    Parameters
    ----------
    trainings : int
        Number of trainings.
    epochs : int
        Number of stored epochs of all trainings.
    fits : int
        Number of fits of comparisons.
    bytes : int
        Total size.
    """

    trainings: int
    epochs: int
    fits: int
    bytes: int


def measure_usage(directory: StrPath) -> Usage:
    """Measure the cache in a directory of `memory`."""
    return _measure(file for files in _entries(directory).values() for file in files)


def clear(directory: StrPath) -> Usage:
    """Remove the cache from a directory of `memory`, and nothing else.

    Returns
    -------
    Usage
        The number and size of the removed files.
    """
    return _remove(directory, _entries(directory))


def limit_size(directory: StrPath, max_bytes: float) -> Usage:
    """Remove the least recently used trainings and fits until the cache has at most `max_bytes`.

    Parameters
    ----------
    directory : path-like
    max_bytes : float
        Maximum size of the remaining cache.

    Returns
    -------
    Usage
        The number and size of the removed files.
    """
    entries = _entries(directory)
    excess = measure_usage(directory).bytes - max_bytes
    to_remove = {}
    for entry in sorted(entries, key=_last_use):
        if excess <= 0:
            break
        to_remove[entry] = entries[entry]
        excess -= _measure(entries[entry]).bytes
    return _remove(directory, to_remove)


def _cache_folder(directory: StrPath) -> Path:
    return Path(directory) / ".skfashion-cache"


def _entries(directory: StrPath) -> dict[Path, list[Path]]:
    """Return our files, grouped by training folder or fit file."""
    entries: dict[Path, list[Path]] = {}
    for folder in _cache_folder(directory).glob("*/"):
        if folder.is_symlink():
            continue
        if folder.name == "fits":
            entries |= {file: [file] for file in _files(folder, _FIT_FILE)}
        elif _KEY.fullmatch(folder.name):
            entries[folder] = [*_files(folder, _EPOCH_FILE)]
    return entries


def _files(folder: Path, pattern: re.Pattern[str]) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):  # another process removed the folder
        for file in folder.iterdir():
            ours = pattern.fullmatch(file.name) or is_temporary(file.name)
            if ours and file.is_file() and not file.is_symlink():
                yield file


def _last_use(entry: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return entry.stat().st_mtime
    return 0.0


def _measure(files: Iterable[Path]) -> Usage:
    sizes = {}
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # a training removes old checkpoints
            sizes[file] = file.stat().st_size
    return Usage(
        trainings=len({file.parent for file in sizes if _KEY.fullmatch(file.parent.name)}),
        epochs=sum(file.suffix == ".weights" for file in sizes),
        fits=sum(file.suffix == ".fit" for file in sizes),
        bytes=sum(sizes.values()),
    )


def _remove(directory: StrPath, entries: Mapping[Path, Iterable[Path]]) -> Usage:
    files = [file for files in entries.values() for file in files]
    removed = _measure(files)
    for file in files:
        file.unlink(missing_ok=True)
    cache_folder = _cache_folder(directory)
    for folder in (*entries, cache_folder / "fits"):
        with contextlib.suppress(OSError):  # it is not empty, or is a file
            folder.rmdir()
    if not _entries(directory):
        with contextlib.suppress(OSError):
            for name in _MARKS:
                (cache_folder / name).unlink(missing_ok=True)
            cache_folder.rmdir()
    return removed
