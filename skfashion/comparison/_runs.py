"""Fits one estimator, times it and scores it. Failures are recorded, not raised."""

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import get_scorer
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.metaestimators import _safe_split

from skfashion._utils.types import AnyArray, FloatArray, History
from skfashion.comparison._networks import get_history, start_tensorflow
from skfashion.comparison._routing import Routed, take_rows
from skfashion.comparison._size import measure_size

# The methods whose values scikit-learn's scorers ask for.
RESPONSES = ("predict", "predict_proba", "decision_function")
_SCORER = type(get_scorer("accuracy"))

# The time of a prediction is measured on at least so many rows, which are repeated if need be.
_ROWS_TIMED = 1000


class Data(NamedTuple):
    """Data and metrics, the same for all estimators."""

    X: Any
    y: Any
    X_test: Any
    y_test: Any
    scoring: Mapping[str, str | Callable[..., Any]]
    networks: Sequence[str] = ()  # names of the estimators that need TensorFlow


class Job(NamedTuple):
    """An estimator to fit: on the training rows of a fold, or on all of them for the test set."""

    name: str
    estimator: Any
    fold: int | None = None
    rows: tuple[AnyArray, AnyArray] | None = None
    metadata: Routed = Routed({}, {})


@dataclass
class Fit:
    """The predictions of a fitted estimator for the rows to score, and what the fit cost.

    Parameters
    ----------
    classes : ndarray
        The estimator's.
    responses : dict of str to ndarray
        What `predict`, and methods such as `predict_proba`, returned.
    fit_seconds : float
    predict_ms_per_1000 : float
    size_mb : float
    history : dict of str to list of float, or None
        Of a network.
    scores : dict of str to float
        By the metrics that need the estimator itself.
    warnings : list of str
    estimator, X : object
        The estimator and the rows, for methods not called yet. None if the fit was read from a
        file.
    """

    classes: AnyArray
    responses: dict[str, AnyArray]
    fit_seconds: float
    predict_ms_per_1000: float
    size_mb: float
    history: History | None
    scores: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    estimator: Any = None
    X: Any = None

    def has(self, method: str) -> bool:
        """Return whether the method's result is stored, or the estimator has the method."""
        return method in self.responses or hasattr(self.estimator, method)

    def respond(self, method: str) -> AnyArray:
        """Return the result of a method on the rows; the method is called once at most."""
        if method not in self.responses:
            values = getattr(self.estimator, method)(self.X)
            n_rows = len(self.responses["predict"])
            self.responses[method] = _check_response(method, values, n_rows, len(self.classes))
        return self.responses[method]


@dataclass
class Run:
    """The result of a job. A failed job has only `error`.

    Parameters
    ----------
    name : str
        Name of the estimator.
    fold : int or None
        None for the test set.
    error : str
    scores : dict of str to float
    fit_seconds, predict_ms_per_1000, size_mb : float
    n_train, n_test : float
    rows : ndarray or None
        Positions of the rows that were scored, None for the test set.
    predictions : ndarray or None
        Labels predicted for them.
    history : dict or None
        Loss and metrics of each epoch of a network.
    probabilities : ndarray or None
        For a network, predicted for the rows, one column for each class in y.
    warnings : list of str
    from_memory : bool
    """

    name: str
    fold: int | None
    error: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    fit_seconds: float = np.nan
    predict_ms_per_1000: float = np.nan
    size_mb: float = np.nan
    n_train: float = np.nan
    n_test: float = np.nan
    rows: AnyArray | None = None
    predictions: AnyArray | None = None
    history: History | None = None
    probabilities: FloatArray | None = None
    warnings: list[str] = field(default_factory=list)
    from_memory: bool = False

    def __str__(self) -> str:
        place = format_place(self.fold)
        if self.error:
            return f"{self.name}, {place}: {self.error}"
        scores = ", ".join(f"{name} {score:.3f}" for name, score in self.scores.items())
        return (
            f"{self.name}, {place}: {scores}, fit {self.fit_seconds:.1f} s"
            f"{', from memory' if self.from_memory else ''}"
        )


def format_place(fold: int | None) -> str:
    """Return where an estimator is scored, for messages."""
    return "test set" if fold is None else f"fold {fold + 1}"


def failed_run(job: Job, error: BaseException) -> Run:
    """Return the run of a job that ended in an exception."""
    return Run(job.name, job.fold, error=f"{type(error).__name__}: {error}")


def run(job: Job, data: Data, fit: Callable[[Job, Data], Run]) -> Run:
    """Do a job by `fit_and_score` or the like, and turn an exception into a failed run."""
    try:
        return fit(job, data)
    except Exception as error:
        return failed_run(job, error)


@contextmanager
def _record_warnings() -> Iterator[list[str]]:
    """Collect warnings instead of printing them."""
    recorded: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield recorded  # Python's recording of warnings does not work in several threads
        return
    with warnings.catch_warnings(record=True) as caught:
        yield recorded
    for warning in caught:
        text = " ".join(str(warning.message).split())
        recorded.append(f"{warning.category.__name__}: {text}"[:300])


