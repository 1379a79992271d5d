"""Runs become tables."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from skfashion._utils.types import AnyArray, FloatArray
from skfashion.comparison import _statistics
from skfashion.comparison._comparison import Comparison
from skfashion.comparison._runs import Data, Run

_Folds: TypeAlias = Mapping[str, Sequence[Run]]  # the runs of each estimator


def from_runs(runs: Sequence[Run], data: Data, names: Sequence[str]) -> Comparison:
    """Make the tables.

    Parameters
    ----------
    runs : list of Run
        For each estimator its folds and, if there is a test set, one on it.
    data : Data
    names : list of str
        Of the estimators, in the user's order.

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
    table = pd.DataFrame(
        {name: _summary(folds[name], tested.get(name), metrics) for name in names}
    ).T
    table.index.name = "estimator"
    table = table.astype({column: float for column in table.columns if column != "error"})
    table = table.sort_values(f"{metrics[0]}_mean", ascending=False, kind="stable")
    best = table.index[0]
    if np.isfinite(table.loc[best, f"{metrics[0]}_mean"]):
        _compare_with(best, table, folds, metrics)
        if tested:
            _compare_on_test_set(best, table, tested, data.y_test)
    return Comparison(
        table,
        scores=_scores(folds, metrics),
        histories=_histories(folds),
        out_of_fold=_out_of_fold(folds, data.y),
        predictions=pd.DataFrame(
            {name: run.predictions for name, run in tested.items() if not run.error}
        )
        if tested
        else None,
    )


def _summary(folds: Sequence[Run], test: Run | None, metrics: Sequence[str]) -> dict[str, Any]:
    """A row of the table; nothing is said of an estimator that failed in any fold."""
    error = next((run.error for run in folds if run.error), "")
    failed = bool(error)
    if not failed and test is not None and test.error:
        error = f"on the test set: {test.error}"
    row: dict[str, Any] = {}
    n_train, n_test = _sizes(folds)
    for metric in metrics:
        values = np.array([np.nan if failed else run.scores[metric] for run in folds])
        low, high = _statistics.mean_interval(values, n_train, n_test)
        row |= {
            f"{metric}_mean": values.mean(),
            f"{metric}_sd": values.std(ddof=1),
            f"{metric}_low": low,
            f"{metric}_high": high,
            f"{metric}_difference": np.nan,
            f"{metric}_p_value": np.nan,
        }
    row["fit_seconds"] = np.mean([run.fit_seconds for run in folds])
    row["predict_ms_per_1000"] = (
        np.sum([run.predict_seconds for run in folds]) / np.sum([run.n_test for run in folds]) * 1e6
    )
    row["size_mb"] = np.mean([run.size_mb for run in folds])
    if test is not None:
        row |= _test_columns(test, metrics)
    return row | {"error": error}


def _test_columns(test: Run, metrics: Sequence[str]) -> dict[str, float]:
    row = dict.fromkeys(["test_accuracy", "test_accuracy_low", "test_accuracy_high"], np.nan)
    row |= {"test_p_value": np.nan} | {f"test_{metric}": np.nan for metric in metrics}
    if not test.error:
        row |= {f"test_{metric}": score for metric, score in test.scores.items()}
        low, high = _statistics.proportion_interval(test.n_correct, test.n_test)
        row |= {"test_accuracy_low": low, "test_accuracy_high": high}
    return row


def _sizes(folds: Sequence[Run]) -> tuple[float, float]:
    """Mean rows of a fold to train on and to score; NaN if one failed."""
    n_train = np.mean([run.n_train for run in folds])
    n_test = np.mean([run.n_test for run in folds])
    return float(n_train), float(n_test)


def _compare_with(best: str, table: pd.DataFrame, folds: _Folds, metrics: Sequence[str]) -> None:
    n_train, n_test = _sizes(folds[best])
    for name, runs in folds.items():
        if any(run.error for run in runs):
            continue
        for metric in metrics:
            differences = np.array(
                [
                    run.scores[metric] - other.scores[metric]
                    for run, other in zip(runs, folds[best], strict=True)
                ]
            )
            table.loc[name, f"{metric}_difference"] = differences.mean()
            if name != best:
                table.loc[name, f"{metric}_p_value"] = _statistics.corrected_t_test(
                    differences, n_train, n_test
                )


def _compare_on_test_set(
    best: str, table: pd.DataFrame, tested: Mapping[str, Run], y_test: AnyArray
) -> None:
    if tested[best].error:
        return
    correct = np.asarray(tested[best].predictions) == y_test
    for name, run in tested.items():
        if name != best and not run.error:
            table.loc[name, "test_p_value"] = _statistics.mcnemar_test(
                correct, np.asarray(run.predictions) == y_test
            )


def _scores(folds: _Folds, metrics: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "estimator": name,
                "fold": run.fold,
                "metric": metric,
                "score": run.scores.get(metric, np.nan),
                "fit_seconds": run.fit_seconds,
                "predict_seconds": run.predict_seconds,
                "n_train": run.n_train,
                "n_test": run.n_test,
                "error": run.error,
            }
            for name, runs in folds.items()
            for run in runs
            for metric in metrics
        ]
    )


def _histories(folds: _Folds) -> pd.DataFrame:
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
    found = pd.concat(frames, ignore_index=True)
    return found[[*first, *found.columns.drop(first)]]


def _out_of_fold(folds: _Folds, y: AnyArray) -> dict[str, FloatArray]:
    found: dict[str, FloatArray] = {}
    for name, runs in folds.items():
        told = [run.probabilities for run in runs if run.probabilities is not None]
        if len(told) < len(runs):
            continue
        total = np.zeros((len(y), told[0].shape[1]))
        times = np.zeros((len(y), 1))
        for run, probabilities in zip(runs, told, strict=True):
            total[run.left_out] += probabilities
            times[run.left_out] += 1
        with np.errstate(invalid="ignore"):
            found[name] = total / times
    return found
