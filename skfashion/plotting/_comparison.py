"""The Display of comparisons."""

from __future__ import annotations

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

    from skfashion.comparison import Comparison

_NETWORK_COLOR, _OTHER_COLOR = COLORS[1], COLORS[0]


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
    ax_ : matplotlib.axes.Axes

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
            With `figure_` and `ax_`.

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
        edge = self._edge()
        rows = range(len(self.names))
        for row, (mean, low, high), network in zip(rows, self.scores, self.networks, strict=True):
            if mean < edge:
                ax.text(0.01, row, f"◂ {mean:.3f}", transform=ax.get_yaxis_transform(), va="center")
                continue
            color = _NETWORK_COLOR if network else _OTHER_COLOR
            ax.plot([low, high], [row, row], color=color, linewidth=2)
            ax.plot(mean, row, _marker(network), color=color)
        ax.set_yticks(rows, self.names, parse_math=False)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        margin = 0.03 * (self.scores[:, 2].max() - edge) or 0.01
        ax.set_xlim(edge - margin, self.scores[:, 2].max() + margin)
        ax.set_xlabel(f"{self.metric}: mean over folds, 95 % interval")
        ax.grid(axis="x", alpha=0.3)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(left=False)

    def _edge(self) -> float:
        """Return the lowest score on the axis."""
        shown = self.scores[: math.ceil(0.75 * len(self.names))]
        return shown[:, 1].min()

    def _draw_fit_time(self, ax: Axes) -> None:
        edge = self._edge()
        means = self.scores[:, 0]
        seconds = np.maximum(self.fit_seconds, 1e-6)  # a logarithmic axis has no zero
        front = pareto_front(seconds, means)
        ax.set_xscale("log")
        ax.step(seconds[front], means[front], where="post", color="0.6", linewidth=1, zorder=0)
        for x, mean, network in zip(seconds, means, self.networks, strict=True):
            if mean >= edge:
                ax.plot(
                    x, mean, _marker(network), color=_NETWORK_COLOR if network else _OTHER_COLOR
                )
        top = means.max()
        margin = 0.08 * (top - edge) or 0.01
        ax.set_ylim(edge - 2 * margin, top + margin)
        ax.margins(x=0.25)
        ax.set(xlabel="fit time in seconds", ylabel=f"{self.metric}: mean over folds")
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
        heights = np.where(means < edge, edge - 1.5 * margin, means)
        labels = [
            f"▾ {name} {mean:.3f}" if mean < edge else name
            for name, mean in zip(self.names, means, strict=True)
        ]
        _write_labels(ax, seconds, heights, labels, front)


def _marker(network: bool) -> str:
    return "D" if network else "o"


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
    size = 8
    ax.figure.figure.draw_without_rendering()  # compute the layout, which moves the Axes
    points = ax.transData.transform(np.column_stack([x, y]))
    frame = ax.get_window_extent()
    scale = ax.figure.dpi / 72  # pixels per typographic point
    height = 1.2 * size * scale
    taken = [(px - 4, py - 4, px + 4, py + 4) for px, py in points]
    for number, (label, (px, py)) in enumerate(zip(labels, points, strict=True)):
        width = 0.58 * size * scale * len(label)
        sides = ("right", "left") if number in front else ("left", "right")  # text alignments
        positions = [(side, shift) for shift in (0, 1, -1, 2, -2, 3, -3) for side in sides]
        best = positions[0]
        for side, shift in positions:
            begin = px + 7 * scale if side == "left" else px - 7 * scale - width
            box = (begin, py + (shift - 0.5) * height, begin + width, py + (shift + 0.5) * height)
            inside = frame.x0 <= box[0] and box[2] <= frame.x1
            others = taken[:number] + taken[number + 1 :]
            if inside and not any(_overlap(box, other) for other in others):
                best = (side, shift)
                taken.append(box)
                break
        side, shift = best
        ax.annotate(
            label,
            (x[number], y[number]),
            xytext=(7 if side == "left" else -7, shift * 1.2 * size),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=size,
            parse_math=False,  # a name may have a dollar sign
        )


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
