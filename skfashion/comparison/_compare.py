"""The function `compare`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike
from sklearn.model_selection import check_cv

from skfashion._utils.cache_directory import resolve_memory
from skfashion._utils.steps import report_step
from skfashion._utils.types import StrPath
from skfashion._utils.warnings import warn
from skfashion.comparison import _validation
from skfashion.comparison._comparison import Comparison
from skfashion.comparison._fit_and_score import Data, Result, Task, fit_and_score
from skfashion.comparison._networks import contains_network
from skfashion.comparison._result_cache import ResultCache
from skfashion.comparison._routing import route
from skfashion.comparison._summary import summarize
from skfashion.comparison._validation import Estimators, Scoring, Splits
from skfashion.comparison._workers import run_tasks


def compare(
    estimators: Estimators,
    X: ArrayLike,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    cv: Splits = 5,
    scoring: Scoring = "accuracy",
    n_jobs: int | None = None,
    X_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    params: Mapping[str, Any] | None = None,
    timeout: float | None = None,
    memory: StrPath | Any | None = None,
    verbose: int = 0,
) -> Comparison:
    """Cross-validate estimators on the same folds, and tabulate their scores and costs.

    The table has confidence intervals, p-values, times and sizes; the user guide explains how to
    read it. If an estimator fails or exceeds the timeout, its row shows the error, and the others
    continue.

    Parameters
    ----------
    estimators : dict of str to classifier, or list of (str, classifier) pairs
        At least one, with unique names. They are cloned before each fit.
    X : array-like of shape (n, features)
        Any input that the estimators accept.
    y : array-like of shape (n,)
        Labels, one for each row.
    groups : array-like of shape (n,) or None, default=None
        Groups of the rows for the splitter, such as `GroupKFold`. With metadata routing enabled
        they go into `params`.
    cv : int, cross-validation generator or iterable, default=5
        As in `sklearn.model_selection.cross_validate`; an int, at least 2, means stratified folds.
        At least two splits.
    scoring : str, callable, list of str, or dict of str to str or callable, default="accuracy"
        One or more metrics, as in `sklearn.model_selection.cross_validate`. Each score is a number.
        The first metric decides the order of the table and which estimator is the best.
    n_jobs : int or None, default=None
        Number of parallel fits, as in joblib: None means 1, -1 the number of cores. Parallel fits
        slow each other down, so the measured times are longer.
    X_test : array-like of shape (n_test, features) or None, default=None
        A test set, not used in any fold, with as many features as X. If given, each estimator is
        fitted once more, on all of X, and scored on the test set.
    y_test : array-like of shape (n_test,) or None, default=None
        Labels of the test set, all of which must occur in y. Required with `X_test`, and not
        allowed without.
    params : dict or None, default=None
        Metadata such as ``{"sample_weight": weights}``, as in
        `sklearn.model_selection.cross_validate`: arguments of every estimator's `fit`, or, with
        metadata routing enabled, of those methods that requested them. Values with an entry for
        each row are split with the rows. The test set has no metadata.
    timeout : float or None, default=None
        Limit in seconds for one fit and its scores, above 0. None means no limit. With a timeout,
        fits run in separate processes. A process that exceeds it is stopped, and its estimator
        counts as failed.
    memory : str, path-like, joblib.Memory or None, default=None
        A directory to store finished fits in, created if needed. An equal call reads them, with
        their original times, and continues an interrupted comparison. For a `joblib.Memory`, its
        location is used. If None, nothing is stored. See the notes.
    verbose : int, default=0
        1 prints a line to standard error after each fit. 0 is silent.

    Returns
    -------
    Comparison
        Tables of the estimators, the scores and the networks' epochs.

    Raises
    ------
    ValueError
        If there is no estimator, a name occurs twice, an estimator is not a classifier, a metric is
        unknown, cannot be computed for the labels, or needs a method that an estimator does not
        have, `cv` makes fewer than two splits, rows and labels do not match, `n_jobs` is 0,
        `timeout` is not positive, or `memory` is not the path of a directory. All errors are raised
        before the first fit.
    TypeError
        If `estimators` is neither a dict nor a list of pairs, a name is not a string, or `params`
        is not a dict.
    RuntimeError
        If `timeout` is given in a daemonic process, which cannot start processes.
    OSError
        If the directory of `memory` cannot be created.

    Warns
    -----
    UserWarning
        If fits cannot be stored in or read from `memory` (they are computed anyway), or if the
        comparison was interrupted.

    See Also
    --------
    make_baselines : Classical classifiers to compare with.
    skfashion.plotting.ComparisonDisplay : Plot a comparison.

    Notes
    -----
    If a network is among the estimators, each process starts TensorFlow before its first fit. This
    time does not count for any fit.

    Ctrl-C ends the comparison and returns the finished fits. The rows of estimators with missing
    fits show an error. Before the end of the first fit, Ctrl-C raises KeyboardInterrupt as usual.

    Warnings of an estimator are shown in its row and not printed.

    The directory `memory` stores the predictions, times and epochs of each fit, not its scores. So
    an estimator with another name, or another metric of scikit-learn or from
    `sklearn.metrics.make_scorer`, needs no new fit. Any other callable used as a metric may depend
    on the estimator itself: with another metric of this kind, everything is fitted again.

    The key of a stored fit consists of the estimator's class and parameters, the rows and folds,
    and the versions of NumPy, SciPy, scikit-learn, skfashion and the packages of the estimator. For
    a `FashionCNN`, alone or inside another estimator, it also includes the properties of the
    machine that affect rounding, such as the number of threads, which `n_jobs` divides among
    processes. If rows are names of files, such as photos, sizes and modification times of the files
    are part of the key. If an estimator uses your own classes or functions, so is the text of all
    your modules that are loaded when `compare` is called; a script counts only if they are defined
    in it.

    Fits without a reliable key are computed again, with a warning: those that use classes and
    functions of a notebook, lambdas, code that was edited after Python had started, or modules of
    yours that are not imported before the first fit. Random folds of a `cv` without a seed differ
    in every call, so these fits are never found. Stored fits of an estimator without a seed are
    read as they were computed first. Failed fits are not stored. The files contain only numbers and
    text; reading them runs no code. The directory can be the same as the ``memory`` of networks;
    ``skfashion cache`` shows its content and clears it.

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
    estimators = _validation.check_estimators(estimators)
    X, y, X_test, y_test = _validation.check_rows(X, y, X_test, y_test)
    metrics = _validation.check_scoring(scoring, estimators, X, y)
    _validation.check_n_jobs(n_jobs)
    _validation.check_timeout(timeout)
    directory = resolve_memory(memory)
    splitter = check_cv(cv, y, classifier=True)
    groups, metadata = route(estimators, metrics, splitter, y, groups, params)
    folds: list[Any] = [*enumerate(_validation.make_folds(splitter, X, y, groups))]
    if X_test is not None:
        folds.append((None, None))
    tasks = [
        Task(name, estimator, number, rows, metadata[name])
        for name, estimator in estimators.items()
        for number, rows in folds
    ]
    networks = [name for name, estimator in estimators.items() if contains_network(estimator)]
    data = Data(X, y, X_test, y_test, metrics, networks)
    fit = fit_and_score if directory is None else ResultCache(directory, tasks, data)
    results: list[Result] = []
    interrupted = False
    report_step("fits", 0, len(tasks))
    try:
        for result in run_tasks(tasks, data, fit, n_jobs=n_jobs, timeout=timeout):
            results.append(result)
            report_step("fits", len(results), len(tasks))
            if verbose:
                print(f"[{len(results)}/{len(tasks)}] {result}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        if not results:
            raise
        interrupted = True
        warn(f"compare was interrupted after {len(results)} of {len(tasks)} fits.")
        finished = {(result.name, result.fold) for result in results}
        results += [
            Result(task.name, task.fold, error="interrupted before all fits were finished")
            for task in tasks
            if (task.name, task.fold) not in finished
        ]
    comparison = summarize(results, data, names=list(estimators))
    comparison.interrupted = interrupted
    return comparison
