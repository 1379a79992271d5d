"""Intervals and tests of a comparison: by hand, as published, and under a true null."""

import numpy as np
import pytest
from helpers import ROOT
from numpy.testing import assert_allclose
from scipy.stats import binomtest, ttest_rel
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.svm import SVC

from skfashion import compare
from skfashion.comparison import _statistics as statistics
from skfashion.datasets import DatasetError, fetch_fashion_mnist


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
        assert found.table.loc["linear", "roc_auc_p_adjusted"] == pytest.approx(0.454, abs=1e-3)
        scores = found.scores.pivot(index="fold", columns="estimator", values="score")
        assert round(ttest_rel(scores["rbf"], scores["linear"]).statistic, 3) == 2.611

    def test_no_difference_in_any_fold_is_no_evidence(self):
        assert statistics.corrected_t_test(np.zeros(5), 80, 20) == 1
        rounded = np.array([0.1 + 0.2 - 0.3] * 3)
        assert statistics.corrected_t_test(rounded, 80, 20) == 1

    def test_the_same_difference_in_all_folds_gives_no_p_value(self):
        assert np.isnan(statistics.corrected_t_test(np.full(5, 0.25), 80, 20))


class TestIntervals:
    def test_of_a_mean_holds_what_the_test_does_not_reject(self):
        values = np.array([0.82, 0.81, 0.83, 0.80, 0.84])
        low, high = statistics.mean_interval(values, 80, 20)
        assert low < 0.82 < high
        for edge in (low, high):
            assert_allclose(statistics.corrected_t_test(values - edge, 80, 20), 0.05)

    @pytest.mark.parametrize("limits", [(0, 1), (-1, 1), (-np.inf, 1), (-np.inf, np.inf)])
    def test_lies_between_the_lowest_and_the_highest_score(self, limits):
        values = np.array([0.52, 0.92])
        low, high = statistics.mean_interval(values, 50, 50, limits=limits)
        assert limits[0] < low < 0.72 < high < limits[1]
        wide = statistics.mean_interval(values, 50, 50)
        assert wide[0] < -1 < 1 < wide[1]

    @pytest.mark.parametrize("limits", [(0, 1), (-np.inf, 0.5), (-np.inf, np.inf)])
    def test_of_equal_scores_is_unknown(self, limits):
        assert np.isnan(statistics.mean_interval(np.full(3, 0.1), 80, 20, limits=limits)).all()


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
    assert_allclose(statistics.proportion_interval(n_correct / n, n), (low, high), atol=5e-5)


UP = np.array([1, -1, 1, -1, 0])


class TestMcNemar:
    def test_finds_what_fagerland_published(self):
        """Fagerland, Lydersen, Laake 2013, BMC Medical Research Methodology 13:91.

        Of 21 children one changes in one direction and seven in the other: exact p = .070.
        """
        assert round(statistics.mcnemar_test(1, 7), 3) == 0.070
        assert statistics.mcnemar_test(1, 7) == statistics.mcnemar_test(7, 1)

    def test_agrees_with_the_binomial_test_and_is_smooth_between_whole_numbers(self):
        assert statistics.mcnemar_test(0, 0) == 1  # equal predictions are no evidence
        for one, other in [(0, 5), (3, 3), (4, 11), (40, 90)]:
            assert_allclose(statistics.mcnemar_test(one, other), binomtest(one, one + other).pvalue)
        between = [statistics.mcnemar_test(part, 11 - part) for part in (2, 2.5, 3)]
        assert between == sorted(between)


COUNTS = {("a", "b"): (70, 30), ("a", "c"): (70, 30), ("b", "c"): (30, 30)}


class TestMcNemarOfManyPairs:
    def compute(self, **spreads):
        """Each classifier's accuracy varies by its spread: up in some folds, down in others."""
        differences = {
            pair: (spreads.get(pair[0], 0) - spreads.get(pair[1], 0)) * UP for pair in COUNTS
        }
        return statistics.mcnemar_tests(COUNTS, differences, n_rows=3000, n_test=600)

    def test_is_mcnemars_of_fewer_rows_where_folds_differ_no_more_than_rows_do(self):
        """Folds cannot show how much a score depends on the training rows that they share."""
        found, least = self.compute(a=0.001), statistics.MIN_DESIGN_EFFECT
        expected = {
            pair: statistics.mcnemar_test(one / least, other / least)
            for pair, (one, other) in COUNTS.items()
        }
        assert found == expected
        assert statistics.mcnemar_test(*COUNTS["a", "b"]) < found["a", "b"]

    def test_is_weaker_for_classifiers_whose_training_depends_on_chance(self):
        steady, found = self.compute(), self.compute(b=0.014)
        assert steady["a", "b"] < 0.01
        assert found["a", "b"] > found["a", "c"] > steady["a", "c"]
        assert found["a", "b"] > 0.1


class TestAdjustment:
    def test_agrees_with_an_example_worked_by_hand(self):
        """Holm: .01 x 4, .013 x 3 is below that, .03 x 2, .04 is below that."""
        found = statistics.adjust_p_values({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.013})
        assert found == pytest.approx({"a": 0.06, "b": 0.04, "c": 0.06, "d": 0.04})

    def test_does_not_count_what_could_not_be_tested(self):
        found = statistics.adjust_p_values({"a": np.nan, "b": 0.03, "c": 0.9})
        assert np.isnan(found["a"])
        assert (found["b"], found["c"]) == (0.06, 0.9)


class Fixed(ClassifierMixin, BaseEstimator):
    """Predicts 0, but 1 for the rows whose only feature is in `ones`."""

    def __init__(self, ones=()):
        self.ones = ones

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.isin(X[:, 0], self.ones).astype(int)


def test_one_error_in_each_fold_against_none_is_not_much_evidence():
    """60 rows, 5 folds, one error a fold: McNemar's exact test on five rows has p = .0625.

    Ours divides the five rows by the least design effect.
    """
    X, y = np.arange(60)[:, np.newaxis], np.array([0, 1]).repeat(30)
    estimators = {"right": Fixed(range(30, 60)), "wrong": Fixed(range(35, 60))}
    cv = [(np.delete(np.arange(60), rows), rows) for rows in np.arange(60).reshape(12, 5).T]
    row = compare(estimators, X, y, cv=cv).table.loc["wrong"]
    assert row["accuracy_sd"] < 1e-12
    assert_allclose(row["accuracy_difference"], -5 / 60)
    assert_allclose(row["accuracy_p_value"], 2 / 2 ** (5 / statistics.MIN_DESIGN_EFFECT))
    other = compare(estimators, X, y, cv=cv, scoring="balanced_accuracy")
    assert np.isnan(other.table.loc["wrong", "balanced_accuracy_p_value"])
    assert other.readable().loc["wrong"].tolist()[:2] == ["0.917", "-0.083"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learners", "n_rows"), [("different", 300), ("different", 6000), ("unstable", 1000)]
)
def test_equally_good_classifiers_are_rarely_told_apart(monkeypatch, learners, n_rows):
    """No more often than the level of .05 says. The seeds are fixed: it is no matter of luck."""
    try:
        fetch_fashion_mnist(download_if_missing=False)
    except DatasetError:
        pytest.skip("needs a copy of Fashion-MNIST")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import calibration

    design = calibration.Design(getattr(calibration, learners), n_rows, 3, n_comparisons=60)
    rates = calibration.study(design, drops=(0.0,))[0.0]
    holds, *_, any_pair, adjusted, _ = rates
    assert holds >= 0.9
    assert adjusted <= 0.05
    assert any_pair > 0.2  # looking for the best without an adjustment misleads
