"""Confidence intervals and significance tests for scores from cross-validation.

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
.. [6] Satterthwaite: An approximate distribution of estimates of variance components, Biometrics
   Bulletin 2, 1946, 110-114.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import numpy as np
from scipy.special import betainc, expit, logit
from scipy.stats import norm, t

from skfashion._utils.types import FloatArray

CONFIDENCE = 0.95
SIGNIFICANCE_LEVEL = 0.05

# Folds share training rows, so the differences between them do not show all that depends on the
# choice of these rows. If comparisons are repeated on new rows, differences of two accuracies vary
# 1.5 times as much as those of independent rows (6,000 rows, 3 folds). The value is calibrated: in
# 240 comparisons of equally good learners in `benchmarks/calibration.py` some adjusted p-value was
# below .05 in 4.6 % with 1.5, and in 3.3 % with 1.6.
MIN_DESIGN_EFFECT = 1.6

_Key = TypeVar("_Key")
_Pair = TypeVar("_Pair", bound=Collection[Any])


def score_design_effect(values: FloatArray, n_test: float) -> float:
    """Estimate the design effect of accuracies in folds, pooled over classifiers.

    It is the ratio of the variance between folds to the variance of independent rows. It is large
    for classifiers whose training depends much on chance. Counts and numbers of rows are divided by
    it, as for other clustered binary data [4]_.

    Parameters
    ----------
    values : ndarray of shape (n_classifiers, k)
        Accuracies in the folds.
    n_test : float
        Number of scored rows in a fold.

    Returns
    -------
    float
        At least 1.
    """
    means = values.mean(axis=1)
    expected = means * (1 - means) / n_test
    return _pool(values.var(axis=1, ddof=1), expected)


def _pool(variances: FloatArray, expected: FloatArray) -> float:
    """Return the mean ratio of observed to expected variances, at least 1."""
    usable = expected > 0
    return max(1.0, float(np.mean(variances[usable] / expected[usable]))) if usable.any() else 1.0


def standard_error(values: FloatArray, n_train: float, n_test: float) -> float:
    """Compute the corrected standard error of the mean over folds [1]_.

    Parameters
    ----------
    values : ndarray of shape (k,)
        Scores of the folds, or their differences between two estimators.
    n_train, n_test : float
        Number of training and of scored rows in a fold.
    """
    return values.std(ddof=1) * math.sqrt(1 / len(values) + n_test / n_train)


def mean_interval(
    values: FloatArray,
    n_train: float,
    n_test: float,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> tuple[float, float]:
    """Compute the 95 % interval of the expected score from Student's t and `standard_error`.

    Parameters
    ----------
    values : ndarray of shape (k,)
    n_train, n_test : float
    limits : tuple of two float, default=(-inf, inf)
        Lowest and highest possible score. The interval lies between them: it is computed on the
        logit scale if both are finite, and on the scale of the logarithm if the lowest is not, by
        the delta method.

    Returns
    -------
    low, high : float
        NaN if all folds have the same score, which does not show how much scores vary, and if the
        mean is one of the limits.
    """
    lowest, highest = limits
    mean, error = values.mean(), standard_error(values, n_train, n_test)
    if not (error > 1e-12 and lowest < mean < highest):
        return math.nan, math.nan
    half = t.ppf((1 + CONFIDENCE) / 2, df=len(values) - 1) * error
    if math.isinf(highest):
        return mean - half, mean + half
    if math.isinf(lowest):
        factor = math.exp(half / (highest - mean))
        return highest - (highest - mean) * factor, highest - (highest - mean) / factor
    share = (mean - lowest) / (highest - lowest)
    half /= (highest - lowest) * share * (1 - share)
    low, high = expit(logit(share) + np.array([-half, half])) * (highest - lowest) + lowest
    return float(low), float(high)


def proportion_interval(proportion: float, n: float) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of a proportion [2]_.

    Parameters
    ----------
    proportion : float
    n : float
        Number of rows. For cross-validation, first divide it by the design effect.

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
        Number of training and of scored rows in a fold.

    Returns
    -------
    float
        1 if all differences are zero. NaN if all are equal but not zero, so that the variance is
        unknown.
    """
    if np.allclose(differences, 0, atol=1e-12):  # smaller ones are rounding errors
        return 1.0
    error = standard_error(differences, n_train, n_test)
    if error < 1e-12:
        return math.nan
    return float(2 * t.sf(abs(differences.mean()) / error, df=len(differences) - 1))


