"""Curves over epochs from fitted networks, comparisons and searches."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.model_selection._search import BaseSearchCV

from skfashion._utils.messages import shorten
from skfashion._utils.types import AnyArray, FloatArray
from skfashion.plotting._style import NETWORK_COLOR, shades

if TYPE_CHECKING:
    import pandas as pd

    from skfashion._classifier import FashionCNN

Metric: TypeAlias = Literal["loss", "accuracy"]


class Curve(NamedTuple):
    """Values over epochs.

    Parameters
    ----------
    label : str
    epochs : ndarray of shape (n_epochs,)
    values : ndarray of shape (n_epochs, n_folds)
        The line shows the mean over the folds. If there are several folds, a band shows one
        standard deviation to either side.
    group : int
        Index of the colour and the marker. If there are too many groups for a legend, it names
        those of the smallest indices.
    line : int
        Index of the line style.
    best_epoch : int or None, default=None
        The epoch whose weights the network has, if it is not the last.
    color : str or None, default=None
        The colour. If None, that of the group.
    """

    label: str
    epochs: AnyArray
    values: FloatArray
    group: int
    line: int
    best_epoch: int | None = None
    color: str | None = None


def find_network(estimator: Any) -> "FashionCNN":
    """Return the fitted FashionCNN, or the one at the end of a Pipeline or found by a search."""
    if hasattr(estimator, "history_"):
        return estimator
    if hasattr(estimator, "best_estimator_"):
        return find_network(estimator.best_estimator_)
    if isinstance(estimator, BaseSearchCV):
        raise NotFittedError(
            f"This {type(estimator).__name__} has no best_estimator_. Fit it with refit=True."
        )
    if hasattr(estimator, "steps"):
        return find_network(estimator.steps[-1][1])
    from skfashion._classifier import FashionCNN

    if isinstance(estimator, FashionCNN):
        raise NotFittedError("This FashionCNN is not fitted yet: it has no history_.")
    raise TypeError(
        f"HistoryDisplay draws the history_ of a fitted FashionCNN, but got {shorten(estimator)}."
    )


def check_metrics(metrics: str | Iterable[str]) -> list[str]:
    """Return the metrics as a list, or raise an error if one is unknown."""
    metrics = [metrics] if isinstance(metrics, str) else list(metrics)
    if not metrics or (unknown := set(metrics) - {"loss", "accuracy"}):
        raise ValueError(
            f"metrics={shorten(sorted(unknown) if metrics else metrics)}: expected 'loss', "
            "'accuracy' or both."
        )
    return metrics


def history_curves(
    network: "FashionCNN", metric: str, labels: Sequence[str], groups: Sequence[int]
) -> list[Curve]:
    """Return the curves of a metric for training and validation data.

    The labels and the groups are those of the training and the validation curve.
    """
    curves = []
    names = (metric, f"val_{metric}")
    for line, (name, label, group) in enumerate(zip(names, labels, groups, strict=True)):
        if name in network.history_:
            values = np.array(network.history_[name])[:, None]
            best = network.n_iter_ if network.n_iter_ < len(values) else None
            curves.append(Curve(label, np.arange(1, len(values) + 1), values, group, line, best))
    return curves


def comparison_curves(histories: "pd.DataFrame", metric: str) -> list[Curve]:
    """Return the curves of each network of a comparison, over the epochs common to all folds.

    They are drawn in shades of the networks' colour.
    """
    curves = []
    networks = histories.groupby("estimator", sort=False)
    colors = shades(NETWORK_COLOR, networks.ngroups)
    for group, (network, epochs) in enumerate(networks):
        labels = {metric: str(network), f"val_{metric}": f"{network}, validation"}
        for line, (name, label) in enumerate(labels.items()):
            if name in epochs and epochs[name].notna().any():
                values = epochs.pivot(index="epoch", columns="fold", values=name).dropna()
                xs, ys = values.index.to_numpy(), values.to_numpy()
                curves.append(Curve(label, xs, ys, group, line, color=colors[group]))
    return curves


def score_name(search: Any, metric: str | None) -> tuple[str | None, str | None]:
    """Return the metric's name in the keys of `cv_results_`, and its label for the axis."""
    if not search.multimetric_ and metric in (None, "score", search.scoring):
        if search.scoring is None:
            return "score", _default_metric(search.estimator)
        return "score", search.scoring if isinstance(search.scoring, str) else "score"
    name = metric or (search.refit if isinstance(search.refit, str) else None)
    return name, name


