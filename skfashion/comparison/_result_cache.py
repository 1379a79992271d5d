"""Store finished fits in the user's `memory`, under a key of everything that affects them.

A file holds the predictions of an estimator, not its scores, so another metric needs no new fit.
"""

import io
import os
import pickle
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.preprocessing import LabelEncoder

from skfashion._utils import cache_directory, environment
from skfashion._utils.array_files import read_arrays, write_arrays
from skfashion._utils.files import expand_user
from skfashion._utils.types import AnyArray
from skfashion._utils.warnings import warn
from skfashion.comparison._fit_and_score import (
    RESPONSE_METHODS,
    Costs,
    Data,
    Fit,
    Result,
    Task,
    fit_and_score,
    fit_estimator,
    is_sklearn_scorer,
    score,
)

_FORMAT = 4
_PACKAGES = ("numpy", "scipy", "scikit-learn", "skfashion")  # their versions are in every key
_LIBRARIES = (Path(os.__file__).parent, Path(__file__).parents[1])  # Python and this package


def _find_start_time() -> float:
    """Return when Python started; on systems other than Linux, when this module was imported."""
    with suppress(Exception):  # "proc(5)": the 22nd entry, in ticks, rounded down
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        boot_time = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return boot_time + (ticks + 1) / os.sysconf("SC_CLK_TCK")
    return time.time()


_START_TIME = _find_start_time()


class ResultCache:
    """A function like `fit_and_score` that stores finished fits and reads them again.

    If a file cannot be read or written, it warns and fits.

    Parameters
    ----------
    directory : Path
        The directory of `memory`, created if needed. The path is absolute, because workers may have
        another working directory.
    tasks : list of Task
    data : Data

    Raises
    ------
    OSError
        If the directory cannot be created.
    """

    def __init__(self, directory: Path, tasks: Sequence[Task], data: Data) -> None:
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True)
        self._settings: dict[str, dict[str, Any]] = {}
        self._networks = data.networks
        # Their scores are stored with the fit, because they may depend on the estimator itself.
        metrics = {
            name: metric
            for name, metric in data.scoring.items()
            if not is_sklearn_scorer(get_scorer(metric))
        }
        try:
            shared = {
                "format": _FORMAT,
                "versions": {name: version(name) for name in _PACKAGES},
                "metrics": _describe(metrics),
                "rows": _hash_rows(data.X, data.y),
                "test_rows": _hash_rows(data.X_test, data.y_test),
            }
        except Exception as error:  # hashing rows and metrics may raise anything
            warn(f"memory: fits are not stored, because rows or metrics cannot be hashed: {error}")
            return
        for name, task in {task.name: task for task in tasks}.items():
            scores = {metric: task.metadata.score.get(metric) for metric in metrics}
            try:
                self._settings[name] = {
                    **shared,
                    "estimator": _describe(clone(task.estimator)),
                    "metadata": joblib.hash((task.metadata.fit, scores)),
                }
            except Exception as error:
                warn(
                    f"memory: fits of {name!r} are not stored, because it cannot be hashed: {error}"
                )

    def __call__(self, task: Task, data: Data) -> Result:
        """Read the fit or compute and store it, and score it. Errors are not stored."""
        if task.name not in self._settings:
            return fit_and_score(task, data)
        key = self._key(task)
        path = cache_directory.fit_file(self._directory, key)
        if (stored := _read(path, key, data.y)) is not None:
            with suppress(Exception):  # a new fit raises the error again
                result = replace(score(task, data, stored), from_memory=True)
                cache_directory.mark_used(path)
                return result
        fit = fit_estimator(task, data)
        for method in RESPONSE_METHODS:  # another metric may need them later
            with suppress(Exception):
                if fit.has(method):
                    fit.respond(method)
        result = score(task, data, fit)
        try:
            self._check_imports(task.name)
            cache_directory.make_entry_folder(path.parent)
            _write(path, fit, key, data.y)
        except Exception as error:  # from the disk, the modules, or labels that are not in y
            reason = getattr(error, "strerror", None) or error
            warn(
                f"memory: fits cannot be stored in {path.parent} ({reason}). The next call will "
                "compute them again."
            )
        return result

    def _check_imports(self, name: str) -> None:
        """Raise an error if the user's code has imported modules that are not part of the key."""
        settings = self._settings[name]
        sources = settings["metrics"]["sources"] | settings["estimator"]["sources"]
        if sources and (imported := _find_own_modules() - sources.keys()):
            names = ", ".join(sorted(imported))
            raise ValueError(f"the fit imported {names}: import it before the call")

    def _key(self, task: Task) -> str:
        settings = {**self._settings[task.name], "fold": joblib.hash(task.rows)}
        if task.rows is not None:  # folds do not depend on the test set
            del settings["test_rows"]
        if task.name in self._networks:
            # Here, because the worker may have fewer threads than the main process.
            settings["environment"] = environment.fingerprint()
        return cache_directory.hash_settings(settings)


