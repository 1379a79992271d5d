"""How sure a comparison is: intervals and tests, from scipy where it has them.

References
----------
.. [1] Nadeau, Bengio: Inference for the Generalization Error, Machine Learning 52, 2003, 239-281.
.. [2] Wilson: Probable Inference, the Law of Succession, and Statistical Inference, Journal of the
   American Statistical Association 22, 1927, 209-212.
.. [3] McNemar: Note on the sampling error of the difference between correlated proportions or
   percentages, Psychometrika 12, 1947, 153-157.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, t

from skfashion._utils.types import FloatArray

CONFIDENCE = 0.95


def standard_error(values: FloatArray, n_train: float, n_test: float) -> float:
    """Corrected standard error of the mean over folds.

    Folds share training rows, so their scores are no independent draws, and the usual
    ``sd / sqrt(k)`` is too small. Nadeau and Bengio [1]_ put ``1/k + n_test/n_train`` in place of
    ``1/k`` under the root.

    Parameters
    ----------
    values : ndarray of shape (k,)
        Scores of the folds, or their differences between two estimators.
    n_train, n_test : float
        Rows trained on and scored in a fold.

    Returns
    -------
    float
    """
    return values.std(ddof=1) * math.sqrt(1 / len(values) + n_test / n_train)


def mean_interval(values: FloatArray, n_train: float, n_test: float) -> tuple[float, float]:
    """Interval that holds the expected score with a confidence of 95 %.

    By Student's t with k - 1 degrees of freedom and the corrected standard error.

    Returns
    -------
    low, high : float
    """
    error = standard_error(values, n_train, n_test)
    half = t.ppf((1 + CONFIDENCE) / 2, df=len(values) - 1) * error
    return values.mean() - half, values.mean() + half


def corrected_t_test(differences: FloatArray, n_train: float, n_test: float) -> float:
    """Two-sided p-value of the corrected resampled t-test [1]_.

    Parameters
    ----------
    differences : ndarray of shape (k,)
        Of the scores of two estimators on the same folds.
    n_train, n_test : float
        Rows trained on and scored in a fold.

    Returns
    -------
    float
        The probability of a mean difference at least as large if the two were equally good; 1 where
        all differences are zero, 0 where all are the same and not zero.
    """
    if np.allclose(differences, 0, atol=1e-12):  # what rounding leaves is no difference
        return 1.0
    with np.errstate(divide="ignore"):  # equal differences in all folds leave no doubt
        statistic = differences.mean() / np.float64(standard_error(differences, n_train, n_test))
    return float(2 * t.sf(abs(statistic), df=len(differences) - 1))


def proportion_interval(n_correct: float, n: float) -> tuple[float, float]:
    """Wilson's interval [2]_ of a proportion, with a confidence of 95 %.

    Returns
    -------
    low, high : float
    """
    interval = binomtest(int(n_correct), int(n)).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar_test(correct: NDArray[np.bool_], others_correct: NDArray[np.bool_]) -> float:
    """Two-sided p-value of McNemar's exact test [3]_.

    Of the rows that only one of two classifiers has right, each is right about half if the two
    are equally good.

    Parameters
    ----------
    correct, others_correct : ndarray of bool of shape (n,)
        Which rows each has right.

    Returns
    -------
    float
        1 where there is no such row.
    """
    only_one = int(np.count_nonzero(correct & ~others_correct))
    only_other = int(np.count_nonzero(others_correct & ~correct))
    if not only_one + only_other:
        return 1.0
    return float(binomtest(only_one, only_one + only_other).pvalue)
