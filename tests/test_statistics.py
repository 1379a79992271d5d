"""Intervals and tests of a comparison: by hand, as published, and under a true null."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ttest_rel
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.svm import SVC

from skfashion import compare
from skfashion.comparison import _statistics as statistics


class TestCorrectedTest:
    def test_agrees_with_an_example_worked_by_hand(self):
        """Five folds of 80 and 20 rows.

        Mean .02, sd sqrt(.001 / 4) = .015811, standard error .015811 sqrt(1/5 + 1/4) = .010607,
        t = 1.885618. Student's distribution with 4 degrees of freedom has F(t) = 1/2 +
        3/8 u (1 - u^2 / 12) with u = t / sqrt(1 + t^2 / 4) = 1.371989, so F = .933791.
        """
        differences = np.array([0.02, 0.01, 0.03, 0.00, 0.04])
        assert_allclose(statistics.standard_error(differences, 80, 20), 0.0106066, rtol=1e-5)
        assert_allclose(statistics.corrected_t_test(differences, 80, 20), 0.132419, rtol=1e-5)
        assert_allclose(statistics.corrected_t_test(-differences, 80, 20), 0.132419, rtol=1e-5)

    def test_finds_what_scikit_learn_publishes(self):
        """Its example "Statistical comparison of models using grid search".

        One-sided it prints .227 corrected and .005 uncorrected, for t = .750 and 2.611.
        """
        X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
        cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
        estimators = {kernel: SVC(kernel=kernel, random_state=0) for kernel in ("linear", "rbf")}
        found = compare(estimators, X, y, cv=cv, scoring="roc_auc")
        assert found.table.index.tolist() == ["rbf", "linear"]
        assert round(found.table.loc["linear", "roc_auc_p_value"] / 2, 3) == 0.227
        scores = found.scores.pivot(index="fold", columns="estimator", values="score")
        assert round(ttest_rel(scores["rbf"], scores["linear"]).statistic, 3) == 2.611

    def test_no_difference_in_any_fold_is_no_evidence(self):
        assert statistics.corrected_t_test(np.zeros(5), 80, 20) == 1
        rounded = np.array([0.1 + 0.2 - 0.3] * 3)
        assert statistics.corrected_t_test(rounded, 80, 20) == 1

    def test_the_same_difference_in_all_folds_is_all_evidence(self):
        assert statistics.corrected_t_test(np.full(5, 0.25), 80, 20) == 0


def test_the_interval_of_a_mean_holds_what_the_test_does_not_reject():
    values = np.array([0.82, 0.81, 0.83, 0.80, 0.84])
    low, high = statistics.mean_interval(values, 80, 20)
    assert low < 0.82 < high
    for edge in (low, high):
        assert_allclose(statistics.corrected_t_test(values - edge, 80, 20), 0.05)


@pytest.mark.parametrize(
    ("n_correct", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_of_proportions_are_those_that_newcombe_published(n_correct, n, low, high):
    """Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3 (Wilson's)."""
    assert_allclose(statistics.proportion_interval(n_correct, n), (low, high), atol=5e-5)


class TestMcNemar:
    def test_finds_what_fagerland_published(self):
        """Fagerland, Lydersen, Laake 2013, BMC Medical Research Methodology 13:91.

        Of 21 children one changes in one direction and seven in the other: exact p = .070.
        """
        one = np.array([True] * 1 + [False] * 7 + [True] * 13)
        other = np.array([False] * 1 + [True] * 7 + [True] * 13)
        assert round(statistics.mcnemar_test(one, other), 3) == 0.070
        assert statistics.mcnemar_test(one, other) == statistics.mcnemar_test(other, one)

    def test_equal_predictions_are_no_evidence(self):
        assert statistics.mcnemar_test(np.array([True, False]), np.array([True, False])) == 1


@pytest.mark.slow
def test_under_a_true_null_the_corrected_test_rejects_about_as_often_as_it_says(monkeypatch):
    from pathlib import Path

    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    from calibration import rejections

    rates = rejections(difference=0.0)
    assert rates.corrected <= 0.08
    assert rates.uncorrected > 2 * rates.corrected