def fit_and_score(job: Job, data: Data) -> Run:
    """Fit and score."""
    return score(job, data, fit_estimator(job, data))


def fit_estimator(job: Job, data: Data) -> Fit:
    """Fit a clone of the estimator and let it predict the rows to score."""
    if data.networks:
        # Before the first fit of a worker, whatever it is: joblib stops a worker that grows by
        # 300 MB after its first task.
        start_tensorflow()
    train = None
    if job.rows is None:
        X_train, y_train, X_test = data.X, data.y, data.X_test
    else:
        train, test = job.rows
        X, y = indexable(data.X, data.y)
        X_train, y_train = _safe_split(job.estimator, X, y, train)
        X_test, _ = _safe_split(job.estimator, X, y, test, train)
    metadata = take_rows(job.metadata.fit, len(data.y), train)
    n_rows = len(_y_test(job, data))
    with _record_warnings() as recorded:
        begin = time.perf_counter()
        estimator = clone(job.estimator).fit(X_train, y_train, **metadata)
        fit_seconds = time.perf_counter() - begin
        predictions, ms_per_1000 = _time_predictions(estimator, X_test, n_rows)
    classes = np.asarray(estimator.classes_)
    return Fit(
        classes,
        {"predict": _check_response("predict", predictions, n_rows, len(classes))},
        fit_seconds=fit_seconds,
        predict_ms_per_1000=ms_per_1000,
        size_mb=measure_size(estimator),
        history=get_history(estimator),
        warnings=recorded,
        estimator=estimator,
        X=X_test,
    )


def _time_predictions(estimator: Any, X: Any, n_rows: int) -> tuple[Any, float]:
    """Return the predictions, and milliseconds for 1,000 of them."""
    begin = time.perf_counter()
    predictions = estimator.predict(X)
    seconds = time.perf_counter() - begin
    if n_rows < _ROWS_TIMED:
        # A call has a fixed cost as well, which would count many times over.
        X = _safe_indexing(X, np.resize(np.arange(n_rows), _ROWS_TIMED))
        begin, n_rows = time.perf_counter(), _ROWS_TIMED
        estimator.predict(X)
        seconds = time.perf_counter() - begin
    return predictions, seconds / n_rows * 1e6


def score(job: Job, data: Data, fit: Fit) -> Run:
    """Apply the metrics to a fit, which is new or was read from a file.

    Scores by metrics that need the estimator are kept in `fit`.
    """
    y_test = _y_test(job, data)
    # Its class has the estimator's name, for the error messages of scorers.
    stand_in = type(type(job.estimator).__name__, (_StoredPredictions,), {})(fit)
    scores = {}
    with _record_warnings() as recorded:
        for name, metric in data.scoring.items():
            scorer, metadata = get_scorer(metric), {}
            if job.rows is not None:  # the test set has no metadata
                metadata = take_rows(job.metadata.score.get(name, {}), len(data.y), job.rows[1])
            if is_sklearn_scorer(scorer):
                scores[name] = _check_score(name, scorer(stand_in, None, y_test, **metadata))
                continue
            if name not in fit.scores:
                found = scorer(fit.estimator, fit.X, y_test, **metadata)
                fit.scores[name] = _check_score(name, found)
            scores[name] = fit.scores[name]
    result = Run(
        job.name,
        job.fold,
        scores=scores,
        fit_seconds=fit.fit_seconds,
        predict_ms_per_1000=fit.predict_ms_per_1000,
        size_mb=fit.size_mb,
        n_train=len(data.y if job.rows is None else job.rows[0]),
        n_test=len(y_test),
        predictions=fit.responses["predict"],
        history=fit.history,
        warnings=[*fit.warnings, *recorded],
    )
    if job.rows is None:
        result.scores |= {"accuracy": float(np.mean(result.predictions == y_test))}
    else:
        result.rows = job.rows[1]
        if job.name in data.networks and fit.has("predict_proba"):
            result.probabilities = _probabilities(fit, data.y)
    return result


def is_sklearn_scorer(scorer: Any) -> bool:
    """Return whether a scorer is scikit-learn's or of `make_scorer`.

    Those use the predictions of an estimator and nothing else of it.
    """
    return type(scorer) is _SCORER


class _StoredPredictions(ClassifierMixin, BaseEstimator):
    """Gives scorers the stored predictions in place of the estimator."""

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
    """Return the result of a method as an array with one row for each row that was scored."""
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
    """Return the probabilities with a column for each class in y; 0 where the fold lacks it."""
    classes = np.unique(y)
    probabilities = fit.respond("predict_proba")
    found = np.zeros((len(probabilities), len(classes)))
    found[:, np.searchsorted(classes, fit.classes)] = probabilities
    return found
