"""Cross-validate estimators on the same folds."""

from __future__ import annotations

import difflib
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier
from sklearn.metrics import get_scorer_names
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit, check_cv
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target

from skfashion._utils.labels import check_labels
from skfashion._utils.types import AnyArray, StrPath
from skfashion.comparison._comparison import Comparison
from skfashion.comparison._result_cache import ResultCache
from skfashion.comparison._runs import Data, Job, fit_and_score
from skfashion.comparison._summary import from_runs
from skfashion.comparison._workers import run_all

Estimators: TypeAlias = Mapping[str, Any] | list[tuple[str, Any]]
Metric: TypeAlias = str | Callable[..., Any]
Scoring: TypeAlias = Metric | Collection[str] | Mapping[str, Metric]
Splits: TypeAlias = (
    int | BaseCrossValidator | BaseShuffleSplit | Iterable[tuple[ArrayLike, ArrayLike]]
)


def compare(
    estimators: Estimators,
    X: ArrayLike,
    y: ArrayLike,
    *,
    cv: Splits = 5,
    scoring: Scoring = "accuracy",
    n_jobs: int | None = None,
    X_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    timeout: float | None = None,
    memory: StrPath | None = None,
    verbose: int = 0,
) -> Comparison:
    """Cross-validate estimators on the same folds.

    An estimator that fails, or for which time runs out, gets a row that says why; the others are
    unharmed.

    Parameters
    ----------
    estimators : dict of str to classifier, or list of (str, classifier) pairs
        At least one, each of a name of its own. Cloned before each fit.
    X : array-like of shape (n, features)
        Whatever the estimators take.
    y : array-like of shape (n,)
        Labels, one for each row.
    cv : int, cross-validation generator or iterable, default=5
        As in `sklearn.model_selection.cross_validate`; an int, at least 2, means stratified folds.
        At least two splits.
    scoring : str, callable, list of str, or dict of str to str or callable, default="accuracy"
        One or more metrics, as in `sklearn.model_selection.cross_validate`; each score is a number.
        The first decides the order and which estimator is the best.
    n_jobs : int or None, default=None
        Fits at a time, as in joblib: None is one, -1 as many as there are cores. Times of fits
        that run side by side include waiting, and the first fit of a network in a process includes
        the start of TensorFlow.
    X_test : array-like of shape (n_test, features) or None, default=None
        Rows that no fold sees, of as many features as X. With them each estimator is fitted once
        more, on all of X, and scored on them.
    y_test : array-like of shape (n_test,) or None, default=None
        Their labels, all of which occur in y. Given with `X_test` and not without.
    timeout : float or None, default=None
        Seconds for one fit and its scores, above 0; None sets no limit. With a timeout fits run in
        processes that are ended when time is over; then the estimator has failed.
    memory : path-like or None, default=None
        A directory, which is made if need be, where finished fits are stored: an equal call takes
        them from there, with the times that they took then, and goes on where an interrupted one
        ended. See the notes. None stores nothing.
    verbose : int, default=0
        1 prints a line to standard error as each fit ends. 0 is silent.

    Returns
    -------
    Comparison
        Tables of the estimators, of the scores and of the networks' epochs.

    Raises
    ------
    ValueError
        If there is no estimator, a name stands twice, one is no classifier, a metric is not known,
        `cv` makes fewer than two splits, rows and labels do not match, `timeout` is not positive,
        or `memory` is no path. All this before any fit.
    TypeError
        If `estimators` is neither a dict nor a list of pairs, or a name is no string.
    OSError
        If the directory of `memory` cannot be made.

    Warns
    -----
    UserWarning
        If fits cannot be stored in `memory` or read; they are done all the same.

    See Also
    --------
    make_baselines : Classical classifiers to compare with.
    skfashion.plotting.ComparisonDisplay : The comparison as a picture.

    Notes
    -----
    Stored in `memory` are the predictions, the times and the epochs of each fit, not its scores: an
    estimator under another name and a metric of other predictions, of scikit-learn or by
    `sklearn.metrics.make_scorer`, cost no fit. A metric that is any other callable may look at the
    estimator itself: with another one of these all is fitted anew.

    A fit is found by its estimator's class and parameters, the rows and folds, and the versions of
    NumPy, SciPy, scikit-learn, skfashion and the packages of the estimator; for a `FashionCNN`,
    alone or inside another estimator, also by what of the machine makes last bits differ, such as
    the number of threads, which `n_jobs` shares out. Of files that rows name, as photos, size and
    time count. If an estimator is made of classes or functions of your own, the text of all your
    modules that are loaded when `compare` is called counts; that of a script only if they are
    defined in it.

    Fitted anew, with a warning, is what cannot be found again: classes and functions of a notebook,
    lambdas, and code that was edited after Python had started. So are folds that `cv` draws without
    a seed. An estimator that draws without a seed is taken as it was drawn then. What failed is not
    stored. A directory holds numbers and text alone; reading it runs no code. It may be that of
    networks' ``memory``; ``skfashion cache`` tells what is in it, and clears it.

    Examples
    --------
    >>> from skfashion import compare, make_baselines
    >>> from skfashion.datasets import load_fashion_mini
    >>> X, y = load_fashion_mini(return_X_y=True)
    >>> baselines = make_baselines(random_state=0)
    >>> chosen = {name: baselines[name] for name in ("dummy", "naive Bayes")}
    >>> comparison = compare(chosen, X[:600], y[:600], cv=3)
    >>> comparison.table["accuracy_mean"].round(2).to_dict()
    {'naive Bayes': 0.55, 'dummy': 0.1}
    """
    estimators = _check_estimators(estimators)
    metrics = _check_scoring(scoring)
    y, y_test = _check_rows(X, y, X_test, y_test)
    _check_timeout(timeout)
    _check_memory(memory)
    folds = _folds(cv, X, y)
    jobs = [
        Job(name, estimator, number, rows)
        for name, estimator in estimators.items()
        for number, rows in [*enumerate(folds), *([] if X_test is None else [(None, None)])]
    ]
    data = Data(X, y, X_test, y_test, metrics)
    fit = fit_and_score if memory is None else ResultCache(memory, estimators, data)
    runs = []
    for run in run_all(jobs, data, fit, n_jobs=n_jobs, timeout=timeout):
        runs.append(run)
        if verbose:
            print(f"[{len(runs)}/{len(jobs)}] {run}", file=sys.stderr, flush=True)
    return from_runs(runs, data, names=list(estimators))


