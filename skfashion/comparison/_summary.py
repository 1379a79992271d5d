"""Build the tables of a `Comparison` from the results of all tasks."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from sklearn.metrics import get_scorer

from skfashion._utils.types import AnyArray, FloatArray
from skfashion.comparison import _statistics
from skfashion.comparison._comparison import Comparison
from skfashion.comparison._fit_and_score import Costs, Data, Result

_Folds: TypeAlias = Mapping[str, Sequence[Result]]  # the results of each estimator, by name

# Lowest and highest values of scikit-learn's metrics, by the names of their functions.
_LIMITS: dict[str, tuple[float, float]] = {
    "accuracy_score": (0, 1),
    "average_precision_score": (0, 1),
    "balanced_accuracy_score": (0, 1),
    "brier_score_loss": (0, 2),
    "cohen_kappa_score": (-1, 1),
    "f1_score": (0, 1),
    "fbeta_score": (0, 1),
    "jaccard_score": (0, 1),
    "log_loss": (0, math.inf),
    "matthews_corrcoef": (-1, 1),
    "precision_score": (0, 1),
    "recall_score": (0, 1),
    "roc_auc_score": (0, 1),
    "top_k_accuracy_score": (0, 1),
}


def summarize(results: Sequence[Result], data: Data, names: Sequence[str]) -> Comparison:
    """Build the tables.

    Parameters
    ----------
    results : list of Result
        For each estimator one per fold and, if there is a test set, one for it.
    data : Data
    names : list of str
        Names of the estimators, in the user's order.

    Returns
    -------
    Comparison
    """
    folds: dict[str, list[Result]] = {name: [] for name in names}
    tested = {}
    for result in results:
        if result.fold is None:
            tested[result.name] = result
        else:
            folds[result.name].append(result)
    for of_estimator in folds.values():  # with a timeout they are in the order in which they ended
        of_estimator.sort(key=lambda result: result.fold or 0)
    succeeded = {
        name: of_estimator
        for name, of_estimator in folds.items()
        if not any(result.error for result in of_estimator)
    }
    metrics = list(data.scoring)
    scores = _Scores(succeeded, data) if succeeded else None
    table = pd.DataFrame(
        [_summarize(name, folds[name], tested.get(name), scores, metrics) for name in names],
        index=pd.Index(names, name="estimator"),
    ).sort_values(f"{metrics[0]}_mean", ascending=False, kind="stable")
    best = table.index[0]
    if scores is not None:
        for metric in metrics:
            _add_differences(table, metric, best, scores)
        if tested and not tested[best].error:
            _add_test_p_values(table, best, tested, data.y_test)
    predictions = {name: result.predictions for name, result in tested.items() if not result.error}
    return Comparison(
        table,
        scores=_list_scores(folds, metrics),
        histories=_list_histories(folds),
        out_of_fold=_average_probabilities(folds, len(data.y)),
        out_of_fold_predictions=pd.DataFrame(
            {name: _first_predictions(results) for name, results in succeeded.items()}
        ),
        predictions=pd.DataFrame(predictions) if tested else None,
        networks=data.networks,
    )


def _is_accuracy(scorer: Any) -> bool:
    """Return whether a scorer is "accuracy", or has the same function and no arguments."""
    scorer, accuracy = get_scorer(scorer), get_scorer("accuracy")
    return type(scorer) is type(accuracy) and vars(scorer) == vars(accuracy)


def _find_limits(scorer: Any) -> tuple[float, float]:
    """Return the lowest and the highest score that a metric can have; infinite if unknown."""
    scorer = get_scorer(scorer)
    name = getattr(getattr(scorer, "_score_func", None), "__name__", None)
    adjusted = getattr(scorer, "_kwargs", {}).get("adjusted")  # by chance: below 0, too
    if name is None or adjusted or name not in _LIMITS:
        return -math.inf, math.inf
    low, high = _LIMITS[name]
    return (low, high) if scorer._sign > 0 else (-high, -low)


class _Scores:
    """Scores, intervals and tests of the estimators that did not fail in any fold.

    Parameters
    ----------
    folds : dict of str to list of Result
        At least one estimator.
    data : Data
    """

    def __init__(self, folds: _Folds, data: Data) -> None:
        self.names = list(folds)
        self._data = data
        self._folds = folds
        results = folds[self.names[0]]  # all estimators have the same folds
        self._n_train = float(np.mean([result.n_train for result in results]))
        self._n_test = float(np.mean([result.n_test for result in results]))
        self._n_scored = np.zeros(len(data.y))  # how many folds score each row
        for result in results:
            self._n_scored[result.rows] += 1
        self._n_rows = int(np.count_nonzero(self._n_scored))
        self._design_effects = {
            metric: _statistics.score_design_effect(
                np.array([self.of(name, metric) for name in self.names]), self._n_test
            )
            for metric, scorer in data.scoring.items()
            if _is_accuracy(scorer)
        }

    def of(self, name: str, metric: str) -> FloatArray:
        """Return the scores of an estimator in the folds."""
        return np.array([result.scores[metric] for result in self._folds[name]])

    def interval(self, name: str, metric: str) -> tuple[float, float]:
        """Return the 95 % interval of the expected score."""
        values, scorer = self.of(name, metric), self._data.scoring[metric]
        if metric in self._design_effects:
            n_rows = self._n_rows / self._design_effects[metric]
            return _statistics.proportion_interval(float(values.mean()), n_rows)
        limits = _find_limits(scorer)
        return _statistics.mean_interval(values, self._n_train, self._n_test, limits=limits)

    def p_values(self, metric: str) -> dict[frozenset[str], float]:
        """Return the p-value for each pair of estimators."""
        differences = {
            frozenset(pair): self.of(pair[0], metric) - self.of(pair[1], metric)
            for pair in combinations(self.names, 2)
        }
        if metric in self._design_effects:
            counts = {pair: self._count_rows(*pair) for pair in differences}
            return _statistics.mcnemar_tests(counts, differences, self._n_rows, self._n_test)
        return {
            pair: _statistics.corrected_t_test(values, self._n_train, self._n_test)
            for pair, values in differences.items()
        }

    def _count_rows(self, one: str, other: str) -> tuple[float, float]:
        """Count the rows that only the one, or only the other estimator predicts correctly.

        A row that is scored in several folds has a total weight of 1.
        """
        only_one = only_other = 0.0
        for pair in zip(self._folds[one], self._folds[other], strict=True):
            rows = pair[0].rows
            correct, other_correct = (result.predictions == self._data.y[rows] for result in pair)
            weights = 1 / self._n_scored[rows]
            only_one += weights[correct & ~other_correct].sum()
            only_other += weights[other_correct & ~correct].sum()
        return only_one, only_other


def _summarize(
    name: str,
    folds: Sequence[Result],
    test: Result | None,
    scores: _Scores | None,
    metrics: Sequence[str],
) -> dict[str, Any]:
    """Return a row of the table, with NaN if the estimator failed in any fold."""
    error = next((result.error for result in folds if result.error), "")
    row: dict[str, Any] = {}
    for metric in metrics:
        parts = ("mean", "sd", "low", "high", "difference", "p_value", "p_adjusted")
        row |= {f"{metric}_{part}": np.nan for part in parts}
        if scores is not None and not error:
            values = scores.of(name, metric)
            row |= {f"{metric}_mean": values.mean(), f"{metric}_sd": values.std(ddof=1)}
            row[f"{metric}_low"], row[f"{metric}_high"] = scores.interval(name, metric)
    costs = np.mean([result.costs for result in folds], axis=0)
    row |= dict(zip(Costs._fields, costs, strict=True))
    recorded = [warning for result in folds for warning in result.warnings]
    if test is not None:
        row |= _summarize_test(test, metrics)
        recorded += test.warnings
        if not error and test.error:
            error = f"on the test set: {test.error}"
    return row | {"warnings": "; ".join(dict.fromkeys(recorded)), "error": error}


def _summarize_test(test: Result, metrics: Sequence[str]) -> dict[str, float]:
    parts = ("accuracy", "accuracy_low", "accuracy_high", "p_value", "p_adjusted", *metrics)
    row = {f"test_{part}": np.nan for part in parts}
    if not test.error:
        row |= {f"test_{metric}": score for metric, score in test.scores.items()}
        row["test_accuracy_low"], row["test_accuracy_high"] = _statistics.proportion_interval(
            test.scores["accuracy"], test.n_test
        )
    return row


def _add_differences(table: pd.DataFrame, metric: str, best: str, scores: _Scores) -> None:
    """Add the differences from the best estimator, and their p-values.

    All pairs of estimators count as tests, because the best was selected by its scores.
    """
    p_values = scores.p_values(metric)
    adjusted = _statistics.adjust_p_values(p_values)
    for name in scores.names:
        difference = (scores.of(name, metric) - scores.of(best, metric)).mean()
        table.loc[name, f"{metric}_difference"] = difference
        if name != best:
            pair = frozenset((name, best))
            table.loc[name, f"{metric}_p_value"] = p_values[pair]
            table.loc[name, f"{metric}_p_adjusted"] = adjusted[pair]


def _add_test_p_values(
    table: pd.DataFrame, best: str, tested: Mapping[str, Result], y_test: AnyArray
) -> None:
    """Add the p-values on the test set.

    Only the pairs with the best estimator count as tests, because it was selected in the folds.
    """
    best_correct = np.asarray(tested[best].predictions) == y_test
    p_values = {}
    for name, result in tested.items():
        if name != best and not result.error:
            correct = np.asarray(result.predictions) == y_test
            p_values[name] = _statistics.mcnemar_test(
                int(np.sum(correct & ~best_correct)), int(np.sum(best_correct & ~correct))
            )
    adjusted = _statistics.adjust_p_values(p_values)
    for name in p_values:
        table.loc[name, ["test_p_value", "test_p_adjusted"]] = p_values[name], adjusted[name]


def _list_scores(folds: _Folds, metrics: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "estimator": name,
                "fold": result.fold,
                "metric": metric,
                "score": result.scores.get(metric, np.nan),
                "fit_seconds": result.costs.fit_seconds,
                "predict_ms_per_1000": result.costs.predict_ms_per_1000,
                "n_train": result.n_train,
                "n_test": result.n_test,
                "error": result.error,
            }
            for name, results in folds.items()
            for result in results
            for metric in metrics
        ]
    )


def _list_histories(folds: _Folds) -> pd.DataFrame:
    names = ["estimator", "fold", "epoch"]
    frames = {
        (name, result.fold): pd.DataFrame(
            result.history, index=range(1, len(result.history["loss"]) + 1)
        )
        for name, results in folds.items()
        for result in results
        if result.history is not None
    }
    if not frames:
        return pd.DataFrame(columns=names)
    histories = pd.concat(frames, names=names)
    return histories.drop(columns=names, errors="ignore").reset_index()


def _first_predictions(results: Sequence[Result]) -> pd.Series:
    """Return the label predicted for each row by the first fold that scores it."""
    labels = pd.concat([pd.Series(result.predictions, index=result.rows) for result in results])
    return labels[~labels.index.duplicated()].sort_index()


def _average_probabilities(folds: _Folds, n_rows: int) -> dict[str, FloatArray]:
    averages: dict[str, FloatArray] = {}
    for name, results in folds.items():
        frames = [
            pd.DataFrame(result.probabilities, index=result.rows)
            for result in results
            if result.probabilities is not None
        ]
        if len(frames) == len(results):
            means = pd.concat(frames).groupby(level=0).mean()
            averages[name] = means.reindex(range(n_rows)).to_numpy()
    return averages
