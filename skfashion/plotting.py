"""Displays in the shape of scikit-learn's: made by ``from_...``, drawn again by ``plot``."""

from typing import NamedTuple

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.model_selection._search import BaseSearchCV

__all__ = ["HistoryDisplay"]

# Okabe and Ito 2008, "Color universal design", without yellow, which is too light for a line. Line
# styles and markers differ as well, so that nothing is lost in grey. Four and five styles share no
# factor: the first twenty pairs differ.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_LINES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v")


class Curve(NamedTuple):
    """Values over epochs.

    Parameters
    ----------
    label : str
    epochs : ndarray of shape (n_epochs,)
    values : ndarray of shape (n_epochs, n_folds)
        The mean over the folds is drawn as a line and, where there are several, one standard
        deviation to either side as a band.
    group : int
        Curves of a group have one colour and one marker.
    line : int
        Which line style.
    kept : int or None, default=None
        The epoch whose weights were kept, if it is not the last.
    """

    label: str
    epochs: np.ndarray
    values: np.ndarray
    group: int
    line: int
    kept: int | None = None


class HistoryDisplay:
    """Curves over the epochs of a training, of a search, or of the folds of a cross-validation.

    Made by `from_estimator`, `from_search` or `from_cv_results`; all parameters are stored as
    attributes.

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

    def __init__(self, *, panels):
        self.panels = panels

    def plot(self, ax=None, *, line_kw=None, band_kw=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, array-like of Axes or None, default=None
            One for each panel. None makes a figure.
        line_kw : dict or None, default=None
            Passed to ``Axes.plot``.
        band_kw : dict or None, default=None
            Passed to ``Axes.fill_between``.

        Returns
        -------
        self : HistoryDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            If the number of Axes is not that of the panels.
        """
        plt = _pyplot()
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PolyCollection
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        # "c" or "color", whichever the user writes.
        line_kw = normalize_kwargs(line_kw, Line2D)
        band_kw = normalize_kwargs(band_kw, PolyCollection)

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
        self.figure_ = self.axes_[0].figure
        self.lines_ = []
        for axes, (name, curves) in zip(self.axes_, self.panels.items(), strict=True):
            self.lines_ += _draw(axes, curves, line_kw, band_kw)
            axes.set(xlabel="epoch", ylabel=name)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if len(curves) > 1:
                axes.legend(fontsize="small", ncols=1 + len(curves) // 13)
        return self

    @classmethod
    def from_estimator(cls, estimator, *, metrics=("loss", "accuracy"), ax=None, **kwargs):
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
        TypeError
            If there is no FashionCNN in it.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If a metric is not known.
        """
        network = _network(estimator)
        panels = {
            metric: _history_curves(network, metric, ["training", "validation"], groups=[0, 1])
            for metric in _check_metrics(metrics)
        }
        return cls(panels=panels).plot(ax, **kwargs)

    @classmethod
    def from_cv_results(cls, cv_results, *, metrics=("loss", "accuracy"), ax=None, **kwargs):
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
        TypeError
            If there is no FashionCNN in it.
        ValueError
            If the estimators are missing or a metric is not known.
        """
        if "estimator" not in cv_results:
            raise ValueError(
                "from_cv_results needs the estimator of every fold: call cross_validate with "
                "return_estimator=True."
            )
        networks = [_network(estimator) for estimator in cv_results["estimator"]]
        panels = {}
        for metric in _check_metrics(metrics):
            panels[metric] = [
                curve
                for fold, network in enumerate(networks)
                for curve in _history_curves(
                    network, metric, [f"fold {fold}", f"fold {fold}, validation"], [fold, fold]
                )
            ]
        return cls(panels=panels).plot(ax, **kwargs)

    @classmethod
    def from_search(cls, search, *, metric=None, score_type="test", ax=None, **kwargs):
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
        sklearn.exceptions.NotFittedError
            If the search is not fitted.
        ValueError
            If it was not over `epochs`, or the score is not there.
        """
        if not hasattr(search, "cv_results_"):
            raise NotFittedError(
                f"This {type(search).__name__} is not fitted yet: from_search draws cv_results_."
            )
        name, label = _score_name(search, metric)
        curves = _search_curves(search, name, score_type)
        return cls(panels={str(label).replace("_", " "): curves}).plot(ax, **kwargs)


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib: python -m pip install 'skfashion[plot]'"
        ) from error
    return plt


def _draw(ax, curves, line_kw, band_kw):
    lines = []
    for curve in curves:
        color = _COLORS[curve.group % len(_COLORS)]
        middle, spread = curve.values.mean(axis=1), curve.values.std(axis=1)
        style = {
            "color": color,
            "linestyle": _LINES[curve.line % len(_LINES)],
            "marker": _MARKERS[curve.group % len(_MARKERS)],
            "markersize": 4,
            "markevery": max(1, len(middle) // 10),
        }
        lines += ax.plot(curve.epochs, middle, **{**style, "label": curve.label, **line_kw})
        if curve.values.shape[1] > 1:
            band = {"color": color, "alpha": 0.15, "linewidth": 0, **band_kw}
            ax.fill_between(curve.epochs, middle - spread, middle + spread, **band)
        if curve.kept is not None:
            ax.axvline(curve.kept, color=color, linewidth=0.8, linestyle=":")
    return lines


def _network(estimator):
    """The FashionCNN in a Pipeline or a search."""
    if hasattr(estimator, "history_"):
        return estimator
    if hasattr(estimator, "best_estimator_"):
        return _network(estimator.best_estimator_)
    if isinstance(estimator, BaseSearchCV):
        raise NotFittedError(
            f"This {type(estimator).__name__} has no best_estimator_: fit it, and with refit."
        )
    if hasattr(estimator, "steps"):
        return _network(estimator.steps[-1][1])
    from skfashion import FashionCNN

    if isinstance(estimator, FashionCNN):
        raise NotFittedError("This FashionCNN is not fitted yet: it has no history_.")
    raise TypeError(
        f"HistoryDisplay draws the history_ of a fitted FashionCNN, but got {estimator!r}."
    )


def _check_metrics(metrics):
    metrics = [metrics] if isinstance(metrics, str) else list(metrics)
    if not metrics or (unknown := set(metrics) - {"loss", "accuracy"}):
        raise ValueError(
            f"metrics={metrics if not metrics else sorted(unknown)!r}: expected 'loss', "
            "'accuracy' or both."
        )
    return metrics


def _history_curves(network, metric, labels, groups):
    curves = []
    names = (metric, f"val_{metric}")
    for line, (name, label, group) in enumerate(zip(names, labels, groups, strict=True)):
        if name in network.history_:
            values = np.array(network.history_[name])[:, None]
            kept = network.n_iter_ if network.n_iter_ < len(values) else None
            curves.append(Curve(label, np.arange(1, len(values) + 1), values, group, line, kept))
    return curves


def _score_name(search, metric):
    """What follows ``split0_test_`` in the results, and what to call it."""
    if not search.multimetric_ and metric in (None, "score", search.scoring):
        return "score", search.scoring if isinstance(search.scoring, str) else "score"
    name = metric or (search.refit if isinstance(search.refit, str) else None)
    return name, name


def _search_curves(search, name, score_type):
    results = search.cv_results_
    searched = [key.removeprefix("param_") for key in results if key.startswith("param_")]
    over = [parameter for parameter in searched if parameter.split("__")[-1] == "epochs"]
    if len(over) != 1:
        raise ValueError(
            "from_search needs a search over the parameter epochs, alone or with others, but this "
            f"one is over {', '.join(searched)}."
        )
    (epochs_name,) = over
    given = search.estimator.get_params()[epochs_name]
    resource = getattr(search, "resource", epochs_name)

    settings, curves = {}, {}
    scores = _fold_scores(search, name, score_type)
    for number, (parameters, score) in enumerate(zip(results["params"], scores, strict=True)):
        others = {key: value for key, value in parameters.items() if key != epochs_name}
        if resource != epochs_name:  # of successive halving: scores of fewer rows, say
            others[resource] = results["n_resources"][number]
        key = repr(others)
        settings[key] = others
        curves.setdefault(key, {})[parameters.get(epochs_name, given)] = score
    labels = _labels(list(settings.values()))
    found = []
    for group, (label, points) in enumerate(zip(labels, curves.values(), strict=True)):
        epochs = np.array(sorted(points))
        values = np.array([points[epoch] for epoch in epochs])
        found.append(Curve(label, epochs, values, group, line=group))
    return found


def _fold_scores(search, name, score_type):
    """Array of shape (n_candidates, n_folds)."""
    if score_type not in ("test", "train"):
        raise ValueError(f"score_type={score_type!r}: expected 'test' or 'train'.")
    results = search.cv_results_
    folds = []
    while f"split{len(folds)}_{score_type}_{name}" in results:
        folds.append(results[f"split{len(folds)}_{score_type}_{name}"])
    if not folds:
        prefix = f"mean_{score_type}_"
        known = [key.removeprefix(prefix) for key in results if key.startswith(prefix)]
        hint = f"metric: one of {', '.join(known)}" if known else "return_train_score=True"
        raise ValueError(
            f"The search has no {score_type} scores {name!r} in its cv_results_. Give {hint}."
        )
    return np.array(folds).T


def _labels(settings):
    """Settings in the words of a legend; without what stands before the parameters' own names."""
    names = {name for setting in settings for name in setting}
    short = {name: name.split("__")[-1] for name in names}
    if len(set(short.values())) < len(names):
        short = {name: name for name in names}
    return [
        ", ".join(f"{short[name]}={value}" for name, value in setting.items()) or "as given"
        for setting in settings
    ]
