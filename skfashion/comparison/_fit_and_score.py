"""Fit, time and score one estimator on one fold or on the test set."""

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import get_scorer
from sklearn.utils import _safe_indexing
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.multiclass import unique_labels

from skfashion._utils.types import AnyArray, FloatArray, History
from skfashion.comparison._networks import get_history, start_tensorflow
from skfashion.comparison._routing import RoutedMetadata, take_rows
from skfashion.comparison._size import measure_size

# The methods that scikit-learn's scorers call.
RESPONSE_METHODS = ("predict", "predict_proba", "decision_function")
_SCORER = type(get_scorer("accuracy"))

# Predictions are timed on at least this number of rows, which are repeated if needed.
_MIN_TIMED_ROWS = 1000


class Data(NamedTuple):
    """Data and metrics, the same for all estimators."""

    X: Any
    y: Any
    X_test: Any
    y_test: Any
    scoring: Mapping[str, str | Callable[..., Any]]
    networks: Sequence[str] = ()  # names of the estimators that need TensorFlow


class Task(NamedTuple):
    """An estimator to fit on the training rows of a fold, or on all rows for the test set."""

    name: str
    estimator: Any
    fold: int | None = None
    rows: tuple[AnyArray, AnyArray] | None = None
    metadata: RoutedMetadata = RoutedMetadata({}, {})


class Costs(NamedTuple):
    """Times and size of a fit, as in the columns of the tables."""

    fit_seconds: float = np.nan
    predict_ms_per_1000: float = np.nan
    size_mb: float = np.nan


@dataclass
class Fit:
    """The predictions of a fitted estimator for the scored rows, and the costs of the fit.

    Parameters
    ----------
    classes : ndarray
        The estimator's `classes_`.
    responses : dict of str to ndarray
        Return values of `predict` and other methods, by name.
    costs : Costs
    history : dict of str to list of float, or None
        The `history_` of a network.
    scores : dict of str to float
        Scores by metrics that need the estimator itself.
    warnings : list of str
    estimator, X : object
        The estimator and the scored rows, for methods not called yet. None if the fit was read from
        a file.
    """

    classes: AnyArray
    responses: dict[str, AnyArray]
    costs: Costs
    history: History | None
    scores: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    estimator: Any = None
    X: Any = None

    def has(self, method: str) -> bool:
        """Return whether the method's result is stored, or the estimator has the method."""
        return method in self.responses or hasattr(self.estimator, method)

    def respond(self, method: str) -> AnyArray:
        """Return the result of a method for the scored rows. Each method is called once."""
        if method not in self.responses:
            with _record_warnings() as recorded:
                values = getattr(self.estimator, method)(self.X)
            self.warnings += recorded
            n_rows = len(self.responses["predict"])
            self.responses[method] = _check_response(method, values, n_rows, len(self.classes))
        return self.responses[method]


@dataclass
class Result:
    """The result of a task. That of a failed one has only `error`.

    Parameters
    ----------
    name : str
        Name of the estimator.
    fold : int or None
        None for the test set.
    error : str
    scores : dict of str to float
    costs : Costs
    n_train, n_test : float
    rows : ndarray or None
        Indices of the scored rows. None for the test set.
    predictions : ndarray or None
        Predicted labels of these rows.
    history : dict or None
        Loss and metrics of each epoch of a network.
    probabilities : ndarray or None
        A network's probabilities for these rows, with a column for each class in y.
    warnings : list of str
    from_memory : bool
    """

    name: str
    fold: int | None
    error: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    costs: Costs = field(default_factory=Costs)
    n_train: float = np.nan
    n_test: float = np.nan
    rows: AnyArray | None = None
    predictions: AnyArray | None = None
    history: History | None = None
    probabilities: FloatArray | None = None
    warnings: list[str] = field(default_factory=list)
    from_memory: bool = False

    def __str__(self) -> str:
        place = format_fold(self.fold)
        if self.error:
            return f"{self.name}, {place}: {self.error}"
        scores = ", ".join(f"{name} {score:.3f}" for name, score in self.scores.items())
        return (
            f"{self.name}, {place}: {scores}, fit {self.costs.fit_seconds:.1f} s"
            f"{', from memory' if self.from_memory else ''}"
        )


