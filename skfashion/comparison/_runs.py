"""One fit of one estimator, timed and scored; what fails is a result as well."""

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import cross_validate
from sklearn.utils import _safe_indexing

from skfashion._utils.types import AnyArray, FloatArray, History


class Data(NamedTuple):
    """What all estimators are given."""

    X: Any
    y: Any
    X_test: Any
    y_test: Any
    scoring: dict[str, str | Callable[..., Any]]


class Job(NamedTuple):
    """An estimator to fit: on the training rows of a fold, or on all of them for the test set."""

    name: str
    estimator: Any
    fold: int | None = None
    rows: tuple[AnyArray, AnyArray] | None = None


@dataclass
class Run:
    """What came of a job; of one that failed only the error."""

    name: str
    fold: int | None
    error: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    fit_seconds: float = np.nan
    predict_seconds: float = np.nan
    n_train: float = np.nan
    n_test: float = np.nan
    size_mb: float = np.nan
    history: History | None = None  # of a network
    left_out: AnyArray | None = None  # the rows scored by a network
    probabilities: FloatArray | None = None  # that it gives to them, for all classes in y
    predictions: AnyArray | None = None  # of the test set
    n_correct: int = 0  # of them
    from_memory: bool = False

    def __str__(self) -> str:
        place = place_in_words(self.fold)
        if self.error:
            return f"{self.name}, {place}: {self.error}"
        scores = ", ".join(f"{name} {score:.3f}" for name, score in self.scores.items())
        return (
            f"{self.name}, {place}: {scores}, fit {self.fit_seconds:.1f} s, "
            f"predict {self.predict_seconds:.1f} s{', from memory' if self.from_memory else ''}"
        )


def place_in_words(fold: int | None) -> str:
    """Where an estimator is scored."""
    return "test set" if fold is None else f"fold {fold + 1}"


def failed(job: Job, error: Exception) -> Run:
    """The run of a job that ended in an exception."""
    return Run(job.name, job.fold, error=f"{type(error).__name__}: {error}")


def run(job: Job, data: Data, fit: Callable[[Job, Data], Run]) -> Run:
    """Fit and score by `fit_and_score` or what stands for it; an error becomes the run's."""
    try:
        return fit(job, data)
    except Exception as error:
        return failed(job, error)


def fit_and_score(job: Job, data: Data) -> Run:
    """Fit and score."""
    return _run_test(job, data) if job.fold is None else _run_fold(job, data)


def _run_fold(job: Job, data: Data) -> Run:
    found = cross_validate(
        clone(job.estimator),
        data.X,
        data.y,
        cv=[job.rows],
        scoring=data.scoring,
        return_estimator=True,
        error_score="raise",
    )
    assert job.rows is not None  # which only the job of a test set has not
    train, test = job.rows
    [estimator] = found["estimator"]
    found_of_network: dict[str, Any] = {}
    if (history := _history(estimator)) is not None:
        found_of_network = {
            "history": history,
            "left_out": test,
            "probabilities": _probabilities(estimator, _safe_indexing(data.X, test), data.y),
        }
    return Run(
        job.name,
        job.fold,
        scores=_checked({name: found[f"test_{name}"][0] for name in data.scoring}),
        fit_seconds=found["fit_time"][0],
        predict_seconds=found["score_time"][0],
        n_train=len(train),
        n_test=len(test),
        size_mb=pickled_size(estimator),
        **found_of_network,
    )


def _run_test(job: Job, data: Data) -> Run:
    begin = time.perf_counter()
    estimator = clone(job.estimator).fit(data.X, data.y)
    fitted = time.perf_counter()
    predictions = estimator.predict(data.X_test)
    predicted = time.perf_counter()
    n_correct = int(np.count_nonzero(predictions == data.y_test))
    others = {name: metric for name, metric in data.scoring.items() if name != "accuracy"}
    scores = check_scoring(estimator, others)(estimator, data.X_test, data.y_test) if others else {}
    return Run(
        job.name,
        None,
        scores=_checked(scores | {"accuracy": n_correct / len(predictions)}),
        fit_seconds=fitted - begin,
        predict_seconds=predicted - fitted,
        n_train=len(data.y),
        n_test=len(predictions),
        size_mb=pickled_size(estimator),
        predictions=predictions,
        n_correct=n_correct,
    )


def _probabilities(estimator: Any, X: Any, y: AnyArray) -> FloatArray:
    """With a column for each class in y, also for those that a fold does not train on."""
    classes = np.unique(y)
    probabilities = estimator.predict_proba(X)
    found = np.zeros((len(probabilities), len(classes)))
    found[:, np.searchsorted(classes, estimator.classes_)] = probabilities
    return found


def _checked(scores: dict[str, float]) -> dict[str, float]:
    for name, score in scores.items():
        if not np.isfinite(score):
            raise ValueError(f"the score {name} is {score}.")
    return scores


def _history(estimator: Any) -> History | None:
    """Of a network, alone or at the end of a Pipeline."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    history = getattr(last, "history_", None)
    return history if isinstance(history, dict) and hasattr(last, "predict_proba") else None


class _Counter:
    """A file that counts the bytes and forgets them."""

    n_bytes = 0

    def write(self, piece: bytes) -> None:
        self.n_bytes += memoryview(piece).nbytes


def pickled_size(estimator: Any) -> float:
    """Millions of bytes of the pickled estimator; NaN if it cannot be pickled."""
    counter = _Counter()
    try:
        pickle.dump(estimator, counter, protocol=5)
    except Exception:  # whatever its classes raise: a size is no reason to fail
        return np.nan
    return counter.n_bytes / 1e6
