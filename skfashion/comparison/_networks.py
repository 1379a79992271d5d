"""Recognize networks among estimators, read their histories, and start TensorFlow for them."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from sklearn.pipeline import Pipeline

from skfashion._classifier import FashionCNN
from skfashion._utils.steps import listen
from skfashion._utils.types import History


def contains_network(estimator: Any) -> bool:
    """Return whether a FashionCNN is among an estimator, its parameters, and all that they hold."""
    parts, seen = [estimator], set()
    while parts:
        part = parts.pop()
        if isinstance(part, FashionCNN):
            return True
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, Mapping):
            parts += part.values()
        elif isinstance(part, (list, tuple)):
            parts += part
        else:
            with suppress(Exception):  # `get_params` of a user's class may raise anything
                parts += part.get_params().values()
    return False


@cache
def start_tensorflow() -> None:
    """Start TensorFlow in this process by a tiny fit, so that no network's fit time includes it."""
    network = FashionCNN(
        filters=(1,), kernel_size=1, dense_units=1, image_shape=(1, 1), epochs=1, random_state=0
    )
    with listen(None), suppress(Exception):  # the fits raise it again
        network.fit([[0], [1]], [0, 1])


def get_history(estimator: Any) -> History | None:
    """Return the `history_` of a fitted network, a search or a Pipeline.

    Returns None if there is none, or if it is not a dict of lists of equal length as in Keras.
    """
    with suppress(Exception):  # attributes of a user's class may be and raise anything
        if isinstance(estimator, Pipeline):
            return get_history(estimator.steps[-1][1])
        if hasattr(estimator, "best_estimator_"):
            return get_history(estimator.best_estimator_)
        history = {
            str(name): [float(value) for value in values]
            for name, values in estimator.history_.items()
        }
        if "loss" in history and len({len(values) for values in history.values()}) == 1:
            return history
    return None
