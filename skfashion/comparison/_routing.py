"""Route groups and metadata, such as sample weights, as `cross_validate` does."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn import get_config
from sklearn.metrics import get_scorer
from sklearn.utils import check_consistent_length
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from skfashion._utils.messages import shorten
from skfashion._utils.types import AnyArray


class RoutedMetadata(NamedTuple):
    """Metadata of one estimator.

    Parameters
    ----------
    fit : dict
        Arguments of `fit`, for all rows of X.
    score : dict of str to dict
        Arguments of each scorer, by metric.
    """

    fit: Mapping[str, Any]
    score: Mapping[str, Mapping[str, Any]]


def route(
    estimators: Mapping[str, Any],
    metrics: Mapping[str, Any],
    splitter: Any,
    y: AnyArray,
    groups: Any,
    params: Mapping[str, Any] | None,
) -> tuple[Any, dict[str, RoutedMetadata]]:
    """Return the groups for the splitter, and the metadata for each estimator.

    Parameters
    ----------
    estimators, metrics : dict
    splitter : cross-validation generator
    y : ndarray
    groups : array-like or None
    params : dict or None

    Raises
    ------
    TypeError
        If `params` is not a dict.
    ValueError
        If `groups` or the sample weights have another length than y, or `groups` is given while
        metadata routing is enabled.
    sklearn.exceptions.UnsetMetadataPassedError
        If metadata routing is enabled, and an estimator or a scorer has neither requested nor
        rejected some of the metadata.
    """
    if not (params is None or isinstance(params, Mapping)):
        raise TypeError(f"params={shorten(params)}: expected a dict of names to metadata, or None.")
    params = dict(params or {})
    if groups is not None:
        check_consistent_length(y, groups)
    if (weights := params.get("sample_weight")) is not None and np.ndim(weights):
        check_consistent_length(y, weights)
    if not get_config()["enable_metadata_routing"]:
        return groups, {name: RoutedMetadata(params, {}) for name in estimators}
    if groups is not None:
        raise ValueError("groups: with metadata routing enabled, pass params={'groups': ...}.")
    to_fit, to_score, to_split = (
        MethodMapping().add(caller="fit", callee=method) for method in ("fit", "score", "split")
    )
    scorers = {f"metric {name}": get_scorer(metric) for name, metric in metrics.items()}
    routed = {}
    for name, estimator in estimators.items():
        router = MetadataRouter(owner="compare")
        router.add(splitter=splitter, method_mapping=to_split)
        router.add(estimator=estimator, method_mapping=to_fit)
        router.add(method_mapping=to_score, **scorers)
        found = process_routing(router, "fit", **params)
        scores = {metric: found[f"metric {metric}"].score for metric in metrics}
        routed[name] = RoutedMetadata(found.estimator.fit, scores)
        groups = found.splitter.split.get("groups")
    return groups, routed


def take_rows(metadata: Mapping[str, Any], n_rows: int, rows: AnyArray | None) -> dict[str, Any]:
    """Return the metadata of some rows. Only values with an entry for each row are indexed."""
    from sklearn.utils.validation import _check_method_params

    return _check_method_params(np.empty(n_rows), metadata, rows)