def _check_timeout(timeout: Any) -> None:
    if timeout is not None and not (isinstance(timeout, Real) and 0 < float(timeout) < math.inf):
        raise ValueError(f"timeout={timeout!r}: expected a positive number of seconds, or None.")


def _check_memory(memory: Any) -> None:
    path = os.fspath(memory) if isinstance(memory, os.PathLike) else memory
    if memory is not None and not (isinstance(path, str) and path):
        raise ValueError(f"memory={memory!r}: expected the path of a directory, or None.")


def _folds(cv: Splits, X: ArrayLike, y: AnyArray) -> list[tuple[AnyArray, AnyArray]]:
    """Pairs of index arrays."""
    folds: list[Any] = [
        tuple(np.flatnonzero(rows) if np.asarray(rows).dtype == bool else rows for rows in fold)
        for fold in check_cv(cv, y, classifier=True).split(X, y)
    ]
    if len(folds) < 2:
        raise ValueError(
            f"cv={cv!r} makes {len(folds)} split: expected two or more, since one score says "
            "nothing of how far scores spread."
        )
    for number, (train, test) in enumerate(folds):
        if not len(train) or not len(test):
            raise ValueError(
                f"cv={cv!r}: split {number} has {len(train)} rows to train on and {len(test)} to "
                "score, expected at least one of each."
            )
    return folds


