"""Builds the tables of a Comparison from runs."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from skfashion._utils.types import AnyArray, FloatArray
from skfashion.comparison import _statistics
from skfashion.comparison._comparison import Comparison
from skfashion.comparison._runs import Data, Run

_Folds: TypeAlias = Mapping[str, Sequence[Run]]  # the runs of each estimator

# Scores in [0, 1], by the beginning of their names in scikit-learn.
_BOUNDED = (
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "f1",
    "jaccard",
    "precision",
    "recall",
    "roc_auc",
    "top_k_accuracy",
)


def from_runs(runs: Sequence[Run], data: Data, names: Sequence[str]) -> Comparison:
    """Make the tables.

    Parameters
    ----------
    runs : list of Run
        For each estimator its folds and, if there is a test set, one on it.
    data : Data
    names : list of str
        Names of the estimators, in the user's order.

    Returns
    -------
    Comparison
    """
    metrics = list(data.scoring)
    folds = {
        name: sorted(
            (run for run in runs if run.name == name and run.fold is not None),
            key=attrgetter("fold"),
        )
        for name in names
    }
    tested = {run.name: run for run in runs if run.fold is None}
    scores = _Scores(folds, data)
    table = pd.DataFrame(
        {name: _summarize(name, folds[name], tested.get(name), scores) for name in names}
    ).T
    table.index.name = "estimator"
    texts = ["warnings", "error"]
    table = table.astype({column: float for column in table.columns if column not in texts})
    table = table.sort_values(f"{metrics[0]}_mean", ascending=False, kind="stable")
    best = table.index[0]
    if scores.names:
        for metric in metrics:
            _add_differences(table, metric, best, scores)
        if tested and not tested[best].error:
            _add_test_p_values(table, best, tested, data.y_test)
    return Comparison(
        table,
        scores=_list_scores(folds, metrics),
        histories=_list_histories(folds),
        out_of_fold=_average_probabilities(folds, data.y),
        out_of_fold_predictions=_collect_predictions(folds, data.y),
        predictions=pd.DataFrame(
            {name: run.predictions for name, run in tested.items() if not run.error}
        )
        if tested
        else None,
        networks=data.networks,
    )


class _Scores:
    """Scores of the estimators that did not fail in any fold, and their tests.

    Parameters
    ----------
    folds : dict of str to list of Run
    data : Data
    """

    def __init__(self, folds: _Folds, data: Data) -> None:
        self._data = data
        self.metrics = list(data.scoring)
        self._folds = {
            name: runs for name, runs in folds.items() if not any(run.error for run in runs)
        }
        self.names = list(self._folds)
        if not self.names:
            return
        runs = self._folds[self.names[0]]  # the folds are the same for all
        self.n_train = float(np.mean([run.n_train for run in runs]))
        self.n_test = float(np.mean([run.n_test for run in runs]))
        self._n_scored = np.zeros(len(data.y))
        for run in runs:
            self._n_scored[run.rows] += 1
        self._n_rows = int(np.count_nonzero(self._n_scored))
        self._design_effects = {
            metric: _statistics.score_design_effect(
                np.array([self.of(name, metric) for name in self.names]), self.n_test
            )
            for metric, scorer in data.scoring.items()
            if scorer == "accuracy"
        }

    def of(self, name: str, metric: str) -> FloatArray:
        """Return the scores of the folds."""
        return np.array([run.scores[metric] for run in self._folds[name]])

    def interval(self, name: str, metric: str) -> tuple[float, float]:
        """Return the 95 % interval of the expected score."""
        values, scorer = self.of(name, metric), self._data.scoring[metric]
        if metric in self._design_effects:
            n_rows = self._n_rows / self._design_effects[metric]
            return _statistics.proportion_interval(float(values.mean()), n_rows)
        bounded = isinstance(scorer, str) and scorer.startswith(_BOUNDED)
        return _statistics.mean_interval(values, self.n_train, self.n_test, bounded=bounded)

    def p_values(self, metric: str) -> dict[frozenset[str], float]:
        """Return the p-value of each pair of estimators."""
        differences = {
            frozenset(pair): self.of(pair[0], metric) - self.of(pair[1], metric)
            for pair in combinations(self.names, 2)
        }
        if metric in self._design_effects:
            counts = {pair: self._count_rows(*pair) for pair in differences}
            return _statistics.mcnemar_tests(counts, differences, self._n_rows, self.n_test)
        return {
            pair: _statistics.corrected_t_test(values, self.n_train, self.n_test)
            for pair, values in differences.items()
        }

    def _count_rows(self, one: str, other: str) -> tuple[float, float]:
        """Count the rows that only the one, or only the other has right, each row once."""
        only_one = only_other = 0.0
        for run, other_run in zip(self._folds[one], self._folds[other], strict=True):
            right, other_right = (
                part.predictions == self._data.y[part.rows] for part in (run, other_run)
            )
            weights = 1 / self._n_scored[run.rows]
            only_one += weights[right & ~other_right].sum()
            only_other += weights[other_right & ~right].sum()
        return only_one, only_other


def _summarize(
    name: str, folds: Sequence[Run], test: Run | None, scores: _Scores
) -> dict[str, Any]:
    """Return a row of the table; its figures are NaN if the estimator failed in any fold."""
    error = next((run.error for run in folds if run.error), "")
    row: dict[str, Any] = {}
    for metric in scores.metrics:
        row |= dict.fromkeys(
            [f"{metric}_{part}" for part in ("mean", "sd", "low", "high", "difference")]
            + [f"{metric}_p_value", f"{metric}_p_adjusted"],
            np.nan,
        )
        if not error:
            values = scores.of(name, metric)
            row |= {f"{metric}_mean": values.mean(), f"{metric}_sd": values.std(ddof=1)}
            row[f"{metric}_low"], row[f"{metric}_high"] = scores.interval(name, metric)
    for cost in ("fit_seconds", "predict_ms_per_1000", "size_mb"):
        row[cost] = np.mean([getattr(run, cost) for run in folds])
    recorded = [warning for run in folds for warning in run.warnings]
    if test is not None:
        row |= _summarize_test(test, scores.metrics)
        recorded += test.warnings
        if not error and test.error:
            error = f"on the test set: {test.error}"
    return row | {"warnings": "; ".join(dict.fromkeys(recorded)), "error": error}


def _summarize_test(test: Run, metrics: Sequence[str]) -> dict[str, float]:
    row = dict.fromkeys(["test_accuracy", "test_accuracy_low", "test_accuracy_high"], np.nan)
    row |= dict.fromkeys(["test_p_value", "test_p_adjusted"], np.nan)
    row |= {f"test_{metric}": np.nan for metric in metrics}
    if not test.error:
        row |= {f"test_{metric}": score for metric, score in test.scores.items()}
        row["test_accuracy_low"], row["test_accuracy_high"] = _statistics.proportion_interval(
            test.scores["accuracy"], test.n_test
        )
    return row


def _add_differences(table: pd.DataFrame, metric: str, best: str, scores: _Scores) -> None:
    """Add the differences from the best row, with their p-values.

    The best was chosen by its scores, so that all pairs of estimators count as tests.
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
    table: pd.DataFrame, best: str, tested: Mapping[str, Run], y_test: AnyArray
) -> None:
    """Add the p-values on the test set.

    The best was chosen in the folds, so that only the pairs with it count as tests.
    """
    best_right = np.asarray(tested[best].predictions) == y_test
    p_values = {}
    for name, run in tested.items():
        if name != best and not run.error:
            right = np.asarray(run.predictions) == y_test
            p_values[name] = _statistics.mcnemar_test(
                int(np.sum(right & ~best_right)), int(np.sum(best_right & ~right))
            )
    adjusted = _statistics.adjust_p_values(p_values)
    for name in p_values:
        table.loc[name, ["test_p_value", "test_p_adjusted"]] = p_values[name], adjusted[name]


