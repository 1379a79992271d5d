"""How often the tests of `compare` reject, with and without a true difference.

`python benchmarks/calibration.py`: eleven classifiers are compared again and again, on new rows and
new folds of Fashion-MNIST (images of 7 x 7 pixels, to save time). They are equally good: where a
learner is better than the worst, so many of its predictions are replaced by other classes that the
expected accuracies are equal. Then the first of them is made worse by .02 or .05.
"""

import argparse
import warnings
from itertools import combinations
from typing import NamedTuple

import numpy as np
from contest import heading, print_table
from joblib import Parallel, delayed
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from skfashion.comparison import _statistics
from skfashion.datasets import fetch_fashion_mnist

LEVEL, N_CLASSES = _statistics.SIGNIFICANCE_LEVEL, 10


def forests(seed):
    """One learner with eleven seeds."""
    return [RandomForestClassifier(10, random_state=11 * seed + i) for i in range(11)]


def different(seed):
    """Eleven different learners."""
    return [
        KNeighborsClassifier(1),
        KNeighborsClassifier(5),
        KNeighborsClassifier(15, p=1),
        NearestCentroid(),
        GaussianNB(var_smoothing=1e-2),
        BernoulliNB(binarize=0.3),
        LogisticRegression(C=0.1, tol=1e-2),
        DecisionTreeClassifier(random_state=seed),
        DecisionTreeClassifier(max_depth=6, random_state=seed),
        RandomForestClassifier(10, random_state=seed),
        ExtraTreesClassifier(10, random_state=seed),
    ]


def unstable(seed):
    """Small networks that were trained too fast: their accuracy depends on the seed."""
    how = {"hidden_layer_sizes": (16,), "max_iter": 4, "learning_rate_init": 0.03}
    return [MLPClassifier(**how, random_state=11 * seed + i) for i in range(11)]


def mixed(seed):
    """Ten different learners, and one whose accuracy depends on the seed."""
    return [*different(seed)[:-1], unstable(seed)[0]]


class Design(NamedTuple):
    """A way to compare, and how often to try it."""

    learners: object
    n_rows: int
    n_folds: int
    n_repeats: int = 1
    n_comparisons: int = 200

    def __str__(self):
        repeats = f" x {self.n_repeats}" if self.n_repeats > 1 else ""
        return f"{self.learners.__name__}, {self.n_rows} rows, {self.n_folds}{repeats} folds"


DESIGNS = [
    Design(forests, 300, 3),
    Design(forests, 300, 5),
    Design(forests, 300, 10),
    Design(forests, 300, 5, 2),
    Design(different, 60, 2),
    Design(different, 300, 3),
    Design(different, 300, 5),
    Design(different, 300, 10),
    Design(different, 300, 5, 2),
    Design(unstable, 1000, 3, n_comparisons=100),
    Design(mixed, 1000, 3, n_comparisons=100),
    Design(different, 6000, 3, n_comparisons=100),
]


class Predictions(NamedTuple):
    """Out-of-fold predictions of all learners in one comparison."""

    labels: np.ndarray  # of shape (learners, repeats, rows)
    folds: np.ndarray  # the fold of each row, of shape (repeats, rows)
    y: np.ndarray


