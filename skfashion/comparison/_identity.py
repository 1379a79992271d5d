"""Names for values that are equal in any process if contents and code are."""

import contextlib
import inspect
import io
import json
import os
import pickle
import stat
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution, packages_distributions, version
from itertools import chain
from pathlib import Path
from types import CodeType, EllipsisType, FunctionType, ModuleType, NoneType
from typing import Any

import joblib
import numpy as np

# Their versions count in every fit.
_KNOWN = {"numpy", "scipy", "sklearn", "skfashion"}
_PLAIN = (str, bytes, int, float, complex, NoneType, EllipsisType)


def identity(value: Any) -> list[Any]:
    """Name an object by its contents, and by the code of its classes and functions.

    Of a library the version counts. Of the user's own code counts what was imported, with the
    constants that it names, and the source as well: a file may have been edited since.

    Parameters
    ----------
    value : object

    Returns
    -------
    list
        JSON-able.

    Raises
    ------
    Exception
        Whatever its classes raise, if it cannot be pickled.
    """
    pickler = _Code()
    pickler.dump(value)
    told: dict[str, Any] = {}
    for found in pickler.found:
        for part in found.__mro__ if isinstance(found, type) else [found]:
            told |= _origin(part)
    return [joblib.hash(value), told]


def identity_of_rows(*arrays: Any) -> str:
    """Name data by their contents; of files that they name size and time count."""
    files = [sorted(_files_among(rows)) for rows in arrays]
    return joblib.hash((arrays, files), coerce_mmap=True)


class _Code(pickle.Pickler):
    """Collects the classes and functions that a value is made of, which pickles only name."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())
        self.found: list[Any] = []

    def reducer_override(self, value: Any) -> Any:
        # Of what functools made of a function, as a cached one, the function.
        value = inspect.unwrap(value) if callable(value) else value
        self.found.append(value if isinstance(value, (type, FunctionType)) else type(value))
        return NotImplemented


def _origin(code: Any) -> dict[str, Any]:
    """Of a library the version; of the user's own classes and functions source and behaviour."""
    package = code.__module__.partition(".")[0]
    module = sys.modules.get(code.__module__) or sys.modules.get(package)
    file = getattr(module, "__file__", None)
    if package in _KNOWN or _is_pythons(package, file):
        return {}
    libraries = _distributions().get(package, [])
    told: dict[str, Any] = {name: version(name) for name in libraries}
    # A library may install what others have too, as "tests" or "examples".
    if not any(_holds(name, file) for name in libraries):
        told[f"{code.__module__}.{code.__qualname__}"] = [_source(code), _behaviour(code)]
    return told


@cache
def _distributions() -> Any:
    return packages_distributions()  # it takes half a second


def _is_pythons(package: str, file: str | None) -> bool:
    if package not in sys.stdlib_module_names:
        return False
    return file is None or _is_below(file, sysconfig.get_path("stdlib"))


def _holds(library: str, file: str | None) -> bool:
    """Whether a file was installed with a library. Where one develops it, it was not."""
    found = distribution(library)
    installed = found.read_text("WHEEL") is not None
    return installed and file is not None and _is_below(file, str(found.locate_file("")))


def _is_below(file: str, folder: str) -> bool:
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))


def _source(code: Any) -> str | None:
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):  # of a class in a notebook, say
        return None


def _behaviour(code: Any) -> Any:
    """What Python runs and the values that it names, JSON-able."""
    match code:
        case FunctionType():
            return [
                _behaviour(code.__code__),
                _behaviour([code.__defaults__, code.__kwdefaults__]),
                _constants(code),
                _behaviour(getattr(code, "__wrapped__", None)),
            ]
        case CodeType():
            return [code.co_code.hex(), code.co_names, _behaviour(code.co_consts)]
        case staticmethod() | classmethod():
            return _behaviour(code.__func__)
        case property():
            return [_behaviour(part) for part in (code.fget, code.fset, code.fdel)]
        case type():
            return {
                name: part.__qualname__ if isinstance(part, type) else _behaviour(part)
                for name, part in vars(code).items()
                # Python's own notes on a class change from process to process.
                if isinstance(part, FunctionType) or not name.startswith("__")
            }
        case tuple() | list():
            return [_behaviour(part) for part in code]
        case set() | frozenset():
            return sorted(json.dumps(_behaviour(part)) for part in code)
        case _ if isinstance(code, _PLAIN):
            return repr(code)
        case _:
            return _hashed(code)


def _constants(function: FunctionType) -> dict[str, Any]:
    """What a function takes from its module and from around it, but for other code."""
    known = function.__globals__
    values = {name: known[name] for name in _names(function.__code__) if name in known}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # of an empty one
            values[name] = cell.cell_contents
    return {
        name: _behaviour(value)
        for name, value in values.items()
        if not isinstance(value, (ModuleType, type, FunctionType))
    }


def _names(code: CodeType) -> Iterator[str]:
    """What code names, and the functions and comprehensions in it."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _names(part)


def _hashed(value: Any) -> str:
    """By its contents where it has some, else by its type."""
    try:
        return joblib.hash(value)
    except Exception:  # whatever its class raises
        return type(value).__qualname__


def _files_among(rows: Any) -> Iterator[tuple[str, int, int]]:
    """Names, bytes and times of the files among rows, as `ImageFileReader` takes them."""
    if hasattr(rows, "columns") and hasattr(rows, "items"):  # a DataFrame
        yield from chain.from_iterable(_files_among(column) for _, column in rows.items())
        return
    if getattr(getattr(rows, "dtype", None), "kind", "O") not in "OUT":
        return  # numbers
    if isinstance(rows, np.ndarray):
        rows = rows.flat
    if not hasattr(rows, "__iter__"):
        return
    for value in {value for value in rows if isinstance(value, (str, os.PathLike))}:
        try:
            file = os.stat(os.path.expanduser(value))  # noqa: PTH111, PTH116 (any text may come)
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(file.st_mode):
            yield os.fsdecode(value), file.st_size, file.st_mtime_ns
