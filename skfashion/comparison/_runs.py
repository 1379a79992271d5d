"""One fit of one estimator, timed and scored; what fails is a result as well."""

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import get_scorer
from sklearn.utils import indexable
from sklearn.utils.metaestimators import _safe_split

from skfashion._utils.types import AnyArray, FloatArray, History

# The methods whose values scikit-learn's scorers ask for.
RESPONSES = ("predict", "predict_proba", "decision_function")
_SCORER = type(get_scorer("accuracy"))


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
class Fit:
    """A fitted estimator's predictions for the rows to score, and what the fit cost.

    Parameters
    ----------
    classes : ndarray
        The estimator's.
    responses : dict of str to ndarray
        What `predict`, and methods such as `predict_proba`, returned.
    fit_seconds, predict_seconds, size_mb : float
    history : dict of str to list of float, or None
        Of a network.
    scores : dict of str to float
        By the metrics that need the estimator itself.
    estimator, X : object
        The estimator and the rows, for methods not called yet. None if the fit was read from a
        file.
    """

    classes: AnyArray
    responses: dict[str, AnyArray]
    fit_seconds: float
    predict_seconds: float
    size_mb: float
    history: History | None
    scores: dict[str, float] = field(default_factory=dict)
    estimator: Any = None
    X: Any = None

    def has(self, method: str) -> bool:
        """Whether the estimator has a method, as far as it is known."""
        return method in self.responses or hasattr(self.estimator, method)

    def respond(self, method: str) -> AnyArray:
        """What a method of the estimator returns for the rows; it is called once at most."""
        if method not in self.responses:
            values = getattr(self.estimator, method)(self.X)
            n_rows = len(self.responses["predict"])
            self.responses[method] = _check_response(method, values, n_rows, len(self.classes))
        return self.responses[method]


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
    return score(job, data, fit_estimator(job, data))


def fit_estimator(job: Job, data: Data) -> Fit:
    """Fit a clone of the estimator and let it predict the rows to score."""
    if job.rows is None:
        X_train, y_train, X_test = data.X, data.y, data.X_test
    else:
        train, test = job.rows
        X, y = indexable(data.X, data.y)
        X_train, y_train = _safe_split(job.estimator, X, y, train)
        X_test, _ = _safe_split(job.estimator, X, y, test, train)
    begin = time.perf_counter()
    estimator = clone(job.estimator).fit(X_train, y_train)
    fitted = time.perf_counter()
    predictions = estimator.predict(X_test)
    predicted = time.perf_counter()
    classes = np.asarray(estimator.classes_)
    n_rows = len(_y_test(job, data))
    return Fit(
        classes,
        {"predict": _check_response("predict", predictions, n_rows, len(classes))},
        fit_seconds=fitted - begin,
        predict_seconds=predicted - fitted,
        size_mb=pickled_size(estimator),
        history=_history(estimator),
        estimator=estimator,
        X=X_test,
    )


def score(job: Job, data: Data, fit: Fit) -> Run:
    """Apply the metrics to a fit, fresh or read from a file; `fit` takes some of the scores."""
    y_test = _y_test(job, data)
    # A class of the estimator's name, for the errors of scorers.
    stand_in = type(type(job.estimator).__name__, (_StandIn,), {})(fit)
    scores = {}
    for name, metric in data.scoring.items():
        scorer = get_scorer(metric)
        if not needs_estimator(metric):
            scores[name] = _check_score(name, scorer(stand_in, None, y_test))
            continue
        if name not in fit.scores:
            fit.scores[name] = _check_score(name, scorer(fit.estimator, fit.X, y_test))
        scores[name] = fit.scores[name]
    predictions = fit.responses["predict"]
    result = Run(
        job.name,
        job.fold,
        scores=scores,
        fit_seconds=fit.fit_seconds,
        predict_seconds=fit.predict_seconds,
        n_train=len(data.y if job.rows is None else job.rows[0]),
        n_test=len(y_test),
        size_mb=fit.size_mb,
    )
    if job.rows is None:
        result.predictions = predictions
        result.n_correct = int(np.count_nonzero(predictions == y_test))
        result.scores |= {"accuracy": result.n_correct / len(y_test)}
    elif fit.history is not None:
        result.history, result.left_out = fit.history, job.rows[1]
        result.probabilities = _probabilities(fit, data.y)
    return result


def needs_estimator(metric: str | Callable[..., Any]) -> bool:
    """Whether a metric may do anything with the estimator and its rows.

    The scorers of scikit-learn and those by `make_scorer` see what it predicts, and no more.
    """
    return type(get_scorer(metric)) is not _SCORER


class _StandIn(ClassifierMixin, BaseEstimator):
    """Answers scorers in place of the estimator, whatever rows they pass."""

    def __init__(self, fit: Fit) -> None:
        self.classes_ = fit.classes
        self.fit_ = fit

    def __getattr__(self, method: str) -> Any:
        if method not in RESPONSES or not self.fit_.has(method):
            raise AttributeError(f"{type(self).__name__} has no {method}")

        def respond(X: Any) -> AnyArray:
            return self.fit_.respond(method)

        respond.__name__ = method  # by which scikit-learn knows what is returned
        return respond


def _y_test(job: Job, data: Data) -> AnyArray:
    return data.y_test if job.rows is None else data.y[job.rows[1]]


def _check_response(method: str, values: Any, n_rows: int, n_classes: int) -> AnyArray:
    """What a method returned, as an array of one row for each row that was scored."""
    values = np.asarray(values)
    if method == "predict":
        expected: tuple[int, ...] = (n_rows,)
        if values.shape == (n_rows, 1):  # CatBoost's
            values = values.ravel()
    else:
        if values.dtype.kind not in "iuf":
            raise ValueError(f"{method} returned {values.dtype} values: expected numbers.")
        # Decision values have other shapes as well: of two classes, or of pairs of them.
        expected = (n_rows, n_classes) if "proba" in method else (n_rows, *values.shape[1:])
    if values.shape != expected:
        raise ValueError(
            f"{method} returned an array of shape {values.shape}: expected {expected}."
        )
    return values


def _check_score(name: str, score: Any) -> float:
    if not np.isfinite(score):
        raise ValueError(f"the score {name} is {score}.")
    return float(score)


def _probabilities(fit: Fit, y: AnyArray) -> FloatArray:
    """With a column for each class in y, also for those that a fold does not train on."""
    classes = np.unique(y)
    probabilities = fit.respond("predict_proba")
    found = np.zeros((len(probabilities), len(classes)))
    found[:, np.searchsorted(classes, fit.classes)] = probabilities
    return found


def _history(estimator: Any) -> History | None:
    """Of a network, alone or at the end of a Pipeline; None where it is not as Keras has it."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    history = getattr(last, "history_", None)
    if not isinstance(history, dict) or "loss" not in history or not hasattr(last, "predict_proba"):
        return None
    try:
        found = {str(name): [float(value) for value in values] for name, values in history.items()}
    except (TypeError, ValueError):  # something else than lists of numbers
        return None
    return found if len({len(values) for values in found.values()}) == 1 else None


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