def predict(design, X, y, seed):
    """Fit all learners in all folds. Every fit has a seed of its own."""
    rows = np.random.default_rng(seed).choice(len(X), design.n_rows, replace=False)
    X, y = X[rows], y[rows]
    labels = np.empty((11, design.n_repeats, len(y)), np.int8)
    folds = np.empty((design.n_repeats, len(y)), int)
    cv = RepeatedStratifiedKFold(
        n_splits=design.n_folds, n_repeats=design.n_repeats, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # too few epochs, on purpose
        for number, (train, test) in enumerate(cv.split(X, y)):
            repeat, fold = divmod(number, design.n_folds)
            folds[repeat, test] = fold
            for learner, estimator in enumerate(design.learners(1000 * seed + number)):
                fitted = estimator.fit(X[train], y[train])
                labels[learner, repeat, test] = fitted.predict(X[test])
    return Predictions(labels, folds, y)


def spoil(labels, share, rng):
    """Replace a share of the predictions by other classes."""
    changes = rng.integers(1, N_CLASSES, labels.shape) * (rng.random(labels.shape) < share)
    return (labels + changes) % N_CLASSES


def rates(design, found, drop):
    """Shares of the comparisons in which the tests reject, if one learner is worse by `drop`."""
    accuracies = np.mean([(labels == y).mean(axis=(1, 2)) for labels, _, y in found], axis=0)
    goals = np.full(11, accuracies.min())
    goals[0] -= drop
    shares = (accuracies - goals) / (accuracies - (1 - accuracies) / (N_CLASSES - 1))
    n_train, n_test = design.n_rows * (1 - 1 / design.n_folds), design.n_rows / design.n_folds
    outcomes = []
    for seed, (labels, folds, y) in enumerate(found):
        rng = np.random.default_rng(seed)
        right = np.array(
            [spoil(part, share, rng) == y for part, share in zip(labels, shares, strict=True)]
        )
        values = np.array(
            [
                [
                    (part * (folds == fold)).sum(axis=1) / (folds == fold).sum(axis=1)
                    for part in right
                ]
                for fold in range(design.n_folds)
            ]
        )
        values = values.transpose(1, 2, 0).reshape(11, -1)  # learners, folds of all repeats
        pairs = [*combinations(range(11), 2)]
        t_test = {
            pair: _statistics.corrected_t_test(values[pair[0]] - values[pair[1]], n_train, n_test)
            for pair in pairs
        }
        counts = {
            (one, other): (
                (right[one] & ~right[other]).mean(axis=0).sum(),
                (right[other] & ~right[one]).mean(axis=0).sum(),
            )
            for one, other in pairs
        }
        mcnemar = {pair: _statistics.mcnemar_test(*count) for pair, count in counts.items()}
        ours = _statistics.mcnemar_tests(
            counts,
            {(one, other): values[one] - values[other] for one, other in pairs},
            design.n_rows,
            n_test,
        )
        best = values.mean(axis=1).argmax()
        with_best = [pair for pair in pairs if best in pair]
        first = next((pair for pair in with_best if 0 in pair), None)
        low, high = _statistics.proportion_interval(
            values[1].mean(),
            design.n_rows / _statistics.score_design_effect(values, n_test),
        )
        row = [low <= goals[1] <= high]
        for tests in (t_test, mcnemar, ours):
            adjusted = _statistics.adjust_p_values(tests)
            row += [
                tests[0, 1] < LEVEL,
                any(tests[pair] < LEVEL for pair in with_best),
                any(adjusted[pair] < LEVEL for pair in with_best),
                first is not None and adjusted[first] < LEVEL,
            ]
        outcomes.append(row)
    return np.mean(outcomes, axis=0)


def study(design, drops=(0.0, 0.02, 0.05)):
    """Compare again and again; return the rates for each drop."""
    X, y = fetch_fashion_mnist(subset="all", return_X_y=True)
    X = X.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(len(X), -1) / 255
    jobs = (delayed(predict)(design, X, y, seed) for seed in range(design.n_comparisons))
    found = Parallel(n_jobs=-1)(jobs)
    return {drop: rates(design, found, drop) for drop in drops}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, help="how often to compare; default: 100 or 200")
    arguments = parser.parse_args()
    print(f"Eleven classifiers, level {LEVEL}")
    print(heading())
    levels, powers = [], []
    for design in DESIGNS:
        if arguments.comparisons:
            design = design._replace(n_comparisons=arguments.comparisons)
        found = study(design)
        cover, *shares = (f"{share:.1%}" for share in found[0.0])
        levels.append(
            (
                str(design),
                str(design.n_comparisons),
                *shares[0::4],
                *shares[1::4],
                *shares[2::4],
                cover,
            )
        )
        shares = [[f"{share:.1%}" for share in found[drop][4::4]] for drop in (0.02, 0.05)]
        powers.append((str(design), *shares[0], *shares[1]))
    tests = ("t", "McNemar", "ours")
    print("\nNo difference: a given pair, any pair with the best, and the same after Holm")
    columns = [f"{kind} {test}" for kind in ("pair", "any", "adjusted") for test in tests]
    print_table(("design", "comparisons", *columns, "interval holds"), levels)
    print("\nOne is worse by .02 or .05: how often its adjusted p is below .05")
    columns = [f"{drop} {test}" for drop in (".02", ".05") for test in tests]
    print_table(("design", *columns), powers)


if __name__ == "__main__":
    main()
