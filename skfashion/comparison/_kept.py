"""Finished fits, kept in the user's `memory` under a key of all that shaped them."""

import pickle
import platform
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
from sklearn.base import clone

from skfashion._utils import cache_directory as _memory
from skfashion._utils import environment as _machine
from skfashion._utils.files import read_sealed, write_sealed
from skfashion._utils.types import StrPath
from skfashion._utils.warnings import warn
from skfashion.comparison._identity import identity, identity_of_rows
from skfashion.comparison._runs import Data, Job, Run, fit_and_score

_FORMAT = 1


class Kept:
    """`fit_and_score`, but what was finished before is taken from `memory`.

    What cannot be read counts as not kept, and what cannot be kept harms no fit; either is told as
    a warning.

    Parameters
    ----------
    memory : path-like
        The user's directory. It is made if need be.
    estimators : dict of str to classifier
    data : Data

    Raises
    ------
    OSError
        If the directory cannot be made.
    """

    def __init__(self, memory: StrPath, estimators: Mapping[str, Any], data: Data) -> None:
        # Workers may be at home elsewhere.
        self._directory = Path(memory).expanduser().absolute()
        self._directory.mkdir(parents=True, exist_ok=True)
        # Those that have a name. Without one for rows and metrics there are none.
        self._estimators: dict[str, list[Any]] = {}
        try:
            self._scoring = identity(data.scoring)
            self._rows = identity_of_rows(data.X, data.y)
            self._test_rows = identity_of_rows(data.X_test, data.y_test)
        except Exception as error:
            warn(f"memory: fits are not kept, for the rows or the metrics have no name: {error}")
            return
        for name, estimator in estimators.items():
            try:
                self._estimators[name] = identity(clone(estimator))
            except Exception as error:
                warn(f"memory: fits of {name!r} are not kept, for it has no name: {error}")

    def __call__(self, job: Job, data: Data) -> Run:
        """As `fit_and_score`, whose exceptions are raised and not kept."""
        if job.name not in self._estimators:
            return fit_and_score(job, data)
        key = self._key(job)
        path = _memory.fit_file(self._directory, key)
        if (kept := _read(path, key)) is not None:
            return replace(kept, from_memory=True)
        run = fit_and_score(job, data)
        try:
            write_sealed(path, pickle.dumps((key, run)))
        except Exception as error:  # whatever the classes of labels raise
            told = getattr(error, "strerror", None) or error
            warn(f"memory: fits cannot be kept in {path.parent} ({told}). They are done anew.")
        return run

    def _key(self, job: Job) -> str:
        return _memory.make_key(
            {
                "format": _FORMAT,
                "job": [job.name, job.fold, joblib.hash(job.rows)],
                "estimator": self._estimators[job.name],
                "scoring": self._scoring,
                # Whoever scores a test set later finds the folds again.
                "rows": [self._rows, self._test_rows if job.fold is None else None],
                "versions": _versions(),
                # Asked of the process that fits: it may have been given fewer threads.
                "machine": _machine.fingerprint(),
            }
        )


def _read(path: Path, key: str) -> Run | None:
    """A kept fit, None if there is none or it is damaged."""
    try:
        match pickle.loads(read_sealed(path)):
            case (str(name), Run() as run) if name == key:
                return run
        raise ValueError("it holds something else")
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever unpickling raises
        warn(f"memory: {path} cannot be used: {error}. The fit is done again.")
        return None


@cache
def _versions() -> list[str]:
    """Of what has a say in the fits of others: `fingerprint` has the rest."""
    return [platform.python_version(), version("scipy")]