def format_fold(fold: int | None) -> str:
    """Name a fold or the test set in messages."""
    return "test set" if fold is None else f"fold {fold + 1}"


def make_failure(task: Task, error: BaseException) -> Result:
    """Return the result of a task that raised an exception."""
    message = ""
    with suppress(Exception):  # `str` of a user's class may raise anything
        message = f": {error}"
    return Result(task.name, task.fold, error=f"{type(error).__name__}{message}")


def run(task: Task, data: Data, fit: Callable[[Task, Data], Result]) -> Result:
    """Call `fit_and_score`, or a function like it, and return failures as results."""
    try:
        return fit(task, data)
    except BaseException as error:
        # A handler of SIGTERM may have raised SystemExit, not the estimator. Ours ignores further
        # signals by then.
        handled = signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        if isinstance(error, KeyboardInterrupt) or (isinstance(error, SystemExit) and handled):
            raise
        return make_failure(task, error)


def fit_and_score(task: Task, data: Data) -> Result:
    """Fit and score."""
    return score(task, data, fit_estimator(task, data))


def fit_estimator(task: Task, data: Data) -> Fit:
    """Fit a clone of the estimator, and predict the rows to score."""
    if data.networks:
        # Before the first fit of a worker, even if it is not a network: joblib stops workers whose
        # memory grows by 300 MB after their first task.
        start_tensorflow()
    train = None
    if task.rows is None:
        X_train, y_train, X_test = data.X, data.y, data.X_test
    else:
        train, test = task.rows
        X_train, y_train = _safe_split(task.estimator, data.X, data.y, train)
        X_test, _ = _safe_split(task.estimator, data.X, data.y, test, train)
    metadata = take_rows(task.metadata.fit, len(data.y), train)
    y_test = _y_test(task, data)
    with _record_warnings() as recorded:
        start = time.perf_counter()
        estimator = clone(task.estimator).fit(X_train, y_train, **metadata)
        fit_seconds = time.perf_counter() - start
        predictions, ms_per_1000 = _time_predictions(estimator, X_test, len(y_test))
        classes = np.asarray(estimator.classes_)
        predictions = _check_response("predict", predictions, len(y_test), len(classes))
        _check_predictions(predictions, y_test)
    return Fit(
        classes,
        {"predict": predictions},
        Costs(fit_seconds, ms_per_1000, measure_size(estimator)),
        history=get_history(estimator),
        warnings=recorded,
        estimator=estimator,
        X=X_test,
    )


def _time_predictions(estimator: Any, X: Any, n_rows: int) -> tuple[Any, float]:
    """Return the predictions, and milliseconds for 1,000 of them."""
    start = time.perf_counter()
    predictions = estimator.predict(X)
    seconds = time.perf_counter() - start
    if n_rows < _MIN_TIMED_ROWS:
        # The fixed cost of a call would be counted several times.
        X = _safe_indexing(X, np.resize(np.arange(n_rows), _MIN_TIMED_ROWS))
        start, n_rows = time.perf_counter(), _MIN_TIMED_ROWS
        estimator.predict(X)
        seconds = time.perf_counter() - start
    return predictions, seconds / n_rows * 1e6


