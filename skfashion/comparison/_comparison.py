"""What a comparison found, and how readers see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skfashion._utils.types import FloatArray
from skfashion.comparison._format import interval, p_value, significant

_COSTS = {
    "fit_seconds": "fit, s",
    "predict_ms_per_1000": "predict 1,000, ms",
    "size_mb": "size, MB",
}


@dataclass(repr=False)
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    table : DataFrame
        A row for each estimator, indexed by name, best first; *the best* is the estimator with the
        highest mean of the first metric. For each metric, here ``accuracy``:

        - ``accuracy_mean`` and ``accuracy_sd`` (with k - 1) over the folds;
        - ``accuracy_low`` and ``accuracy_high``, the 95 % interval of the mean, with the standard
          error of [1]_, since folds share training rows;
        - ``accuracy_difference`` from the best, and its ``accuracy_p_value`` in the corrected
          resampled t-test of [1]_, two-sided (NaN for the best itself). Many rows are many tests:
          where one of them has to stand, divide .05 by the number of rows.

        Then what it costs, means over the folds: ``fit_seconds``, ``predict_ms_per_1000``
        (milliseconds per 1,000 predictions, without the metrics) and ``size_mb`` (millions of
        bytes, pickled).

        With a test set: ``test_accuracy`` after a training on all of X, with Wilson's 95 %
        interval ``test_accuracy_low`` and ``test_accuracy_high``; ``test_p_value``, McNemar's exact
        test against the best; the other metrics, such as ``test_f1_macro``.

        Last ``error``: what went wrong in a fold, which leaves an estimator without figures, or on
        the test set, which leaves it without those; else an empty string. If it went wrong for the
        best on the test set, there is no ``test_p_value``.
    scores : DataFrame
        A row for each estimator, fold and metric: ``estimator``, ``fold`` (from 0), ``metric``,
        ``score``, ``fit_seconds``, ``predict_seconds``, ``n_train``, ``n_test``, ``error``.
    histories : DataFrame
        A row for each network, fold and epoch: ``estimator``, ``fold``, ``epoch`` (from 1), and
        what the network's `history_` holds: ``loss``, ``accuracy`` and so on.
    out_of_fold : dict of str to ndarray of shape (n, n_classes)
        For each network the probabilities of the rows of X, told by the network that was not
        trained on them (the mean, where several folds leave a row out); NaN in rows that no fold
        leaves out.
    predictions : DataFrame or None, default=None
        With a test set, the labels that each estimator predicts for it, a column for each.
        None without one.

    See Also
    --------
    skfashion.compare : Makes it.
    skfashion.plotting.ComparisonDisplay : Draws it.

    References
    ----------
    .. [1] Nadeau, Bengio: Inference for the Generalization Error, Machine Learning 52, 2003.

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
    predictions: pd.DataFrame | None = None

    @property
    def failures(self) -> pd.Series:
        """Series of the error messages of the estimators that failed, by name."""
        return self.table["error"][self.table["error"] != ""]

    @property
    def metrics(self) -> list[str]:
        """List of the metrics' names, the one that decides first."""
        return list(dict.fromkeys(self.scores["metric"]))

    def readable(self) -> pd.DataFrame:
        """The table for readers: a few columns of rounded figures with their intervals.

        Returns
        -------
        DataFrame of str
            Indexed as `table`.
        """
        found = self.table
        columns = {}
        for metric in self.metrics:
            columns[f"{metric} [95 %]"] = _intervals(found, f"{metric}_mean", metric)
            columns[f"{metric}: from the best (p)"] = [
                f"{difference:+.3f} ({p_value(p)})" if np.isfinite(p) else ""
                for difference, p in zip(
                    found[f"{metric}_difference"], found[f"{metric}_p_value"], strict=True
                )
            ]
        if self.predictions is not None:
            columns["test accuracy [95 %]"] = _intervals(found, "test_accuracy", "test_accuracy")
            columns["p (McNemar)"] = [p_value(p) for p in found["test_p_value"]]
        for cost, name in _COSTS.items():
            columns[name] = [significant(value) for value in found[cost]]
        return pd.DataFrame(columns, index=found.index)

    def __repr__(self) -> str:
        lines = [self.readable().to_string()]
        lines += [f"{name}: {error}" for name, error in self.failures.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        table = self.readable()
        if len(self.failures):
            table["error"] = self.table["error"]
        return table.to_html()


def _intervals(table: pd.DataFrame, value: str, metric: str) -> list[str]:
    columns = (table[value], table[f"{metric}_low"], table[f"{metric}_high"])
    return [interval(*figures) for figures in zip(*columns, strict=True)]