def _check_estimators(estimators: Any) -> dict[str, Any]:
    if isinstance(estimators, Mapping):
        pairs = list(estimators.items())
    elif isinstance(estimators, (list, tuple)) and all(
        isinstance(pair, tuple) and len(pair) == 2 for pair in estimators
    ):
        pairs = list(estimators)
    else:
        raise TypeError(
            f"estimators is a {type(estimators).__name__}: expected a dict of names to "
            "classifiers, or a list of pairs of them."
        )
    if not pairs:
        raise ValueError("estimators is empty: expected at least one classifier.")
    for name, estimator in pairs:
        if not isinstance(name, str):
            raise TypeError(f"estimators has the name {name!r}: expected strings.")
        unfit = isinstance(estimator, type) or not hasattr(estimator, "fit")
        if unfit or not is_classifier(estimator):
            raise ValueError(f"estimators[{name!r}] is no classifier: {estimator!r}.")
    twice = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    if twice:
        raise ValueError(f"estimators has several named {', '.join(map(repr, twice))}.")
    return dict(pairs)


def _check_scoring(scoring: Any) -> dict[str, Metric]:
    """Metrics by name, each a name of scikit-learn's or a callable."""
    metrics: dict[Any, Any]
    if isinstance(scoring, str):
        metrics = {scoring: scoring}
    elif callable(scoring):
        metrics = {_name(scoring): scoring}
    elif isinstance(scoring, Mapping):
        metrics = dict(scoring)
    elif isinstance(scoring, (list, tuple, set)):
        metrics = {name: name for name in scoring}
    else:
        metrics = {}
    if not metrics:
        raise ValueError(f"scoring={scoring!r}: expected a metric, or several.")
    for name, metric in metrics.items():
        if not isinstance(name, str):
            raise ValueError(f"scoring names a metric {name!r}: expected strings.")
        if name.startswith("test_") or (name == "accuracy" and metric != "accuracy"):
            raise ValueError(
                f"scoring names a metric {name!r}, as a column of the table is called that holds "
                "something else: expected another name."
            )
        if not callable(metric) and metric not in (known := get_scorer_names()):
            close = difflib.get_close_matches(str(metric), known, n=3)
            hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise ValueError(
                f"scoring has {metric!r}, which is no metric of scikit-learn.{hint} "
                "sklearn.metrics.get_scorer_names() lists them."
            )
    return metrics


def _name(scorer: Callable[..., Any]) -> str:
    """What a metric is called that was given without a name."""
    function = getattr(scorer, "_score_func", scorer)
    return getattr(function, "__name__", "score")


def _check_rows(X: Any, y: Any, X_test: Any, y_test: Any) -> tuple[AnyArray, AnyArray | None]:
    """Return y and y_test as arrays of one dimension."""
    check_consistent_length(X, y)
    check_labels(y)
    if (kind := type_of_target(y, input_name="y")) not in ("binary", "multiclass"):
        raise ValueError(f"y is {kind}: expected one label of a class for each row.")
    y = column_or_1d(y)
    if (X_test is None) != (y_test is None):
        given, missing = ("y_test", "X_test") if X_test is None else ("X_test", "y_test")
        raise ValueError(f"{given} was given without {missing}: expected both or neither.")
    if X_test is not None:
        check_consistent_length(X_test, y_test)
        check_labels(y_test, "y_test")
        y_test = column_or_1d(y_test)
        n_features, n_given = (math.prod(np.shape(rows)[1:]) for rows in (X, X_test))
        if n_given != n_features:
            raise ValueError(f"X_test has {n_given} features, but X has {n_features}.")
        unknown = np.setdiff1d(y_test, y)
        if len(unknown):
            raise ValueError(
                f"y_test has labels that y has not, such as {unknown.tolist()[0]!r}: expected some "
                f"of {np.unique(y).tolist()}."
            )
    return y, y_test
