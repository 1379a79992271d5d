"""The tables of the page, cell by cell."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

from skfashion._utils.types import AnyArray
from skfashion.comparison import Comparison
from skfashion.comparison._format import format_p
from skfashion.comparison._statistics import SIGNIFICANCE_LEVEL


class Cell(NamedTuple):
    """A text, the value by which its column is sorted, and whether it has a star."""

    text: str
    value: float
    star: bool = False


class Column(NamedTuple):
    """A column of cells. `higher_first` is the order of the first click on its header."""

    name: str
    cells: list[Cell]
    higher_first: bool = True


def make_columns(comparison: Comparison) -> dict[str, list[Column]]:
    """Return the columns of the estimators' table, by the header of their group."""
    table = comparison.table
    groups = {}
    for metric in comparison.metrics:
        # The best has no difference from itself.
        difference = table[f"{metric}_difference"].where(table.index != table.index[0])
        groups[metric.replace("_", " ")] = [
            *_score_columns(table, f"{metric}_mean", metric),
            Column("from best", _format_cells(difference, "{:+.3f}".format)),
            _p_column(table[f"{metric}_p_adjusted"]),
        ]
    if comparison.predictions is not None:
        groups["test accuracy"] = [
            *_score_columns(table, "test_accuracy", "test_accuracy"),
            _p_column(table["test_p_adjusted"]),
        ]
    groups["costs"] = [
        _cost_column("fit, s", table["fit_seconds"], 2),
        _cost_column("predict 1,000, ms", table["predict_ms_per_1000"], 1),
        _cost_column("size, MB", table["size_mb"], 2),
    ]
    return groups


def make_class_columns(comparison: Comparison, y: AnyArray) -> list[Column]:
    """Return the columns of the table of the best estimator's scores for each class.

    The precision of a class that was never predicted is not defined: its cell is empty. The list is
    empty if every estimator failed.
    """
    best = comparison.table.index[0]
    if best not in comparison.out_of_fold_predictions:
        return []
    y_pred = comparison.out_of_fold_predictions[best]
    *scores, n_images = precision_recall_fscore_support(
        y[y_pred.index], y_pred, labels=np.unique(y), zero_division=np.nan
    )
    columns = [
        Column(name, _format_cells(values, "{:.3f}".format))
        for name, values in zip(("precision", "recall", "F1"), scores, strict=True)
    ]
    columns.append(Column("images", _format_cells(n_images, "{:,.0f}".format)))
    return columns


def _format_cells(
    values: AnyArray | pd.Series, to_text: Callable[[float], str], *, stars: bool = False
) -> list[Cell]:
    """Return a cell for each value, empty if it is NaN."""
    return [
        Cell(to_text(value), value, stars and value < SIGNIFICANCE_LEVEL)
        if np.isfinite(value)
        else Cell("", value)
        for value in np.asarray(values, dtype=float).tolist()
    ]


def _score_columns(table: pd.DataFrame, score: str, metric: str) -> list[Column]:
    ends = table[[f"{metric}_low", f"{metric}_high"]].to_numpy().tolist()
    intervals = [
        Cell(f"[{low:.3f}, {high:.3f}]" if np.isfinite(low) else "", low) for low, high in ends
    ]
    means = _format_cells(table[score], "{:.3f}".format)
    return [Column("score", means), Column("95 % interval", intervals)]


def _p_column(p_values: pd.Series) -> Column:
    return Column("adjusted p", _format_cells(p_values, format_p, stars=True), higher_first=False)


def _cost_column(name: str, values: pd.Series, decimals: int) -> Column:
    """Return a column of numbers with equal decimals."""
    smallest = 10.0**-decimals

    def to_text(value: float) -> str:
        if 0 < value < smallest:
            return f"<{smallest:.{decimals}f}"
        return f"{value:,.{decimals}f}"

    return Column(name, _format_cells(values, to_text), higher_first=False)