def score(task: Task, data: Data, fit: Fit) -> Result:
    """Apply the metrics to a fit, new or read from a file.

    Scores by metrics that need the estimator are stored in `fit`.
    """
    y_test = _y_test(task, data)
    # The class has the estimator's name, which scorers show in errors.
    stand_in = type(type(task.estimator).__name__, (_StoredPredictions,), {})(fit)
    scores = {}
    with _record_warnings() as recorded:
        for name, metric in data.scoring.items():
            scorer, metadata = get_scorer(metric), {}
            if task.rows is not None:  # the test set has no metadata
                metadata = take_rows(task.metadata.score.get(name, {}), len(data.y), task.rows[1])
            if is_sklearn_scorer(scorer):
                scores[name] = _check_score(name, scorer(stand_in, None, y_test, **metadata))
                continue
            if name not in fit.scores:
                value = scorer(fit.estimator, fit.X, y_test, **metadata)
                fit.scores[name] = _check_score(name, value)
            scores[name] = fit.scores[name]
    result = Result(
        task.name,
        task.fold,
        scores=scores,
        costs=fit.costs,
        n_train=len(data.y if task.rows is None else task.rows[0]),
        n_test=len(y_test),
        predictions=fit.responses["predict"],
        history=fit.history,
    )
    if task.rows is None:
        result.scores |= {"accuracy": float(np.mean(result.predictions == y_test))}
    else:
        result.rows = task.rows[1]
        if task.name in data.networks and fit.has("predict_proba"):
            result.probabilities = _probabilities(fit, data.y)
    result.warnings = [*fit.warnings, *recorded]
    return result


def is_sklearn_scorer(scorer: Any) -> bool:
    """Return whether a scorer is scikit-learn's, or was made by `make_scorer`.

    These need only the predictions of an estimator.
    """
    return type(scorer) is _SCORER


class _StoredPredictions(ClassifierMixin, BaseEstimator):
    """Returns stored predictions to scorers, in place of the estimator."""

    def __init__(self, fit: Fit) -> None:
        self.classes_ = fit.classes
        self.fit_ = fit

    def __getattr__(self, method: str) -> Any:
        if method not in RESPONSE_METHODS or not self.fit_.has(method):
            raise AttributeError(f"{type(self).__name__} has no {method}")

        def respond(X: Any) -> AnyArray:
            return self.fit_.respond(method)

        respond.__name__ = method  # tells scikit-learn what is returned
        return respond


@contextmanager
def _record_warnings() -> Iterator[list[str]]:
    """Collect warnings instead of printing them."""
    recorded: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield recorded  # Python cannot record warnings in several threads
        return
    with warnings.catch_warnings(record=True) as caught:
        yield recorded
    for warning in caught:
        text = " ".join(str(warning.message).split())
        recorded.append(f"{warning.category.__name__}: {text}"[:300])


def _y_test(task: Task, data: Data) -> AnyArray:
    return data.y_test if task.rows is None else data.y[task.rows[1]]


def _check_response(method: str, values: Any, n_rows: int, n_classes: int) -> AnyArray:
    """Return the result of a method as an array with one row for each scored row."""
    values = np.asarray(values)
    if method == "predict":
        expected: tuple[int, ...] = (n_rows,)
        if values.shape == (n_rows, 1):  # as from CatBoost
            values = values.ravel()
    else:
        if values.dtype.kind not in "iuf":
            raise ValueError(f"{method} returned {values.dtype} values: expected numbers.")
        # Decision values have one column for two classes, or one for each pair of classes.
        expected = (n_rows, n_classes) if "proba" in method else (n_rows, *values.shape[1:])
    if values.shape != expected:
        raise ValueError(
            f"{method} returned an array of shape {values.shape}: expected {expected}."
        )
    return values


def _check_predictions(predictions: AnyArray, y_test: AnyArray) -> None:
    """Raise an error unless both are integers, or both are strings."""
    try:
        unique_labels(y_test, predictions)
    except (TypeError, ValueError) as error:
        raise ValueError(f"predict returned labels unlike those of y: {error}") from error


def _check_score(name: str, score: Any) -> float:
    if not np.isfinite(score):
        raise ValueError(f"the score {name} is {score}.")
    return float(score)


def _probabilities(fit: Fit, y: AnyArray) -> FloatArray:
    """Return probabilities with a column for each class in y: 0 for classes not in the fold."""
    classes = np.unique(y)
    probabilities = fit.respond("predict_proba")
    all_columns = np.zeros((len(probabilities), len(classes)))
    all_columns[:, np.searchsorted(classes, fit.classes)] = probabilities
    return all_columns
