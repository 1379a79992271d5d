"""Intervals and tests for scores from cross-validation.

References
----------
.. [1] Nadeau, Bengio: Inference for the Generalization Error, Machine Learning 52, 2003, 239-281.
.. [2] Wilson: Probable Inference, the Law of Succession, and Statistical Inference, Journal of the
   American Statistical Association 22, 1927, 209-212.
.. [3] McNemar: Note on the sampling error of the difference between correlated proportions or
   percentages, Psychometrika 12, 1947, 153-157.
.. [4] Rao, Scott: A simple method for the analysis of clustered binary data, Biometrics 48, 1992,
   577-585.
.. [5] Holm: A simple sequentially rejective multiple test procedure, Scandinavian Journal of
   Statistics 6, 1979, 65-70.
"""

import math
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from scipy.special import betainc, expit, logit
from scipy.stats import norm, t

from skfashion._utils.types import FloatArray

CONFIDENCE = 0.95
SIGNIFICANCE_LEVEL = 0.05

_Key = TypeVar("_Key")


def score_design_effect(values: FloatArray, n_test: float) -> float:
    """Estimate the design effect of accuracies in folds, pooled over classifiers.

    It says how many times the variance between folds is that of rows drawn independently: a
    classifier whose training is a matter of luck has scores that vary more. Counts and numbers of
    rows are divided by it, as for any binary data in clusters [4]_.

    Parameters
    ----------
    values : ndarray of shape (n_classifiers, k)
        Accuracies in the folds.
    n_test : float
        Rows to score in a fold.

    Returns
    -------
    float
        At least 1.
    """
    means = values.mean(axis=1)
    expected = means * (1 - means) / n_test
    return _pool(values.var(axis=1, ddof=1), expected)


def _pool(variances: FloatArray, expected: FloatArray) -> float:
    usable = expected > 0
    return max(1.0, float(np.mean(variances[usable] / expected[usable]))) if usable.any() else 1.0


def standard_error(values: FloatArray, n_train: float, n_test: float) -> float:
    """Compute the corrected standard error of the mean over folds [1]_.

    Parameters
    ----------
    values : ndarray of shape (k,)
        Scores of the folds, or their differences between two estimators.
    n_train, n_test : float
        Rows to train on and to score in a fold.
    """
    return values.std(ddof=1) * math.sqrt(1 / len(values) + n_test / n_train)


def mean_interval(
    values: FloatArray, n_train: float, n_test: float, *, bounded: bool
) -> tuple[float, float]:
    """Compute the 95 % interval of the expected score, by Student's t and `standard_error`.

    Parameters
    ----------
    values : ndarray of shape (k,)
    n_train, n_test : float
    bounded : bool
        Whether scores lie in [0, 1]. Then the interval is computed on the logit scale, by the delta
        method, so that it lies in [0, 1] too.

    Returns
    -------
    low, high : float
        NaN where all folds have the same score: they do not tell how far scores spread.
    """
    mean, error = values.mean(), standard_error(values, n_train, n_test)
    if not error > 1e-12 or (bounded and not 0 < mean < 1):
        return math.nan, math.nan
    half = t.ppf((1 + CONFIDENCE) / 2, df=len(values) - 1) * error
    if not bounded:
        return mean - half, mean + half
    half /= mean * (1 - mean)
    return float(expit(logit(mean) - half)), float(expit(logit(mean) + half))


def proportion_interval(proportion: float, n: float) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of a proportion [2]_.

    Parameters
    ----------
    proportion : float
    n : float
        Number of rows. The rows of folds are divided by their design effect first.

    Returns
    -------
    low, high : float
    """
    z = norm.ppf((1 + CONFIDENCE) / 2)
    middle = (proportion + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(proportion * (1 - proportion) / n + z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def corrected_t_test(differences: FloatArray, n_train: float, n_test: float) -> float:
    """Compute the two-sided p-value of the corrected resampled t-test [1]_.

    Parameters
    ----------
    differences : ndarray of shape (k,)
        Differences between the scores of two estimators on the same folds.
    n_train, n_test : float
        Rows to train on and to score in a fold.

    Returns
    -------
    float
        The probability of a mean difference at least as large if the two were equally good; 1 where
        all differences are zero. NaN where all are the same and not zero: then nothing tells how
        far they spread.
    """
    if np.allclose(differences, 0, atol=1e-12):  # what rounding leaves is no difference
        return 1.0
    error = standard_error(differences, n_train, n_test)
    if error < 1e-12:
        return math.nan
    return float(2 * t.sf(abs(differences.mean()) / error, df=len(differences) - 1))


def mcnemar_test(only_one: float, only_other: float) -> float:
    """Compute the two-sided p-value of McNemar's exact test [3]_.

    If two classifiers are equally good, each is right in about half of the rows that only one of
    them has right.

    Parameters
    ----------
    only_one, only_other : float
        Number of rows that only the one, or only the other classifier has right. They need not be
        whole: the incomplete beta function continues the binomial distribution in between.

    Returns
    -------
    float
        1 where there is no such row.
    """
    fewer, total = min(only_one, only_other), only_one + only_other
    return min(1.0, 2 * float(betainc(total - fewer, fewer + 1, 0.5))) if total else 1.0


def mcnemar_tests(
    counts: Mapping[_Key, tuple[float, float]],
    differences: Mapping[_Key, FloatArray],
    n_rows: float,
    n_test: float,
) -> dict[_Key, float]:
    """Compute McNemar's tests of many pairs of classifiers on their out-of-fold predictions.

    The counts of a pair are divided by their design effect [4]_, because McNemar's test alone
    ignores the luck of training: it is the larger one of the pair's own and of that pooled over all
    pairs, which is more precise.

    Parameters
    ----------
    counts : dict of pair to (float, float)
        Rows that only the one, or only the other has right, as in `mcnemar_test`.
    differences : dict of pair to ndarray of shape (k,)
        Differences of their accuracies in the folds.
    n_rows : float
        Rows that were scored.
    n_test : float
        Rows to score in a fold.

    Returns
    -------
    dict of pair to float
        p-values.
    """
    if not counts:
        return {}
    only = np.array([*counts.values()])
    mean = (only[:, 0] - only[:, 1]) / n_rows
    expected = (only.sum(axis=1) / n_rows - mean**2) / n_test  # the variance of a fold's difference
    found = np.array([differences[pair].var(ddof=1) for pair in counts])
    pooled = _pool(found, expected)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(expected > 0, found / expected, 1)
    only /= np.maximum(pooled, own)[:, np.newaxis]
    return {pair: mcnemar_test(*count) for pair, count in zip(counts, only, strict=True)}


def adjust_p_values(p_values: Mapping[_Key, float]) -> dict[_Key, float]:
    """Adjust p-values for the number of tests, by Holm's method [5]_.

    The probability that any true null hypothesis is rejected at level .05 is .05 at most, however
    the tests depend on each other. NaN is not counted as a test.
    """
    adjusted, largest = dict(p_values), 0.0
    tests = sorted((p, key) for key, p in enumerate(p_values.values()) if not math.isnan(p))
    keys = list(p_values)
    for rank, (p, position) in enumerate(tests):
        largest = max(largest, min(1.0, p * (len(tests) - rank)))
        adjusted[keys[position]] = largest
    return adjusted
