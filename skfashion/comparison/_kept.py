"""Finished fits, kept in the user's `memory` under a key of all that shaped them."""

import inspect
import io
import os
import pickle
import platform
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import FunctionType
from typing import Any, Protocol

import joblib
from sklearn.base import clone
from sklearn.utils.validation import check_memory

from skfashion import _machine
from skfashion._typing import StrPath
from skfashion._warning import warn
from skfashion.comparison._runs import Data, Job, Run, fit_and_score

# Their versions are in every key.
_KNOWN = {*sys.stdlib_module_names, "numpy", "scipy", "sklearn", "skfashion"}


class Memory(Protocol):
    """What `joblib.Memory` can."""

    def cache(self, func: Any, *, ignore: list[str]) -> Any:
        """A function that computes nothing twice."""


class Kept:
    """`fit_and_score`, but what was finished before is taken from `memory`.

    What `memory` cannot do is told as a warning, and harms no fit.

    Parameters
    ----------
    memory : str, path-like or object with the joblib.Memory interface
    estimators : dict of str to classifier
    data : Data

    Raises
    ------
    OSError
        If the directory cannot be made.
    ValueError
        If `memory` is something else.
    """

    def __init__(self, memory: StrPath | Memory, estimators: Mapping[str, Any], data: Data) -> None:
        if isinstance(memory, (str, os.PathLike)):
            memory = str(Path(memory).expanduser())
        self._memory: Memory = check_memory(memory)
        self._keys: dict[str, list[Any]] = {}
        try:
            folds = joblib.hash((data.X, data.y))
            # Whoever scores a test set later finds the folds again.
            test = None if data.X_test is None else joblib.hash((folds, data.X_test, data.y_test))
            scoring = _named(data.scoring)
        except Exception as error:
            warn(f"memory: fits are not kept, for what to score and how has no name: {error}")
            return
        for name, estimator in estimators.items():
            try:
                self._keys[name] = [folds, test, scoring, _named(clone(estimator))]
            except Exception as error:
                warn(f"memory: fits of {name!r} are not kept, for it has no name: {error}")

    def __call__(self, job: Job, data: Data) -> Run:
        """As `fit_and_score`, whose exceptions are raised and not kept."""
        if job.name not in self._keys:
            return fit_and_score(job, data)
        folds, test, *how = self._keys[job.name]
        key = {
            "job": [job.name, job.fold, joblib.hash(job.rows), *how],
            "data": test if job.fold is None else folds,
            "versions": _versions(),
            # Asked of the process that fits: it may have been given fewer threads.
            "machine": _machine.fingerprint(),
        }
        work = _Work(job, data)
        try:
            run = self._memory.cache(fit, ignore=["work"])(key, work)
        except Exception as error:
            if work.failed:
                raise
            warn(f"memory: a fit of {job.name!r} could not be kept: {error}")
            run = work() if work.run is None else work.run
        return replace(run, from_memory=work.run is None)


class _Work:
    """A job to do, and whether it was done."""

    def __init__(self, job: Job, data: Data) -> None:
        self.job, self.data = job, data
        self.run: Run | None = None
        self.failed = False

    def __call__(self) -> Run:
        self.failed = True
        self.run = fit_and_score(self.job, self.data)
        self.failed = False
        return self.run

    def __repr__(self) -> str:
        return self.job.name


def fit(key: dict[str, Any], work: _Work) -> Run:
    """What joblib keeps, by the name and the source of this function: leave both alone."""
    return work()


def _named(value: Any) -> list[Any]:
    """A value's hash, and what else tells of the code in it."""
    code = _Code()
    code.dump(value)
    told: dict[str, str] = {}
    for found in code.found:
        for part in found.__mro__ if isinstance(found, type) else [found]:
            told |= _origin(part)
    return [joblib.hash(value), told]


class _Code(pickle.Pickler):
    """Collects the classes and functions that a value is made of, which pickles only name."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())
        self.found: list[Any] = []

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, (type, FunctionType)):
            self.found.append(value)
        return NotImplemented


def _origin(code: Any) -> dict[str, str]:
    """Of a library the version; of the user's own classes and functions the source."""
    package = code.__module__.partition(".")[0]
    if package in _KNOWN:
        return {}
    if libraries := _distributions().get(package):
        return {name: version(name) for name in libraries}
    return {f"{code.__module__}.{code.__qualname__}": _source(code)}


def _source(code: Any) -> str:
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        # Of a class in a notebook only the methods know the cell that they stand in.
        methods = filter(inspect.isfunction, vars(code).values()) if inspect.isclass(code) else ()
        if found := "".join(map(inspect.getsource, methods)):
            return found
        raise


@cache
def _versions() -> list[str]:
    """Of what has a say in the fits of others: `fingerprint` has the rest."""
    return [platform.python_version(), version("scipy")]


_distributions = cache(packages_distributions)  # it takes half a second
