"""Cross-validate estimators on the same folds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike
from sklearn.model_selection import check_cv

from skfashion._utils.cache_directory import resolve_memory
from skfashion._utils.types import StrPath
from skfashion._utils.warnings import warn
from skfashion.comparison import _validation
from skfashion.comparison._comparison import Comparison
from skfashion.comparison._networks import contains_network
from skfashion.comparison._result_cache import ResultCache
from skfashion.comparison._routing import route
from skfashion.comparison._runs import Data, Job, Run, fit_and_score
from skfashion.comparison._summary import from_runs
from skfashion.comparison._validation import Estimators, Scoring, Splits
from skfashion.comparison._workers import run_all


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
        Fits at a time, as in joblib: None is one, -1 as many as there are cores. Fits that run at
        the same time wait for each other, so their times are longer.
    X_test : array-like of shape (n_test, features) or None, default=None
        Rows that no fold sees, of as many features as X. With them each estimator is fitted once
        more, on all of X, and scored on them.
    y_test : array-like of shape (n_test,) or None, default=None
        Their labels, all of which occur in y. Given with `X_test` and not without.
    params : dict or None, default=None
        Metadata such as ``{"sample_weight": weights}``, as in
        `sklearn.model_selection.cross_validate`: arguments of every estimator's `fit`, or, with
        metadata routing enabled, of those methods that requested them. Values with an entry for
        each row are split with the rows. The test set has no metadata.
    timeout : float or None, default=None
        Seconds for one fit and its scores, above 0; None sets no limit. With a timeout fits run in
        processes that are ended when time is over; then the estimator has failed.
    memory : str, path-like, joblib.Memory or None, default=None
        A directory, which is made if need be, where finished fits are stored: an equal call takes
        them from there, with the times that they took then, and goes on where an interrupted one
        ended. Of a `joblib.Memory` the location is taken. See the notes. None stores nothing.
    verbose : int, default=0
        1 prints a line to standard error as each fit ends. 0 is silent.

    Returns
    -------
    Comparison
        Tables of the estimators, of the scores and of the networks' epochs.

    Raises
    ------
    ValueError
        If there is no estimator, a name occurs twice, one is not a classifier, a metric is not
        known, cannot be computed for the labels, or needs a method that an estimator does not have,
        `cv` makes fewer than two splits, rows and labels do not match, `timeout` is not positive,
        or `memory` is no directory's path. All errors are raised before the first fit.
    TypeError
        If `estimators` is neither a dict nor a list of pairs, a name is not a string, or `params`
        is not a dict.
    RuntimeError
        If `timeout` is given in a daemonic process, which cannot start processes.
    OSError
        If the directory of `memory` cannot be made.

    Warns
    -----
    UserWarning
        If fits cannot be stored in `memory` or read (they are done anyway), or if the comparison
        was interrupted.

    See Also
    --------
    make_baselines : Classical classifiers to compare with.
    skfashion.plotting.ComparisonDisplay : The comparison as a picture.

    Notes
    -----
    If a network is among the estimators, each process starts TensorFlow before its first fit. The
    start is not part of any fit's time.

    Ctrl-C ends the comparison: what is finished is returned, and estimators without all their fits
    have rows that say so. Before the first fit is finished it raises KeyboardInterrupt as usual.

    Warnings that an estimator raises stand in its row and are not printed.

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
    estimators = _validation.check_estimators(estimators)
    y, y_test = _validation.check_rows(X, y, X_test, y_test)
    metrics = _validation.check_scoring(scoring, estimators, X, y)
    _validation.check_timeout(timeout)
    directory = resolve_memory(memory)
    splitter = check_cv(cv, y, classifier=True)
    groups, metadata = route(estimators, metrics, splitter, y, groups, params)
    folds: list[Any] = [*enumerate(_validation.make_folds(splitter, X, y, groups))]
    if X_test is not None:
        folds.append((None, None))
    jobs = [
        Job(name, estimator, number, rows, metadata[name])
        for name, estimator in estimators.items()
        for number, rows in folds
    ]
    networks = [name for name, estimator in estimators.items() if contains_network(estimator)]
    data = Data(X, y, X_test, y_test, metrics, networks)
    fit = fit_and_score if directory is None else ResultCache(directory, jobs, data)
    runs: list[Run] = []
    interrupted = False
    try:
        for run in run_all(jobs, data, fit, n_jobs=n_jobs, timeout=timeout):
            runs.append(run)
            if verbose:
                print(f"[{len(runs)}/{len(jobs)}] {run}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        if not runs:
            raise
        interrupted = True
        warn(f"compare was interrupted after {len(runs)} of {len(jobs)} fits.")
        finished = {(run.name, run.fold) for run in runs}
        runs += [
            Run(job.name, job.fold, error="interrupted before all fits were finished")
            for job in jobs
            if (job.name, job.fold) not in finished
        ]
    comparison = from_runs(runs, data, names=list(estimators))
    comparison.interrupted = interrupted
    return comparison
