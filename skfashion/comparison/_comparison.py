"""The result of a comparison, and its table for display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from skfashion._utils.types import FloatArray
from skfashion.comparison._format import (
    format_cost,
    format_difference,
    format_interval,
    format_p,
)

_COSTS = {
    "fit_seconds": "fit, s",
    "predict_ms_per_1000": "predict 1,000, ms",
    "size_mb": "size, MB",
}


@dataclass(repr=False)
class Comparison:
    """The result of `compare`.

    Parameters
    ----------
    table : DataFrame
        A row for each estimator, indexed by name, best first. The best is the estimator with the
        highest mean of the first metric. The columns for each metric, here ``accuracy``, are:

        - ``accuracy_mean`` and ``accuracy_sd``, mean and standard deviation (with divisor k - 1)
          over the k folds;
        - ``accuracy_low`` and ``accuracy_high``, the 95 % interval of the expected score. For
          accuracy it is Wilson's interval, with the number of rows divided by a design effect [2]_.
          For other metrics it is Student's t interval with the standard error of [1]_, on the logit
          or logarithmic scale if it is a metric of scikit-learn with known limits. NaN if all folds
          have the same score and the metric is not accuracy;
        - ``accuracy_difference``, the difference from the best;
        - ``accuracy_p_value``, the p-value of the two-sided test against the best. For accuracy it
          is McNemar's test on the out-of-fold predictions, with counts divided by a design effect
          [2]_. For other metrics it is the corrected resampled t-test [1]_. NaN for the best
          itself, and if the t-test has no variance;
        - ``accuracy_p_adjusted``, the same adjusted by Holm's method for all pairs of estimators,
          because the best was selected by its scores. Below .05 the difference is significant.

        The costs are means over the folds: ``fit_seconds``, ``predict_ms_per_1000``
        (milliseconds per 1,000 predictions, measured on at least 1,000 rows) and ``size_mb``
        (millions of bytes of the pickle; a FashionCNN counts as the file that `save` writes).

        The columns for a test set are: ``test_accuracy`` after a fit on all of X; Wilson's 95 %
        interval ``test_accuracy_low`` and ``test_accuracy_high``; ``test_p_value``, McNemar's exact
        test against the best; ``test_p_adjusted``, the same adjusted by Holm's method for all
        estimators; the other metrics, such as ``test_f1_macro``.

        The last columns are ``warnings``, the distinct warnings of all fits, and ``error``. After
        an error in a fold, the estimator has no scores, times and size. After an error on the test
        set, it has no test scores. Both columns are empty strings if there is none.
    scores : DataFrame
        A row for each estimator, fold and metric: ``estimator``, ``fold`` (from 0), ``metric``,
        ``score``, ``fit_seconds``, ``predict_ms_per_1000``, ``n_train``, ``n_test``, ``error``.
    histories : DataFrame
        A row for each network, fold and epoch: ``estimator``, ``fold``, ``epoch`` (from 1), and the
        entries of the network's `history_`: ``loss``, ``accuracy`` and so on.
    out_of_fold : dict of str to ndarray of shape (n, n_classes)
        For each network the probabilities for each row of X, predicted in the fold in which the row
        was not used for training: the mean if several folds score a row, NaN if none does.
    out_of_fold_predictions : DataFrame
        A column for each estimator that did not fail: the label predicted for each row by the first
        fold that scores it. The index is the position of the row in X.
    predictions : DataFrame or None, default=None
        The labels predicted for the test set, a column for each estimator. None without a test set.
    networks : sequence of str, default=()
        Names of the estimators that are or contain a FashionCNN, such as Pipelines and searches.
    interrupted : bool, default=False
        Whether Ctrl-C ended the comparison before all fits were finished.

    See Also
    --------
    skfashion.compare : Compute a comparison.
    skfashion.plotting.ComparisonDisplay : Plot a comparison.

    References
    ----------
    .. [1] Nadeau, Bengio: Inference for the Generalization Error, Machine Learning 52, 2003.
    .. [2] Rao, Scott: A simple method for the analysis of clustered binary data, Biometrics 48,
       1992.

    Examples
    --------
    >>> from skfashion import compare, make_baselines
    >>> from skfashion.datasets import load_fashion_mini
    >>> X, y = load_fashion_mini(return_X_y=True)
    >>> baselines = make_baselines(random_state=0)
    >>> chosen = {name: baselines[name] for name in ("dummy", "naive Bayes")}
    >>> comparison = compare(chosen, X[:600], y[:600], cv=3)
    >>> comparison.table.index.tolist()
    ['naive Bayes', 'dummy']
    >>> comparison.readable().columns[0]
    'accuracy [95 %]'
    >>> len(comparison.failures)
    0
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    histories: pd.DataFrame
    out_of_fold: dict[str, FloatArray]
    out_of_fold_predictions: pd.DataFrame
    predictions: pd.DataFrame | None = None
    networks: Sequence[str] = ()
    interrupted: bool = False

    @property
    def failures(self) -> pd.Series:
        """Series of the error messages of the estimators that failed, by name."""
        return self.table["error"][self.table["error"] != ""]

    @property
    def metrics(self) -> list[str]:
        """List of the metrics' names. The first one decides which estimator is the best."""
        return list(dict.fromkeys(self.scores["metric"]))

    def readable(self) -> pd.DataFrame:
        """Format the table for display.

        Returns
        -------
        DataFrame of str
            With the index of `table`. A star marks significant differences, with an adjusted
            p-value below .05.
        """
        table = self.table
        columns = {}
        for metric in self.metrics:
            columns[f"{metric} [95 %]"] = _intervals(table, f"{metric}_mean", metric)
            columns[f"{metric}: from the best (adjusted p)"] = [
                format_difference(*figures)
                for figures in zip(
                    table[f"{metric}_difference"], table[f"{metric}_p_adjusted"], strict=True
                )
            ]
        if self.predictions is not None:
            columns["test accuracy [95 %]"] = _intervals(table, "test_accuracy", "test_accuracy")
            columns["adjusted p (McNemar)"] = [format_p(p) for p in table["test_p_adjusted"]]
        for cost, name in _COSTS.items():
            columns[name] = [format_cost(value) for value in table[cost]]
        return pd.DataFrame(columns, index=table.index)

    def __repr__(self) -> str:
        # pandas fills the line of the index's name with blanks.
        lines = [line.rstrip() for line in self.readable().to_string().splitlines()]
        return "\n".join([*lines, *list_notes(self)])

    def _repr_html_(self) -> str:
        table = self.readable()
        for column in ("warnings", "error"):
            if (self.table[column] != "").any():
                table[column] = self.table[column]
        return table.to_html()


def list_notes(comparison: Comparison) -> list[str]:
    """Return a line for each warning and each error of an estimator."""
    warnings = comparison.table["warnings"]
    notes = [*warnings[warnings != ""].items(), *comparison.failures.items()]
    return [f"{name}: {note}" for name, note in notes]


def _intervals(table: pd.DataFrame, value: str, metric: str) -> list[str]:
    columns = (table[value], table[f"{metric}_low"], table[f"{metric}_high"])
    return [format_interval(*figures) for figures in zip(*columns, strict=True)]
