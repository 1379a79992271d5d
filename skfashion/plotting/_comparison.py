"""`ComparisonDisplay`, which plots the scores of estimators."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from skfashion._utils.types import AnyArray, FloatArray
from skfashion.plotting._style import COLORS, check_choice, make_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

    from skfashion.comparison import Comparison

# Marker and colour of networks and of other estimators.
_STYLES = {True: ("D", COLORS[1]), False: ("o", COLORS[0])}
_LABEL_SIZE = 8  # points


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
    ) -> None:
        self.names = names
        self.scores = scores
        self.fit_seconds = fit_seconds
        self.networks = networks
        self.metric = metric

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
        metrics = comparison.metrics
        metric = check_choice("metric", metrics[0] if metric is None else metric, metrics)
        columns = [f"{metric}_{part}" for part in ("mean", "low", "high")]
        table = comparison.table.dropna(subset=columns[:1])
        table = table.sort_values(columns[0], ascending=False, kind="stable")
        for end in columns[1:]:  # draw a score without an interval as a point
            table[end] = table[end].fillna(table[columns[0]])
        if table.empty:
            raise ValueError("Every estimator of the comparison failed: there is nothing to draw.")
        return cls(
            names=table.index.tolist(),
            scores=table[columns].to_numpy(),
            fit_seconds=table["fit_seconds"].to_numpy(),
            networks=table.index.isin(comparison.networks),
            metric=metric.replace("_", " "),
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
            "scores" draws a row for each estimator with its mean and interval. "fit_time" draws
            the mean against the fit time, and a line for the Pareto front.

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
        height = 1 + 0.32 * len(self.names) if kind == "scores" else 4
        self.ax_, self.figure_ = ax, _ = make_axes(ax, (5.6, height))
        if kind == "scores":
            self._draw_scores(ax)
        else:
            self._draw_fit_time(ax)
        return self

    def _draw_scores(self, ax: Axes) -> None:
        lowest = self._lowest_shown()
        rows = range(len(self.names))
        for row, (mean, low, high), network in zip(rows, self.scores, self.networks, strict=True):
            if mean < lowest:
                ax.text(0.01, row, f"◂ {mean:.3f}", transform=ax.get_yaxis_transform(), va="center")
                continue
            marker, color = _STYLES[bool(network)]
            ax.plot([low, high], [row, row], color=color, linewidth=2)
            ax.plot(mean, row, marker, color=color)
        ax.set_yticks(rows, self.names, parse_math=False)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        margin = 0.03 * (self.scores[:, 2].max() - lowest) or 0.01
        ax.set_xlim(lowest - margin, self.scores[:, 2].max() + margin)
        ax.set_xlabel(f"{self.metric}: mean over folds, 95 % interval")
        ax.grid(axis="x", alpha=0.3)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(left=False)

    def _lowest_shown(self) -> float:
        """Return the lowest score on the axis, that of the best three quarters."""
        shown = self.scores[: math.ceil(0.75 * len(self.names))]
        return shown[:, 1].min()

    def _draw_fit_time(self, ax: Axes) -> None:
        lowest = self._lowest_shown()
        means = self.scores[:, 0]
        seconds = np.maximum(self.fit_seconds, 1e-6)  # a logarithmic axis has no zero
        front = pareto_front(seconds, means)
        ax.set_xscale("log")
        ax.step(seconds[front], means[front], where="post", color="0.6", linewidth=1, zorder=0)
        for x, mean, network in zip(seconds, means, self.networks, strict=True):
            if mean >= lowest:
                marker, color = _STYLES[bool(network)]
                ax.plot(x, mean, marker, color=color)
        top = means.max()
        margin = 0.08 * (top - lowest) or 0.01
        ax.set_ylim(lowest - 2 * margin, top + margin)
        ax.margins(x=0.25)
        ax.set(xlabel="fit time in seconds", ylabel=f"{self.metric}: mean over folds")
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
        heights = np.where(means < lowest, lowest - 1.5 * margin, means)
        labels = [
            f"▾ {name} {mean:.3f}" if mean < lowest else name
            for name, mean in zip(self.names, means, strict=True)
        ]
        _write_labels(ax, seconds, heights, labels, front)


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


def _write_labels(
    ax: Axes, x: FloatArray, y: FloatArray, labels: Sequence[str], front: AnyArray
) -> None:
    """Write a label beside each point, without overlaps if possible.

    Points on the front have their labels on the left, because the line of the front goes to the
    right.
    """
    from matplotlib.transforms import Bbox

    ax.figure.figure.draw_without_rendering()  # compute the layout, which moves the Axes
    frame = ax.get_window_extent()
    points = ax.transData.transform(np.column_stack([x, y]))
    occupied = [Bbox(((px - 4, py - 4), (px + 4, py + 4))) for px, py in points]
    for number, label in enumerate(labels):
        text = ax.annotate(
            label,
            (x[number], y[number]),
            xytext=(0, 0),
            textcoords="offset points",
            va="center",
            fontsize=_LABEL_SIZE,
            parse_math=False,  # a name may contain a dollar sign
        )
        others = occupied[:number] + occupied[number + 1 :]
        sides: list[Literal["left", "right"]] = ["left", "right"]  # text alignments
        if number in front:
            sides.reverse()
        for position in itertools.product((0, 1, -1, 2, -2, 3, -3), sides):
            _move(text, *position)
            box = text.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1
            if inside and not box.count_overlaps(others):
                occupied.append(box)
                break
        else:
            _move(text, 0, sides[0])


def _move(text: Annotation, n_lines: int, alignment: Literal["left", "right"]) -> None:
    """Move a label by a number of lines from its point, and to one side of it."""
    text.set_horizontalalignment(alignment)
    text.set_position((7 if alignment == "left" else -7, n_lines * 1.2 * _LABEL_SIZE))
