"""Validate the parameters of `compare` before the first fit."""

import difflib
import inspect
import math
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit
from sklearn.utils import _safe_indexing, check_consistent_length, column_or_1d, indexable
from sklearn.utils.multiclass import type_of_target

from skfashion._utils.label_checks import abbreviate, check_labels
from skfashion._utils.messages import shorten
from skfashion._utils.types import AnyArray
from skfashion.comparison._fit_and_score import is_sklearn_scorer

Estimators: TypeAlias = Mapping[str, Any] | list[tuple[str, Any]]
Metric: TypeAlias = str | Callable[..., Any]
Scoring: TypeAlias = Metric | Collection[str] | Mapping[str, Metric]
Splits: TypeAlias = (
    int | BaseCrossValidator | BaseShuffleSplit | Iterable[tuple[ArrayLike, ArrayLike]]
)


def check_timeout(timeout: Any) -> None:
    """Raise an error if `timeout` is neither None nor a positive number of seconds."""
    if timeout is not None and not (isinstance(timeout, Real) and 0 < float(timeout) < math.inf):
        raise ValueError(
            f"timeout={shorten(timeout)}: expected a positive number of seconds, or None."
        )


def check_n_jobs(n_jobs: Any) -> None:
    """Raise an error if `n_jobs` is neither None nor an int other than 0."""
    if n_jobs is not None and not (isinstance(n_jobs, Integral) and n_jobs):
        raise ValueError(f"n_jobs={shorten(n_jobs)}: expected an int other than 0, or None.")


def check_estimators(estimators: Any) -> dict[str, Any]:
    """Return the classifiers by name."""
    pairs = list(estimators.items()) if isinstance(estimators, Mapping) else estimators
    if not isinstance(pairs, (list, tuple)) or not all(
        isinstance(pair, tuple) and len(pair) == 2 for pair in pairs
    ):
        raise TypeError(
            f"estimators is a {type(estimators).__name__}: expected a dict of names to "
            "classifiers, or a list of pairs of a name and a classifier."
        )
    if not pairs:
        raise ValueError("estimators is empty: expected at least one classifier.")
    for name, estimator in pairs:
        if not isinstance(name, str):
            raise TypeError(f"estimators has the name {shorten(name)}: expected strings.")
        _check_classifier(name, estimator)
    duplicates = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if duplicates:
        raise ValueError(f"estimators has duplicate names: {', '.join(map(repr, duplicates))}.")
    return dict(pairs)


def _check_classifier(name: str, estimator: Any) -> None:
    """Raise an error if an estimator is not a classifier, or does not tell what it is."""
    reason = ""
    try:
        is_estimator = hasattr(estimator, "fit") and not isinstance(estimator, type)
        if is_estimator and is_classifier(estimator):
            return
    except Exception as error:  # the tags of a user's class may raise anything
        reason = f" ({type(error).__name__}: {error})"
    raise ValueError(f"estimators[{name!r}] is not a classifier: {shorten(estimator)}{reason}.")


def check_rows(X: Any, y: Any, X_test: Any, y_test: Any) -> tuple[Any, AnyArray, Any, Any]:
    """Check rows and labels.

    Return X and X_test as something that can be indexed, and y and y_test as one-dimensional
    arrays.
    """
    [X], [X_test] = indexable(X), indexable(X_test)
    check_consistent_length(X, y)
    check_labels(y)
    if (kind := type_of_target(y, input_name="y")) not in ("binary", "multiclass"):
        raise ValueError(f"y is {kind}: expected one class label for each row.")
    y = column_or_1d(y)
    if (X_test is None) != (y_test is None):
        given, missing = ("y_test", "X_test") if X_test is None else ("X_test", "y_test")
        raise ValueError(f"{given} was given without {missing}: expected both or neither.")
    if X_test is not None:
        check_consistent_length(X_test, y_test)
        check_labels(y_test, "y_test")
        y_test = column_or_1d(y_test)
        n_features, n_given = _count_features(X), _count_features(X_test)
        if None not in (n_features, n_given) and n_given != n_features:
            raise ValueError(f"X_test has {n_given} features, but X has {n_features}.")
        unknown = np.setdiff1d(y_test, y)
        if len(unknown):
            raise ValueError(
                "y_test has labels that do not occur in y, such as "
                f"{shorten(unknown.tolist()[0])}: expected labels among "
                f"{abbreviate(np.unique(y).tolist())}."
            )
    return X, y, X_test, y_test


def _count_features(X: Any) -> int | None:
    """Return the number of features. Return None if rows are not numbers, such as pictures."""
    try:
        array = np.asarray(X)
    except ValueError:  # pictures of several sizes
        return None
    return math.prod(array.shape[1:]) if array.dtype.kind in "biufc" else None