def mcnemar_test(only_one: float, only_other: float) -> float:
    """Compute the two-sided p-value of McNemar's exact test [3]_.

    If two classifiers are equally good, each is correct in about half of the rows in which exactly
    one of them is.

    Parameters
    ----------
    only_one, only_other : float
        Number of rows in which only the one, or only the other classifier is correct. Fractions are
        allowed: the incomplete beta function interpolates the binomial distribution.

    Returns
    -------
    float
        1 if there is no such row.
    """
    fewer, total = min(only_one, only_other), only_one + only_other
    return min(1.0, 2 * float(betainc(total - fewer, fewer + 1, 0.5))) if total else 1.0


def mcnemar_tests(
    counts: Mapping[_Pair, tuple[float, float]],
    differences: Mapping[_Pair, FloatArray],
    n_rows: float,
    n_test: float,
) -> dict[_Pair, float]:
    """Compute McNemar's test for pairs of classifiers from their out-of-fold predictions.

    McNemar's test alone ignores that training depends on chance. So the counts of a pair are
    divided by a design effect [4]_: how many times as much its differences vary between folds as
    those of independent rows, but at least `MIN_DESIGN_EFFECT`. The effect of a single pair is
    known too roughly. So there are two tests, and the larger p-value counts: one with the mean
    effect over all pairs, and one with the mean effect over the pairs of one of the two
    classifiers, for a classifier whose training depends more on chance than that of the others.

    Parameters
    ----------
    counts : dict of pair to (float, float)
        Number of rows in which only the one, or only the other is correct, as in `mcnemar_test`.
    differences : dict of pair to ndarray of shape (k,)
        Differences of their accuracies in the folds.
    n_rows : float
        Number of scored rows.
    n_test : float
        Number of scored rows in a fold.

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
    names = {name for pair in counts for name in pair}
    effects = {}
    for name in names:
        with_name = np.array([name in pair for pair in counts])
        effects[name] = _pool(found[with_name], expected[with_name])
    pooled, n_others = _pool(found, expected), len(names) - 1
    df = len(next(iter(differences.values()))) - 1
    p_values = {}
    for pair, count in counts.items():
        largest = max(effects[name] for name in pair)
        p_values[pair] = max(
            _mcnemar_test_in_clusters(count, pooled, df * n_others),
            # All pairs of a classifier share its own chance, but not that of the others.
            _mcnemar_test_in_clusters(count, largest, df * min(2, n_others)),
        )
    return p_values


def _mcnemar_test_in_clusters(count: tuple[float, float], effect: float, df: int) -> float:
    """Compute McNemar's test with a design effect that was estimated with `df` degrees of freedom.

    What exceeds `MIN_DESIGN_EFFECT` was estimated from the folds. So the statistic has Student's
    t-distribution, with Satterthwaite's degrees of freedom [6]_.
    """
    used = max(effect, MIN_DESIGN_EFFECT)
    p_value = mcnemar_test(count[0] / used, count[1] / used)
    if used == MIN_DESIGN_EFFECT:
        return p_value
    share = 1 - MIN_DESIGN_EFFECT / used  # of the variance
    return float(2 * t.sf(norm.isf(p_value / 2), df / share**2))


def adjust_p_values(p_values: Mapping[_Key, float]) -> dict[_Key, float]:
    """Adjust p-values for the number of tests by Holm's method [5]_.

    The family-wise error rate at level .05 is at most .05, for any dependence between the tests.
    NaN does not count as a test.
    """
    adjusted, largest = dict(p_values), 0.0
    tests = [key for key, p in p_values.items() if not math.isnan(p)]
    for rank, key in enumerate(sorted(tests, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[key] * (len(tests) - rank)))
        adjusted[key] = largest
    return adjusted
