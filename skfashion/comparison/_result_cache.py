"""Finished fits, stored in the user's `memory` under a key of all that shaped them.

A file holds what the estimator predicted, not its scores: another metric costs no fit.
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
from skfashion.comparison._runs import (
    RESPONSES,
    Data,
    Fit,
    Job,
    Run,
    fit_and_score,
    fit_estimator,
    is_sklearn_scorer,
    score,
)

_FORMAT = 3
_KNOWN = ("numpy", "scipy", "scikit-learn", "skfashion")  # their versions count in every fit
_LIBRARIES = (Path(os.__file__).parent, Path(__file__).parents[1])  # Python's and this one
_STARTED = time.time()


class ResultCache:
    """`fit_and_score`, but fits that were finished before are taken from `memory`.

    Warns of files that cannot be read or written; the fit is done all the same.

    Parameters
    ----------
    directory : Path
        That of `memory`, absolute: workers may have another working directory. It is made if need
        be.
    jobs : list of Job
    data : Data

    Raises
    ------
    OSError
        If the directory cannot be made.
    """

    def __init__(self, directory: Path, jobs: Sequence[Job], data: Data) -> None:
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True)
        self._settings: dict[str, dict[str, Any]] = {}
        self._networks = data.networks
        # Scores by these are stored with the fit, since they may depend on all of the estimator.
        metrics = {
            name: metric
            for name, metric in data.scoring.items()
            if not is_sklearn_scorer(get_scorer(metric))
        }
        try:
            shared = {
                "format": _FORMAT,
                "versions": {name: version(name) for name in _KNOWN},
                "metrics": _describe(metrics),
                "rows": _hash_rows(data.X, data.y),
                "test_rows": _hash_rows(data.X_test, data.y_test),
            }
        except Exception as error:  # whatever the classes of rows and metrics raise
            warn(f"memory: fits are not kept, since rows or metrics cannot be hashed: {error}")
            return
        for name, job in {job.name: job for job in jobs}.items():
            scores = {metric: job.metadata.score.get(metric) for metric in metrics}
            try:
                self._settings[name] = {
                    **shared,
                    "estimator": _describe(clone(job.estimator)),
                    "metadata": joblib.hash((job.metadata.fit, scores)),
                }
            except Exception as error:
                warn(f"memory: fits of {name!r} are not kept, since it cannot be hashed: {error}")

    def __call__(self, job: Job, data: Data) -> Run:
        """As `fit_and_score`; what raises is not stored."""
        if job.name not in self._settings:
            return fit_and_score(job, data)
        key = self._key(job)
        path = cache_directory.fit_file(self._directory, key)
        if (stored := _read(path, key, data.y)) is not None:
            with suppress(Exception):  # the fit tells why a metric fails
                run = replace(score(job, data, stored), from_memory=True)
                cache_directory.mark_used(path)
                return run
        fit = fit_estimator(job, data)
        for method in RESPONSES:
            with suppress(Exception):  # no metric has asked for it yet
                if fit.has(method):
                    fit.respond(method)
        run = score(job, data, fit)
        try:
            cache_directory.make_entry_folder(path.parent)
            _write(path, fit, key, data.y)
        except Exception as error:  # of the disk, or of labels that y has not
            told = getattr(error, "strerror", None) or error
            warn(f"memory: fits cannot be kept in {path.parent} ({told}). They are done anew.")
        return run

    def _key(self, job: Job) -> str:
        settings = {**self._settings[job.name], "fold": joblib.hash(job.rows)}
        if job.rows is not None:  # whoever adds a test set finds the folds again
            del settings["test_rows"]
        if job.name in self._networks:
            # Asked of the process that fits: it may have been given fewer threads.
            settings["environment"] = environment.fingerprint()
        return cache_directory.hash_settings(settings)


def _write(path: Path, fit: Fit, key: str, y: AnyArray) -> None:
    """Write a fit as arrays of numbers: labels become positions among those of y."""
    labels = LabelEncoder().fit(y)
    kept = ("fit_seconds", "predict_ms_per_1000", "size_mb", "history", "scores", "warnings")
    header = {"key": key} | {name: getattr(fit, name) for name in kept}
    arrays = fit.responses | {
        "classes": labels.transform(fit.classes),
        "predict": labels.transform(fit.responses["predict"]),
    }
    write_arrays(path, header, arrays)


def _read(path: Path, key: str, y: AnyArray) -> Fit | None:
    """Read a fit; None if there is none or it is damaged."""
    try:
        header, arrays = read_arrays(path)
        if header.pop("key") != key:
            raise ValueError("it holds another fit")
        labels = LabelEncoder().fit(y)
        classes = labels.inverse_transform(arrays.pop("classes"))
        arrays["predict"] = labels.inverse_transform(arrays["predict"])
        return Fit(classes, arrays, **header)
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever is in the file
        warn(f"memory: {path} cannot be used: {error}. The fit is done again.")
        return None


def _describe(value: Any) -> dict[str, Any]:
    """Name an object by its values, and by the code of its classes and functions, JSON-able.

    Of libraries the version counts. If any of the code is the user's own, the text of all of the
    user's modules counts, since that code may call any of them.
    """
    collector = _CodeCollector()
    collector.dump(value)
    code = {
        part
        for found in collector.found
        for part in (found.__mro__ if isinstance(found, type) else (found,))
    }
    modules = {part.__module__ or "builtins" for part in code}
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
    """Collects the classes and functions that an object is made of."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())
        self.found: list[Any] = []

    def reducer_override(self, value: Any) -> Any:
        self.found.append(value if hasattr(value, "__qualname__") else type(value))
        return NotImplemented


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()  # it takes half a second


def _file(name: str) -> str | None:
    """The file of a module, or of its package if it has no module of its own."""
    module = sys.modules.get(name) or sys.modules.get(name.partition(".")[0])
    # Not by getattr, at which lazy modules are loaded.
    return getattr(module, "__dict__", {}).get("__file__")


def _is_library(name: str) -> bool:
    """Whether a module belongs to Python, to this package, or to what pip installed."""
    if (file := _file(name)) is None:
        return name.partition(".")[0] in sys.stdlib_module_names
    installed = not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
    return installed or any(Path(file).is_relative_to(folder) for folder in _LIBRARIES)


def _hash_sources(own: set[str]) -> dict[str, str]:
    """SHA-256 of each of the user's modules. The script counts only if it is among `own`."""
    names = own | {name for name in [*sys.modules] if _file(name)}
    digests = {}
    for name in names:
        if _is_library(name) or (name.startswith("__") and name not in own):
            continue
        if (file := _file(name)) is None:
            raise ValueError(f"{name} has no file: define classes and functions in a module.")
        if Path(file).stat().st_mtime > _STARTED:
            raise ValueError(f"{file} was edited after Python had started: start it again.")
        digests[name] = sha256(Path(file).read_bytes()).hexdigest()
    return digests


def _hash_rows(X: Any, y: Any) -> str:
    """Hash of the values; of files that rows name, as photos, size and time count."""
    values: Iterable[Any] = X
    with suppress(ValueError):  # pictures of several sizes
        array = np.asarray(X)
        values = array.ravel() if array.dtype.kind in "OUT" else ()
    files = []
    for value in sorted({os.fsdecode(v) for v in values if isinstance(v, (str, os.PathLike))}):
        with suppress(OSError, ValueError):  # any text may come
            path = expand_user(value)
            if path.is_file():
                files.append((value, path.stat().st_size, path.stat().st_mtime_ns))
    return joblib.hash((X, y, files), coerce_mmap=True)