def _write(path: Path, fit: Fit, key: str, y: AnyArray) -> None:
    """Write a fit as arrays of numbers, with labels encoded as indices into the classes of y."""
    labels = LabelEncoder().fit(y)
    names = ("costs", "history", "scores", "warnings")
    header = {"key": key} | {name: getattr(fit, name) for name in names}
    arrays = fit.responses | {
        "classes": labels.transform(fit.classes),
        "predict": labels.transform(fit.responses["predict"]),
    }
    write_arrays(path, header, arrays)


def _read(path: Path, key: str, y: AnyArray) -> Fit | None:
    """Read a fit. Return None if there is none, or it is damaged."""
    try:
        header, arrays = read_arrays(path)
        if header.pop("key") != key:
            raise ValueError("it holds another fit")
        costs = Costs(*header.pop("costs"))
        labels = LabelEncoder().fit(y)
        classes = labels.inverse_transform(arrays.pop("classes"))
        arrays["predict"] = labels.inverse_transform(arrays["predict"])
        return Fit(classes, arrays, costs, **header)
    except FileNotFoundError:
        return None
    except Exception as error:  # the content of the file may be anything
        warn(f"memory: {path} cannot be used: {error}. The fit is computed again.")
        return None


def _describe(value: Any) -> dict[str, Any]:
    """Describe an object for a key, by its values and the code of its classes and functions.

    For libraries the key contains the version. If any of the code is the user's own, it contains a
    hash of all of the user's modules, because the code may call any of them.
    """
    collector = _CodeCollector()
    collector.dump(value)
    modules = {part.__module__ or "builtins" for part in collector.code}
    own = {name for name in modules if not _is_library(name)}
    packages = {name.partition(".")[0] for name in modules - own}
    packages -= {*sys.stdlib_module_names, "numpy", "scipy", "sklearn", "skfashion"}
    return {
        "values": joblib.hash(value),
        "versions": {
            name: version(name)
            for package in packages
            for name in _distributions().get(package, ())
        },
        "sources": _hash_sources(own) if own else {},
    }


class _CodeCollector(pickle.Pickler):
    """Collects the functions and the classes, with their bases, that pickling an object needs."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())
        self.code: set[Any] = set()

    def reducer_override(self, value: Any) -> Any:
        part = value if hasattr(value, "__qualname__") else type(value)
        self.code |= set(part.__mro__ if isinstance(part, type) else (part,))
        return NotImplemented


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()  # takes half a second


def _file(name: str) -> str | None:
    """Return the file of a module, or of its top-level package if it is not a real module."""
    module = sys.modules.get(name) or sys.modules.get(name.partition(".")[0])
    # getattr on the module would load lazy modules.
    return getattr(module, "__dict__", {}).get("__file__")


def _is_library(name: str) -> bool:
    """Return whether a module belongs to Python, to this package, or to an installed package."""
    if (file := _file(name)) is None:
        return name.partition(".")[0] in sys.stdlib_module_names
    installed = not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
    return installed or any(Path(file).is_relative_to(folder) for folder in _LIBRARIES)


def _find_own_modules() -> set[str]:
    """Return the names of the user's loaded modules that have a file, without the script."""
    return {
        name
        for name in [*sys.modules]
        if not name.startswith("__") and _file(name) and not _is_library(name)
    }


def _hash_sources(own: set[str]) -> dict[str, str]:
    """Return the SHA-256 of each of the user's modules; the script is included only if in `own`."""
    digests = {}
    for name in own | _find_own_modules():
        if (file := _file(name)) is None:
            raise ValueError(f"{name} has no file: define classes and functions in a module.")
        if Path(file).stat().st_mtime > _START_TIME:
            raise ValueError(f"{file} was edited after Python had started: start Python again.")
        digests[name] = sha256(Path(file).read_bytes()).hexdigest()
    return digests


def _hash_rows(X: Any, y: Any) -> str:
    """Hash the values, and size and time of files that rows name, such as photos."""
    values: Iterable[Any] = X
    with suppress(ValueError):  # pictures of several sizes
        array = np.asarray(X)
        values = array.ravel() if array.dtype.kind in "OUT" else ()
    files = []
    for value in sorted({os.fsdecode(v) for v in values if isinstance(v, (str, os.PathLike))}):
        with suppress(OSError, ValueError):  # the text may not be a path
            path = expand_user(value)
            if path.is_file():
                files.append((value, path.stat().st_size, path.stat().st_mtime_ns))
    return joblib.hash((X, y, files), coerce_mmap=True)