def make_folds(splitter: Any, X: Any, y: AnyArray, groups: Any) -> list[tuple[AnyArray, AnyArray]]:
    """Return the folds as pairs of index arrays."""
    positions = np.arange(len(y))
    folds = []
    for number, fold in enumerate(splitter.split(X, y, groups)):
        try:  # rows may be positions, also from the end, or masks
            train, test = (positions[np.asarray(rows) if len(rows) else []] for rows in fold)
        except (IndexError, TypeError, ValueError) as error:
            raise ValueError(f"cv: split {number} cannot be used: {error}.") from error
        if not len(train) or not len(test):
            raise ValueError(
                f"cv: split {number} has {len(train)} rows to train on and {len(test)} to score, "
                "expected at least one of each."
            )
        folds.append((train, test))
    if len(folds) < 2:
        raise ValueError(
            f"cv makes {len(folds)} split: expected two or more, to estimate the scores' variance."
        )
    return folds


def check_scoring(
    scoring: Any, estimators: Mapping[str, Any], X: Any, y: AnyArray
) -> dict[str, Metric]:
    """Return the metrics by name. Each is the name of a scikit-learn metric, or a callable."""
    metrics: dict[Any, Any] = {}
    if isinstance(scoring, str):
        metrics = {scoring: scoring}
    elif callable(scoring):
        metrics = {_name(scoring): scoring}
    elif isinstance(scoring, Mapping):
        metrics = dict(scoring)
    elif isinstance(scoring, (list, tuple, set)):
        metrics = {name: name for name in scoring}
    if not metrics:
        raise ValueError(f"scoring={shorten(scoring)}: expected a metric, or several.")
    for name, metric in metrics.items():
        if not isinstance(name, str):
            raise ValueError(f"scoring names a metric {shorten(name)}: expected strings.")
        if name.startswith("test_") or (name == "accuracy" and metric != "accuracy"):
            raise ValueError(
                f"scoring names a metric {name!r}, which is the name of another column of the "
                "table: expected another name."
            )
        if not callable(metric) and metric not in (known := get_scorer_names()):
            close = difflib.get_close_matches(str(metric), known, n=3)
            hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise ValueError(
                f"scoring has {shorten(metric)}, which is not a metric of scikit-learn.{hint} "
                "sklearn.metrics.get_scorer_names() lists them."
            )
        _refuse_metric_functions(metric)
        _check_methods(name, metric, estimators)
        _try_scorer(name, metric, X, y)
    return metrics


def _name(scorer: Callable[..., Any]) -> str:
    """Return a name for a metric given as a callable."""
    function = getattr(scorer, "_score_func", scorer)
    return getattr(function, "__name__", "score")


def _refuse_metric_functions(metric: Metric) -> None:
    """Raise an error for a callable with other arguments, such as `accuracy_score`, of labels."""
    if isinstance(metric, str) or is_sklearn_scorer(metric):
        return
    try:
        signature = inspect.signature(metric)
    except (TypeError, ValueError):  # some builtins have no signature
        return
    try:
        signature.bind("estimator", "X", "y")
        is_scorer = next(iter(signature.parameters)) != "y_true"
    except TypeError:
        is_scorer = hasattr(metric, "get_metadata_routing")  # it may need more than these
    if not is_scorer:
        name = _name(metric)
        raise ValueError(
            f"scoring has {name}{signature}: expected a scorer, which takes an estimator, X and y. "
            f"For a metric function, which takes labels, use sklearn.metrics.make_scorer({name})."
        )


def _check_methods(name: str, metric: Metric, estimators: Mapping[str, Any]) -> None:
    """Raise an error if an estimator lacks the methods that a metric needs."""
    scorer = get_scorer(metric)
    if not is_sklearn_scorer(scorer):
        return
    methods = scorer._response_method
    methods = (methods,) if isinstance(methods, str) else tuple(methods)
    if "predict" in methods:  # without it, the estimator's row shows the error
        return
    lacking = [
        estimator_name
        for estimator_name, estimator in estimators.items()
        if not any(hasattr(estimator, method) for method in methods)
    ]
    if lacking:
        raise ValueError(
            f"scoring: the metric {name!r} needs {' or '.join(methods)}, which "
            f"{', '.join(map(repr, lacking))} does not have. Choose another metric, or leave "
            "that estimator out."
        )


def _try_scorer(name: str, metric: Metric, X: Any, y: AnyArray) -> None:
    """Score a dummy classifier, to find mistakes before the first fit."""
    _, first_rows = np.unique(y, return_index=True)
    rows = np.union1d(first_rows, np.arange(min(len(y), 50)))
    dummy = DummyClassifier().fit(np.zeros((len(rows), 1)), y[rows])
    scorer = get_scorer(metric)
    is_sklearns = is_sklearn_scorer(scorer)
    X = np.zeros((len(rows), 1)) if is_sklearns else _safe_indexing(X, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            score = scorer(dummy, X, y[rows])
        except Exception as error:
            if is_sklearns and isinstance(error, (TypeError, ValueError)):
                raise ValueError(
                    f"scoring: the metric {name!r} cannot be computed for these labels: {error}"
                ) from error
            return  # the user's own function may need another kind of estimator
    if np.ndim(score) != 0 or np.asarray(score).dtype.kind not in "biuf":
        kind = "a dict" if isinstance(score, dict) else shorten(score)
        raise ValueError(
            f"scoring: the metric {name!r} returns {kind}: expected a number. Give several metrics "
            "as a dict of names to scorers."
        )
