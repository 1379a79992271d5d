"""Names for values that are equal in any process if contents and code are."""

import inspect
import io
import os
import pickle
import stat
import sys
import sysconfig
from functools import cache
from importlib.metadata import distribution, packages_distributions, version
from pathlib import Path
from types import CodeType, EllipsisType, FunctionType, NoneType
from typing import Any

import joblib
import numpy as np

# Their versions count in every fit.
_KNOWN = {"numpy", "scipy", "sklearn", "skfashion"}
_PLAIN = (str, bytes, int, float, complex, NoneType, EllipsisType)


def identity(value: Any) -> list[Any]:
    """Name an object by its contents, and by the code of its classes and functions.

    Of a library the version counts, of the user's own code the source and what it was when it was
    imported: a file may have been edited since.

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
        Whatever its classes raise, if it cannot be pickled or has no source.
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
    return joblib.hash((arrays, *map(_files, arrays)))


class _Code(pickle.Pickler):
    """Collects the classes and functions that a value is made of, which pickles only name."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())
        self.found: list[Any] = []

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, (type, FunctionType)):
            self.found.append(value)
        return NotImplemented


def _origin(code: Any) -> dict[str, Any]:
    """Of a library the version; of the user's own classes and functions source and behaviour."""
    package = code.__module__.partition(".")[0]
    module = sys.modules.get(code.__module__) or sys.modules.get(package)
    file = getattr(module, "__file__", None)
    if package in _KNOWN or _is_pythons(package, file):
        return {}
    # A library may install what others have too: "tests", "examples".
    libraries = [name for name in _distributions().get(package, ()) if _holds(name, file)]
    if libraries:
        return {name: version(name) for name in libraries}
    return {f"{code.__module__}.{code.__qualname__}": [_source(code), _behaviour(code)]}


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


def _source(code: Any) -> str:
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        # Of a class in a notebook only the methods know the cell that they stand in.
        methods = filter(inspect.isfunction, vars(code).values()) if inspect.isclass(code) else ()
        if found := "".join(map(inspect.getsource, methods)):
            return found
        raise


def _behaviour(code: Any) -> Any:
    """What Python runs, JSON-able, as far as it is code and plain values."""
    match code:
        case FunctionType():
            wrapped = getattr(code, "__wrapped__", None)
            return [
                _behaviour(part)
                for part in (code.__code__, code.__defaults__, code.__kwdefaults__, wrapped)
            ]
        case CodeType():
            return [code.co_code.hex(), code.co_names, _behaviour(code.co_consts)]
        case staticmethod() | classmethod():
            return _behaviour(code.__func__)
        case property():
            return [_behaviour(part) for part in (code.fget, code.fset, code.fdel)]
        case type():
            return {
                name: code.__qualname__ if isinstance(part, type) else _behaviour(part)
                for name, part in vars(code).items()
                # Python's own notes on a class change from process to process.
                if isinstance(part, FunctionType) or not name.startswith("__")
            }
        case tuple() | list():
            return [_behaviour(part) for part in code]
        case frozenset() | set():
            return sorted(map(repr, code))
        case dict():
            return {repr(name): _behaviour(part) for name, part in code.items()}
        case _:
            return repr(code) if isinstance(code, _PLAIN) else type(code).__qualname__


def _files(rows: Any) -> list[tuple[int, int]]:
    """Bytes and time of the files among rows, as `ImageFileReader` takes them."""
    try:
        values = np.asarray(rows)
    except ValueError:  # images of several sizes
        return []
    found = []
    for value in values.ravel().tolist() if values.dtype.kind in "OU" else []:
        if isinstance(value, (str, os.PathLike)):
            try:
                file = os.stat(os.path.expanduser(value))  # noqa: PTH111, PTH116 (any text may come)
            except (OSError, ValueError):
                continue
            if stat.S_ISREG(file.st_mode):
                found.append((file.st_size, file.st_mtime_ns))
    return found


_distributions = cache(packages_distributions)  # it takes half a second
