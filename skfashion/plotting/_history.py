"""`HistoryDisplay`, which plots training histories and searches over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from skfashion._utils.types import AnyArray
from skfashion.plotting._curves import (
    Curve,
    Metric,
    check_metrics,
    comparison_curves,
    find_network,
    history_curves,
    score_name,
    search_curves,
)
from skfashion.plotting._style import COLORS, LINES, MARKERS, pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from skfashion.comparison import Comparison

_MOST_ENTRIES = 8  # of a legend
_OTHERS_COLOR = "0.6"  # of curves that the legend does not name


class HistoryDisplay:
    """Curves over the epochs of a training, of a search, or of the folds of a cross-validation.

    Use `from_estimator`, `from_cv_results`, `from_comparison` or `from_search` to create a Display.
    All parameters are stored as attributes.

    Parameters
    ----------
    panels : dict of str to list of Curve
        The curves of each panel. The keys are the labels of the y-axes.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure.
    axes_ : ndarray of matplotlib.axes.Axes
        One for each panel.
    lines_ : list of matplotlib.lines.Line2D
        One for each curve.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Curves over the number of rows.
    sklearn.model_selection.ValidationCurveDisplay : Curves over one parameter.

    Examples
    --------
    >>> from skfashion import FashionCNN
    >>> from skfashion.datasets import load_fashion_mini
    >>> from skfashion.plotting import HistoryDisplay
    >>> X, y = load_fashion_mini(return_X_y=True)
    >>> clf = FashionCNN.v2(epochs=3, validation_fraction=0.2, random_state=0)
    >>> display = HistoryDisplay.from_estimator(clf.fit(X[:1000], y[:1000]))
    >>> [line.get_label() for line in display.lines_]
    ['training', 'validation', 'training', 'validation']
    """

    figure_: Figure
    axes_: NDArray[np.object_]
    lines_: list[Line2D]

    def __init__(self, *, panels: Mapping[str, Sequence[Curve]]) -> None:
        self.panels = panels

    def plot(
        self,
        ax: Axes | Sequence[Axes] | AnyArray | None = None,
        *,
        line_kw: Mapping[str, Any] | None = None,
        band_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the curves.

        The legend stands to the right of the last panel. It has at most eight entries: if there are
        more curves, the best settings of a search or the first folds are named, and the others are
        grey.

        Parameters
        ----------
        ax : matplotlib Axes, array-like of Axes or None, default=None
            Axes to draw on, one for each panel. If None, create a figure. A figure of your own has
            room for the legend if its layout is "constrained".
        line_kw : dict or None, default=None
            Passed to ``Axes.plot``. Overrides the default style.
        band_kw : dict or None, default=None
            Passed to ``Axes.fill_between``. Overrides the default style.

        Returns
        -------
        self : HistoryDisplay
            The same Display, with `figure_`, `axes_` and `lines_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is not one Axes per panel.
        """
        plt = pyplot()
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PolyCollection
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        # Users may write "c" or "color".
        line_kw = normalize_kwargs(dict(line_kw or {}), Line2D)
        band_kw = normalize_kwargs(dict(band_kw or {}), PolyCollection)

        if ax is None:
            width = 4.8 * len(self.panels) if len(self.panels) > 1 else 6.4
            longest = max(len(curve.label) for curves in self.panels.values() for curve in curves)
            if any(len(curves) > 1 for curves in self.panels.values()):
                width += 0.5 + 0.065 * longest  # inches for the legend
            _, ax = plt.subplots(
                1, len(self.panels), figsize=(width, 4), layout="constrained", squeeze=False
            )
        self.axes_ = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if len(self.axes_) != len(self.panels):
            raise ValueError(
                f"ax holds {len(self.axes_)} Axes, but there are {len(self.panels)} panels to "
                f"draw: {', '.join(self.panels)}."
            )
        self.figure_ = self.axes_[0].figure.figure  # the parent figure of a subfigure
        self.lines_ = []
        panels = list(self.panels.items())
        for number, (axes, (name, curves)) in enumerate(zip(self.axes_, panels, strict=True)):
            lines = _draw_curves(axes, curves, line_kw, band_kw)
            self.lines_ += lines
            # Panels of the same curves share the legend of the last one.
            shared = [_labels(following) for _, following in panels[number + 1 : number + 2]]
            if len(curves) > 1 and _labels(curves) not in shared:
                _draw_legend(axes, curves, lines)
            axes.set(xlabel="epoch", ylabel=name)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        metrics: Metric | Sequence[Metric] = ("loss", "accuracy"),
        ax: Axes | Sequence[Axes] | AnyArray | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the loss and accuracy of a training, and of its validation data if there are any.

        Training curves show means during an epoch, with dropout, augmentation and the weights
        before averaging. Validation curves are computed after the epoch.

        Parameters
        ----------
        estimator : FashionCNN, Pipeline or search
            Fitted estimator. Uses the last step of a Pipeline, and the best estimator of a search.
        metrics : {"loss", "accuracy"} or sequence of these, default=("loss", "accuracy")
            Metrics to draw, each in its own panel.
        ax : matplotlib Axes, array-like of Axes or None, default=None
            Axes to draw on, one for each metric. If None, create a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        HistoryDisplay
            The drawn Display, with `figure_`, `axes_` and `lines_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `estimator` does not contain a FashionCNN.
        sklearn.exceptions.NotFittedError
            If `estimator` is not fitted.
        ValueError
            If a metric is unknown, or there is not one Axes per metric.
        """
        network = find_network(estimator)
        panels = {
            metric: history_curves(network, metric, ["training", "validation"], groups=[0, 1])
            for metric in check_metrics(metrics)
        }
        return cls(panels=panels).plot(ax, **kwargs)

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Mapping[str, Any],
        *,
        metrics: Metric | Sequence[Metric] = ("loss", "accuracy"),
        ax: Axes | Sequence[Axes] | AnyArray | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the training of every fold.

        Parameters
        ----------
        cv_results : dict
            Result of `cross_validate` with ``return_estimator=True``.
        metrics : {"loss", "accuracy"} or sequence of these, default=("loss", "accuracy")
            Metrics to draw, each in its own panel.
        ax : matplotlib Axes, array-like of Axes or None, default=None
            Axes to draw on, one for each metric. If None, create a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        HistoryDisplay
            The drawn Display, with `figure_`, `axes_` and `lines_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If an estimator does not contain a FashionCNN.
        ValueError
            If the estimators are missing, if a metric is unknown, or if there is not one Axes per
            metric.
        """
        if "estimator" not in cv_results:
            raise ValueError(
                "from_cv_results needs the estimator of every fold: call cross_validate with "
                "return_estimator=True."
            )
        networks = [find_network(estimator) for estimator in cv_results["estimator"]]
        panels: dict[str, list[Curve]] = {metric: [] for metric in check_metrics(metrics)}
        for metric, curves in panels.items():
            for fold, network in enumerate(networks):
                labels = [f"fold {fold}", f"fold {fold}, validation"]
                curves += history_curves(network, metric, labels, groups=[fold, fold])
        return cls(panels=panels).plot(ax, **kwargs)

    @classmethod
    def from_comparison(
        cls,
        comparison: Comparison,
        *,
        metrics: Metric | Sequence[Metric] = ("loss", "accuracy"),
        ax: Axes | Sequence[Axes] | AnyArray | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the mean over the folds for each network of a comparison.

        Parameters
        ----------
        comparison : Comparison
            Result of `compare`.
        metrics : {"loss", "accuracy"} or sequence of these, default=("loss", "accuracy")
            Metrics to draw, each in its own panel.
        ax : matplotlib Axes, array-like of Axes or None, default=None
            Axes to draw on, one for each metric. If None, create a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        HistoryDisplay
            The drawn Display, with `figure_`, `axes_` and `lines_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the comparison has no trained network, if a metric is unknown, or if there is not one
            Axes per metric.
        """
        if comparison.histories.empty:
            raise ValueError("The comparison has no network that was trained.")
        panels = {
            metric: comparison_curves(comparison.histories, metric)
            for metric in check_metrics(metrics)
        }
        return cls(panels=panels).plot(ax, **kwargs)

    @classmethod
    def from_search(
        cls,
        search: Any,
        *,
        metric: str | None = None,
        score_type: Literal["test", "train"] = "test",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the scores of a search over `epochs`, a line for each setting of other parameters.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or successive halving
            Fitted search with `epochs` among its parameters or as its resource.
        metric : str or None, default=None
            The metric to draw, if the search has several. If None, use that of `refit`. If the
            score of a fold is missing, no point is drawn.
        score_type : {"test", "train"}, default="test"
            Whether to draw test or training scores. Training scores need
            ``return_train_score=True``.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, create a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        HistoryDisplay
            The drawn Display, with `figure_`, `axes_` and `lines_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        sklearn.exceptions.NotFittedError
            If the search is not fitted.
        ValueError
            If the search was not over `epochs`, or the scores are missing.
        """
        if not hasattr(search, "cv_results_"):
            raise NotFittedError(
                f"This {type(search).__name__} is not fitted yet: from_search draws cv_results_."
            )
        name, label = score_name(search, metric)
        curves = search_curves(search, name, score_type)
        return cls(panels={str(label).replace("_", " "): curves}).plot(ax, **kwargs)


def _labels(curves: Sequence[Curve]) -> list[str]:
    return [curve.label for curve in curves]


def _split_groups(curves: Sequence[Curve]) -> tuple[list[int], list[int]]:
    """Return the groups that the legend names, and the others."""
    groups = sorted({curve.group for curve in curves})
    n_free = _MOST_ENTRIES
    if len(groups) < len(curves):  # the legend also explains the line styles
        n_free -= 2
    if any(curve.best_epoch for curve in curves):
        n_free -= 1
    if len(groups) > n_free:
        return groups[: n_free - 1], groups[n_free - 1 :]
    return groups, []


def _draw_curves(
    ax: Axes, curves: Sequence[Curve], line_kw: Mapping[str, Any], band_kw: Mapping[str, Any]
) -> list[Line2D]:
    """Draw the curves, in thin grey those that the legend does not name."""
    lines: list[Line2D] = []
    _, others = _split_groups(curves)
    for curve in curves:
        color = curve.color or COLORS[curve.group % len(COLORS)]
        middle = curve.values.mean(axis=1)
        style: dict[str, Any] = {
            "color": color,
            "linestyle": LINES[curve.line % len(LINES)],
            "marker": MARKERS[curve.group % len(MARKERS)],
            "markersize": 4,
            "markevery": max(1, len(middle) // 10),
        }
        if curve.group in others:
            style |= {"color": _OTHERS_COLOR, "linewidth": 0.8, "markersize": 2, "zorder": 1}
        lines += ax.plot(curve.epochs, middle, **{**style, "label": curve.label, **line_kw})
        if curve.values.shape[1] > 1 and curve.group not in others:
            spread = curve.values.std(axis=1, ddof=1)
            band = {"color": color, "alpha": 0.15, "linewidth": 0, **band_kw}
            ax.fill_between(curve.epochs, middle - spread, middle + spread, **band)
        if curve.best_epoch is not None:
            ax.axvline(curve.best_epoch, color=color, linewidth=0.8, linestyle=":")
    return lines


def _draw_legend(ax: Axes, curves: Sequence[Curve], lines: Sequence[Line2D]) -> None:
    """Draw a legend of at most eight entries to the right of the Axes.

    If groups have a curve for training and one for validation data, it has an entry for each group
    and for each of the two line styles. Settings of a search are listed best first.
    """
    from matplotlib.lines import Line2D

    def explain(label: str, linestyle: Any, linewidth: float | None = None) -> None:
        style: dict[str, Any] = {"linestyle": linestyle, "linewidth": linewidth}
        entries.append(Line2D([], [], color=_OTHERS_COLOR, label=label, **style))

    named, others = _split_groups(curves)
    order = np.argsort([curve.group for curve in curves], kind="stable")
    entries: list[Line2D] = [lines[number] for number in order]
    if others or 1 < len(named) < len(curves):
        of_group: dict[int, Line2D] = {}
        of_style: dict[int, Line2D] = {}
        for curve, line in zip(curves, lines, strict=True):
            of_group.setdefault(curve.group, line)
            of_style.setdefault(curve.line, line)
        entries = [of_group[group] for group in named]
        if others:
            explain(f"{len(others)} others", "-", 0.8)
        if len(named) + len(others) < len(curves):
            for name, line in zip(("training", "validation"), of_style.values(), strict=True):
                explain(name, line.get_linestyle())
    if any(curve.best_epoch for curve in curves):
        explain("best epoch", ":", 0.8)
    legend = ax.legend(
        handles=entries,
        loc="upper left",
        bbox_to_anchor=(1, 1),
        fontsize="small",
        frameon=False,
    )
    for text in legend.get_texts():  # names may contain a dollar sign
        text.set_parse_math(False)
