"""`ComparisonDisplay`, which plots the scores of estimators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from skfashion._utils.types import FloatArray
from skfashion.plotting._labels import write_labels
from skfashion.plotting._style import BASELINE_COLOR, NETWORK_COLOR, check_choice, make_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from skfashion.comparison import Comparison

# Marker, colour and name of networks and of other estimators.
_STYLES = {True: ("D", NETWORK_COLOR, "network"), False: ("o", BASELINE_COLOR, "baseline")}


class ComparisonDisplay:
    """A plot of scores with intervals, or of scores against fit time.

    Use `from_comparison` to create a Display. All parameters are stored as attributes.

    Parameters
    ----------
    names : list of str
        Names of the estimators, best first.
    scores : ndarray of shape (n, 3)
        The mean over the folds, and lower and upper end of its interval, for each estimator.
    fit_seconds : ndarray of shape (n,)
        Fit times in seconds, at least 0.
    networks : ndarray of bool of shape (n,)
        Whether each estimator is a network. Networks have another colour and marker.
    metric : str
        Name of the metric.
    fold_scores : list of ndarray of shape (n_folds,), or None, default=None
        The scores of each estimator in the folds. If None, they are not drawn.
    significant : ndarray of bool of shape (n,) or None, default=None
        Whether each estimator differs significantly from the best one. If None, none is marked.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure.
    ax_ : matplotlib.axes.Axes
        The axes of the plot.

    Examples
    --------
    >>> from skfashion import compare, make_baselines
    >>> from skfashion.datasets import load_fashion_mini
    >>> from skfashion.plotting import ComparisonDisplay
    >>> X, y = load_fashion_mini(return_X_y=True)
    >>> baselines = make_baselines(random_state=0)
    >>> chosen = {name: baselines[name] for name in ("linear SVC", "naive Bayes")}
    >>> comparison = compare(chosen, X[:500], y[:500], cv=3)
    >>> display = ComparisonDisplay.from_comparison(comparison)
    >>> display.names
    ['linear SVC', 'naive Bayes']
    """

    figure_: Figure
    ax_: Axes

    def __init__(
        self,
        *,
        names: Sequence[str],
        scores: FloatArray,
        fit_seconds: FloatArray,
        networks: NDArray[np.bool_],
        metric: str,
        fold_scores: Sequence[FloatArray] | None = None,
        significant: NDArray[np.bool_] | None = None,
    ) -> None:
        self.names = names
        self.scores = scores
        self.fit_seconds = fit_seconds
        self.networks = networks
        self.metric = metric
        self.fold_scores = fold_scores
        self.significant = significant

    @classmethod
    def from_comparison(
        cls,
        comparison: Comparison,
        *,
        kind: Literal["scores", "fit_time"] = "scores",
        metric: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw a comparison.

        Parameters
        ----------
        comparison : Comparison
            Result of `compare`. Estimators that failed are left out.
        kind : {"scores", "fit_time"}, default="scores"
            As in `plot`.
        metric : str or None, default=None
            A metric of the comparison. If None, use its first metric.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, create a figure.

        Returns
        -------
        ComparisonDisplay
            The drawn Display, with `figure_` and `ax_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the metric or the kind is unknown, or every estimator failed.
        """
        from skfashion.comparison._statistics import SIGNIFICANCE_LEVEL

        metrics = comparison.metrics
        metric = check_choice("metric", metrics[0] if metric is None else metric, metrics)
        columns = [f"{metric}_{part}" for part in ("mean", "low", "high")]
        table = comparison.table.dropna(subset=columns[:1])
        table = table.sort_values(columns[0], ascending=False, kind="stable")
        for end in columns[1:]:  # draw a score without an interval as a point
            table[end] = table[end].fillna(table[columns[0]])
        if table.empty:
            raise ValueError("Every estimator of the comparison failed: there is nothing to draw.")
        folds = comparison.scores[comparison.scores["metric"] == metric]
        by_name = dict(list(folds.groupby("estimator")["score"]))
        return cls(
            names=table.index.tolist(),
            scores=table[columns].to_numpy(),
            fit_seconds=table["fit_seconds"].to_numpy(),
            networks=table.index.isin(comparison.networks),
            metric=metric.replace("_", " "),
            fold_scores=[by_name[name].to_numpy() for name in table.index],
            significant=(table[f"{metric}_p_adjusted"] < SIGNIFICANCE_LEVEL).to_numpy(),
        ).plot(ax, kind=kind)

    def plot(
        self, ax: Axes | None = None, *, kind: Literal["scores", "fit_time"] = "scores"
    ) -> Self:
        """Draw the comparison.

        The axis covers the better three quarters of the estimators. Scores below are written at
        its edge, so that differences between the others remain visible.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, create a figure.
        kind : {"scores", "fit_time"}, default="scores"
            "scores" draws a row for each estimator with its mean and interval, and behind them the
            scores of the folds. A star marks significant differences from the best. "fit_time"
            draws the mean against the fit time, and a line for the Pareto front.

        Returns
        -------
        self : ComparisonDisplay
            The same Display, with `figure_` and `ax_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the kind is unknown.
        """
        check_choice("kind", kind, ["scores", "fit_time"])
        n_names = len(self.names)
        height = 1.4 + 0.3 * n_names if kind == "scores" else fit_time_height(n_names)
        self.ax_, self.figure_ = ax, _ = make_axes(ax, (5.6, height))
        if kind == "scores":
            self._draw_scores(ax)
        else:
            self._draw_fit_time(ax)
        return self

    def _draw_scores(self, ax: Axes) -> None:
        lowest = self._lowest_shown()
        highest = self.scores[:, 2].max()
        rows = range(len(self.names))
        edge = ax.get_yaxis_transform()
        for row, (mean, low, high), network in zip(rows, self.scores, self.networks, strict=True):
            marker, color, _ = _STYLES[bool(network)]
            if mean < lowest:
                ax.text(0.01, row, f"◂ {mean:.3f}", color=color, transform=edge, va="center")
                continue
            ax.plot([low, high], [row, row], color=color, linewidth=2)
            ax.plot(mean, row, marker, color=color)
            if self.fold_scores is not None:
                folds = self.fold_scores[row]
                ax.scatter(folds, [row] * len(folds), s=36, color=color, alpha=0.35, linewidth=0)
                lowest, highest = min(lowest, *folds), max(highest, *folds)
        ax.set_yticks(rows, self.names, parse_math=False)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        margin = 0.03 * (highest - lowest) or 0.01
        ax.set_xlim(lowest - margin, highest + margin)
        ax.locator_params(axis="x", nbins=5)
        label = f"{self.metric}: mean over folds, 95 % interval"
        if self.significant is not None and np.any(self.significant):
            label += "\n* differs significantly from the best"
            for row in np.flatnonzero(self.significant).tolist():
                ax.text(1.01, row + 0.15, "*", transform=edge, va="center")
        ax.set_xlabel(label)
        ax.grid(axis="x", alpha=0.3)
        ax.set_axisbelow(True)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(left=False)
        self._draw_legend(ax)

    def _lowest_shown(self) -> float:
        """Return the lowest score on the axis, that of the best three quarters."""
        shown = self.scores[: math.ceil(0.75 * len(self.names))]
        return shown[:, 1].min()

    def _draw_fit_time(self, ax: Axes) -> None:
        from matplotlib.markers import CARETDOWN
        from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

        lowest = self._lowest_shown()
        means = self.scores[:, 0]
        seconds = np.maximum(self.fit_seconds, 1e-6)  # a logarithmic axis has no zero
        top = means.max()
        margin = 0.12 * (top - lowest) or 0.01
        below = means < lowest
        heights = np.where(below, lowest - margin, means)
        front = [point for point in pareto_front(seconds, means) if not below[point]]
        ax.set_xscale("log")
        if (ratio := seconds.max() / seconds.min()) < 100:  # else powers of ten are enough
            locator = MaxNLocator(5) if ratio < 3 else LogLocator(subs=(1, 2, 5))
            ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        corners = np.repeat(np.column_stack([seconds[front], means[front]]), 2, axis=0)
        steps = np.column_stack([corners[1:, 0], corners[:-1, 1]])
        ax.plot(*steps.T, color="0.6", linewidth=1, zorder=0)
        for x, y, network, is_below in zip(seconds, heights, self.networks, below, strict=True):
            marker, color, _ = _STYLES[bool(network)]
            ax.plot(x, y, marker=CARETDOWN if is_below else marker, color=color)
        ax.set_ylim(lowest - 1.5 * margin, top + margin)
        ax.margins(x=0.25)
        ax.set(xlabel="fit time in seconds", ylabel=f"{self.metric}: mean over folds")
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
        self._draw_legend(ax)
        labels = [
            f"{name} {mean:.3f}" if is_below else name
            for name, mean, is_below in zip(self.names, means, below, strict=True)
        ]
        write_labels(ax, seconds, heights, labels, steps)

    def _draw_legend(self, ax: Axes) -> None:
        """Name the two families of estimators above the Axes, if there are both."""
        from matplotlib.lines import Line2D

        if len(set(self.networks.tolist())) < 2:
            return
        handles = [
            Line2D([], [], marker=marker, color=color, linestyle="", label=label)
            for marker, color, label in _STYLES.values()
        ]
        ax.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0,
            ncols=2,
            fontsize="small",
            handletextpad=0.2,
            frameon=False,
        )


def fit_time_height(n_names: int) -> float:
    """Return the height in inches that a plot against fit time needs for its labels."""
    return 4 + 0.3 * max(0, n_names - 12)


def pareto_front(costs: FloatArray, scores: FloatArray) -> NDArray[np.intp]:
    """Return the indices of the Pareto front, cheapest first.

    No other point is both cheaper and better than one on the front.

    Parameters
    ----------
    costs, scores : ndarray of shape (n,)
        Lower costs and higher scores are better.

    Returns
    -------
    ndarray of int
    """
    front: list[np.intp] = []
    for candidate in np.lexsort((-scores, costs)):
        if not front or scores[candidate] > scores[front[-1]]:
            front.append(candidate)
    return np.array(front)