def _default_metric(estimator: Any) -> str:
    """Return the name of what the method `score` of an estimator measures."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    is_accuracy = getattr(type(estimator), "score", None) is ClassifierMixin.score
    return "accuracy" if is_accuracy else "score"


def search_curves(search: Any, name: str | None, score_type: str) -> list[Curve]:
    """Return a curve of scores over `epochs` for each setting of the other parameters.

    The setting with the best test score is group 0, the second best is group 1, and so on.
    """
    results = search.cv_results_
    searched = [key.removeprefix("param_") for key in results if key.startswith("param_")]
    epochs_names = [parameter for parameter in searched if parameter.split("__")[-1] == "epochs"]
    if len(epochs_names) != 1:
        raise ValueError(
            "from_search needs a search over the parameter epochs, alone or with others, but this "
            f"one is over {', '.join(searched)}."
        )
    (epochs_name,) = epochs_names
    default = search.estimator.get_params()[epochs_name]
    resource = getattr(search, "resource", epochs_name)

    settings: dict[str, dict[str, Any]] = {}
    curves: dict[str, dict[int, AnyArray]] = {}
    ranks: dict[str, int] = {}
    scores = _fold_scores(search, name, score_type)
    for number, (parameters, score) in enumerate(zip(results["params"], scores, strict=True)):
        others = {key: value for key, value in parameters.items() if key != epochs_name}
        if resource != epochs_name:  # successive halving, for example over rows
            others[resource] = results["n_resources"][number]
        key = repr(others)
        settings[key] = others
        curves.setdefault(key, {})[parameters.get(epochs_name, default)] = score
        rank = results[f"rank_test_{name}"][number]
        ranks[key] = min(rank, ranks.get(key, rank))
    labels = _labels(list(settings.values()))
    groups = {key: group for group, key in enumerate(sorted(ranks, key=ranks.__getitem__))}
    result = []
    for label, (key, points) in zip(labels, curves.items(), strict=True):
        group = groups[key]
        epochs = np.array(sorted(points))
        values = np.array([points[epoch] for epoch in epochs])
        result.append(Curve(label, epochs, values, group, line=group))
    return result


def _fold_scores(search: Any, name: str | None, score_type: str) -> FloatArray:
    """Return the scores as an array of shape (n_candidates, n_folds)."""
    if score_type not in ("test", "train"):
        raise ValueError(f"score_type={score_type!r}: expected 'test' or 'train'.")
    results = search.cv_results_
    folds: list[AnyArray] = []
    while f"split{len(folds)}_{score_type}_{name}" in results:
        folds.append(results[f"split{len(folds)}_{score_type}_{name}"])
    if not folds:
        prefix = f"mean_{score_type}_"
        known = [key.removeprefix(prefix) for key in results if key.startswith(prefix)]
        hint = f"metric to one of {', '.join(known)}" if known else "return_train_score=True"
        raise ValueError(
            f"The search has no {score_type} scores {name!r} in its cv_results_. Set {hint}."
        )
    return np.array(folds).T


def _labels(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return legend labels, without prefixes such as "fashioncnn__" unless names would clash."""
    names = {name for setting in settings for name in setting}
    short = {name: name.split("__")[-1] for name in names}
    if len(set(short.values())) < len(names):
        short = {name: name for name in names}
    return [
        ", ".join(f"{short[name]}={value}" for name, value in setting.items()) or "as given"
        for setting in settings
    ]
