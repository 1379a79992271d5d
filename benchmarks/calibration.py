"""How often the tests of `compare` reject, with and without a true difference.

`python benchmarks/calibration.py`: 200 comparisons each, of new rows, new folds and new seeds. A
random forest stands beside the same with another seed; then beside one of which so many of the
predictions are spoilt that its accuracy is .02 below.
"""

from typing import NamedTuple

import numpy as np
from contest import heading, print_table
from scipy.stats import ttest_rel
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold

from skfashion import compare
from skfashion.datasets import load_fashion_mini

N_COMPARISONS, N_ROWS, N_FOLDS, LEVEL = 200, 1000, 5, 0.05


class Rates(NamedTuple):
    """Shares of the comparisons in which a test rejects, and the mean difference in them."""

    difference: float
    corrected: float
    uncorrected: float


class Spoilt(ClassifierMixin, BaseEstimator):
    """A forest some of whose predictions are replaced by another class."""

    def __init__(self, share=0.0, random_state=None):
        self.share = share
        self.random_state = random_state

    def fit(self, X, y):
        """Fit the forest."""
        self.forest_ = RandomForestClassifier(10, random_state=self.random_state).fit(X, y)
        self.classes_ = self.forest_.classes_
        return self

    def predict(self, X):
        """What the forest predicts, but for the spoilt share."""
        rng = np.random.default_rng(self.random_state)
        codes = np.searchsorted(self.classes_, self.forest_.predict(X))
        spoilt = rng.random(len(codes)) < self.share
        codes[spoilt] += rng.integers(1, len(self.classes_), np.count_nonzero(spoilt))
        return self.classes_[codes % len(self.classes_)]


def rejections(difference, n_comparisons=N_COMPARISONS):
    """Compare two classifiers whose true accuracies differ so much, again and again."""
    X, y = load_fashion_mini(return_X_y=True)
    X = X.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(X), -1)  # a quarter of the time
    share = difference / 0.77  # the forest's accuracy: a spoilt prediction costs if it was right
    found = []
    for seed in range(n_comparisons):
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(X), N_ROWS, replace=False)
        estimators = {
            "whole": Spoilt(random_state=2 * seed),
            "spoilt": Spoilt(share, random_state=2 * seed + 1),
        }
        cv = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
        comparison = compare(estimators, X[rows], y[rows], cv=cv)
        scores = comparison.scores.pivot(index="fold", columns="estimator", values="score")
        found.append(
            (
                (scores["whole"] - scores["spoilt"]).mean(),
                comparison.table["accuracy_p_value"].dropna().item() < LEVEL,
                ttest_rel(scores["whole"], scores["spoilt"]).pvalue < LEVEL,
            )
        )
    return Rates(*np.mean(found, axis=0))


def main():
    print(f"{N_COMPARISONS} comparisons of {N_ROWS} rows in {N_FOLDS} folds, level {LEVEL}")
    print(heading())
    found = {difference: rejections(difference) for difference in (0.0, 0.02)}
    print_table(
        ("true difference", "mean difference", "corrected rejects", "uncorrected rejects"),
        [
            (f"{true:.3f}", f"{rates[0]:.4f}", *(f"{rate:.1%}" for rate in rates[1:]))
            for true, rates in found.items()
        ],
    )


if __name__ == "__main__":
    main()
