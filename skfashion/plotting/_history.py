"""Curves over the epochs of a training."""

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


class HistoryDisplay:
    """Curves over the epochs of a training, of a search, or of the folds of a cross-validation.

    Made by `from_estimator`, `from_cv_results`, `from_comparison` or `from_search`; all parameters
    are stored as attributes.

    Parameters
    ----------
    panels : dict of str to list of Curve
        For each panel its name, the label of its y-axis, and what is drawn in it.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
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

        Parameters
        ----------
        ax : matplotlib Axes, array-like of Axes or None, default=None
            One for each panel. None makes a figure.
        line_kw : dict or None, default=None
            Passed to ``Axes.plot``, before our own style. None changes nothing.
        band_kw : dict or None, default=None
            Passed to ``Axes.fill_between``, likewise.

        Returns
        -------
        self : HistoryDisplay
            With `figure_`, `axes_` and `lines_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            If the number of Axes is not that of the panels.
        """
        plt = pyplot()
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PolyCollection
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        # "c" or "color", whichever the user writes.
        line_kw = normalize_kwargs(dict(line_kw or {}), Line2D)
        band_kw = normalize_kwargs(dict(band_kw or {}), PolyCollection)

        if ax is None:
            width = 4.8 * len(self.panels) if len(self.panels) > 1 else 6.4
            _, ax = plt.subplots(
                1, len(self.panels), figsize=(width, 4), layout="constrained", squeeze=False
            )
        self.axes_ = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if len(self.axes_) != len(self.panels):
            raise ValueError(
                f"ax holds {len(self.axes_)} Axes, but there are {len(self.panels)} panels to "
                f"draw: {', '.join(self.panels)}."
            )
        self.figure_ = self.axes_[0].figure.figure  # the whole, of a sub-figure too
        self.lines_ = []
        for axes, (name, curves) in zip(self.axes_, self.panels.items(), strict=True):
            self.lines_ += _draw(axes, curves, line_kw, band_kw)
            axes.set(xlabel="epoch", ylabel=name)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if len(curves) > 1:
                legend = axes.legend(fontsize="small", ncols=1 + len(curves) // 13)
                for text in legend.get_texts():  # names are names, whatever they hold
                    text.set_parse_math(False)
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
        """Loss and accuracy of a training and, where there are validation rows, of these.

        Training curves are means during an epoch, with dropout at work; validation curves are
        measured after it.

        Parameters
        ----------
        estimator : FashionCNN, Pipeline or search
            Fitted. Of a Pipeline the last step is taken, of a search the best estimator.
        metrics : {"loss", "accuracy"} or sequence of these, default=("loss", "accuracy")
            A panel for each.
        ax : matplotlib Axes, array-like of Axes or None, default=None
            One for each metric. None makes a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        HistoryDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        TypeError
            If there is no FashionCNN in it.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If a metric is not known, or there are more or fewer Axes than metrics.
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
        """The training of every fold.

        Parameters
        ----------
        cv_results : dict
            What `cross_validate` returns with ``return_estimator=True``.
        metrics : {"loss", "accuracy"} or sequence of these, default=("loss", "accuracy")
            A panel for each.
        ax : matplotlib Axes, array-like of Axes or None, default=None
            One for each metric. None makes a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        HistoryDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        TypeError
            If there is no FashionCNN in it.
        ValueError
            If the estimators are missing, a metric is not known, or there are more or fewer Axes
            than metrics.
        """
        if "estimator" not in cv_results:
            raise ValueError(
                "from_cv_results needs the estimator of every fold: call cross_validate with "
                "return_estimator=True."
            )
        networks = [find_network(estimator) for estimator in cv_results["estimator"]]
        panels = {}
        for metric in check_metrics(metrics):
            panels[metric] = [
                curve
                for fold, network in enumerate(networks)
                for curve in history_curves(
                    network, metric, [f"fold {fold}", f"fold {fold}, validation"], [fold, fold]
                )
            ]
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
        """The networks of a comparison: the mean over the folds of each.

        Parameters
        ----------
        comparison : Comparison
            What `compare` returned.
        metrics : {"loss", "accuracy"} or sequence of these, default=("loss", "accuracy")
            A panel for each.
        ax : matplotlib Axes, array-like of Axes or None, default=None
            One for each metric. None makes a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        HistoryDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            If no network was compared, a metric is not known, or there are more or fewer Axes than
            metrics.
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
        """The scores of a search over `epochs`: a line for each setting of the other parameters.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or successive halving
            Fitted, with `epochs` among its parameters or as its resource.
        metric : str or None, default=None
            Which score, of a search that has several. None takes that of its `refit`. Where the
            score of a fold is missing, there is no point.
        score_type : {"test", "train"}, default="test"
            Whether the rows left out are scored or those trained on, which needs
            ``return_train_score=True``.
        ax : matplotlib Axes or None, default=None
            None makes a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        HistoryDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        sklearn.exceptions.NotFittedError
            If the search is not fitted.
        ValueError
            If it was not over `epochs`, or the score is not there.
        """
        if not hasattr(search, "cv_results_"):
            raise NotFittedError(
                f"This {type(search).__name__} is not fitted yet: from_search draws cv_results_."
            )
        name, label = score_name(search, metric)
        curves = search_curves(search, name, score_type)
        return cls(panels={str(label).replace("_", " "): curves}).plot(ax, **kwargs)


def _draw(
    ax: Axes, curves: Sequence[Curve], line_kw: Mapping[str, Any], band_kw: Mapping[str, Any]
) -> list[Line2D]:
    lines: list[Line2D] = []
    for curve in curves:
        color = COLORS[curve.group % len(COLORS)]
        middle = curve.values.mean(axis=1)
        style = {
            "color": color,
            "linestyle": LINES[curve.line % len(LINES)],
            "marker": MARKERS[curve.group % len(MARKERS)],
            "markersize": 4,
            "markevery": max(1, len(middle) // 10),
        }
        lines += ax.plot(curve.epochs, middle, **{**style, "label": curve.label, **line_kw})
        if curve.values.shape[1] > 1:
            spread = curve.values.std(axis=1, ddof=1)
            band = {"color": color, "alpha": 0.15, "linewidth": 0, **band_kw}
            ax.fill_between(curve.epochs, middle - spread, middle + spread, **band)
        if curve.kept is not None:
            ax.axvline(curve.kept, color=color, linewidth=0.8, linestyle=":")
    return lines
