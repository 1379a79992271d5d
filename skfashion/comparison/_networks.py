"""Tells networks from other estimators, and starts TensorFlow for them."""

from contextlib import suppress
from functools import cache
from typing import Any

from skfashion._classifier import FashionCNN
from skfashion._utils.types import History


def contains_network(estimator: Any) -> bool:
    """Return whether an estimator is a FashionCNN, or contains one, such as a search over it."""
    if isinstance(estimator, FashionCNN):
        return True
    with suppress(Exception):  # whatever `get_params` of a class of the user raises
        return any(isinstance(part, FashionCNN) for part in estimator.get_params().values())
    return False


@cache
def start_tensorflow() -> None:
    """Start TensorFlow in this process, once, by a tiny fit: its time is not that of a network."""
    network = FashionCNN(
        filters=(1,), kernel_size=1, dense_units=1, image_shape=(1, 1), epochs=1, random_state=0
    )
    with suppress(Exception):  # the fits to come raise it again, each in its row
        network.fit([[0], [1]], [0, 1])


def get_history(estimator: Any) -> History | None:
    """Return the `history_` of a fitted network, also in a search or at the end of a Pipeline.

    None if there is none, or it is not a dict of lists of equal length as Keras has it.
    """
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            break
    history = getattr(estimator, "history_", None)
    if not isinstance(history, dict) or "loss" not in history:
        return None
    try:
        found = {str(name): [float(value) for value in values] for name, values in history.items()}
    except (TypeError, ValueError):  # something else than lists of numbers
        return None
    return found if len({len(values) for values in found.values()}) == 1 else None