def _list_scores(folds: _Folds, metrics: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "estimator": name,
                "fold": run.fold,
                "metric": metric,
                "score": run.scores.get(metric, np.nan),
                "fit_seconds": run.fit_seconds,
                "predict_ms_per_1000": run.predict_ms_per_1000,
                "n_train": run.n_train,
                "n_test": run.n_test,
                "error": run.error,
            }
            for name, runs in folds.items()
            for run in runs
            for metric in metrics
        ]
    )


def _list_histories(folds: _Folds) -> pd.DataFrame:
    frames = [
        pd.DataFrame(run.history).assign(
            estimator=name, fold=run.fold, epoch=np.arange(1, len(run.history["loss"]) + 1)
        )
        for name, runs in folds.items()
        for run in runs
        if run.history is not None
    ]
    first = ["estimator", "fold", "epoch"]
    if not frames:
        return pd.DataFrame(columns=first)
    histories = pd.concat(frames, ignore_index=True)
    return histories[[*first, *histories.columns.drop(first)]]


def _collect_predictions(folds: _Folds, y: AnyArray) -> pd.DataFrame:
    """Return the label that each estimator predicts for each row in the first fold that scores it.

    Rows that no fold scores are left out.
    """
    columns = {}
    for name, runs in folds.items():
        if any(run.error for run in runs):
            continue
        labels = np.empty(len(y), dtype=y.dtype)
        scored = np.zeros(len(y), dtype=bool)
        for run in reversed(runs):
            labels[run.rows] = run.predictions
            scored[run.rows] = True
        columns[name] = pd.Series(labels[scored], index=np.flatnonzero(scored))
    return pd.DataFrame(columns)


def _average_probabilities(folds: _Folds, y: AnyArray) -> dict[str, FloatArray]:
    averages: dict[str, FloatArray] = {}
    for name, runs in folds.items():
        probabilities = [run.probabilities for run in runs if run.probabilities is not None]
        if len(probabilities) < len(runs):
            continue
        total = np.zeros((len(y), probabilities[0].shape[1]))
        counts = np.zeros((len(y), 1))
        for run, part in zip(runs, probabilities, strict=True):
            total[run.rows] += part
            counts[run.rows] += 1
        with np.errstate(invalid="ignore"):
            averages[name] = total / counts
    return averages
