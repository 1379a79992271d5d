"""Class labels: their codes, as the network uses them, and their weights."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import compute_class_weight

from skfashion._utils.label_checks import abbreviate
from skfashion._utils.messages import shorten
from skfashion._utils.types import AnyArray, FloatArray


def check_classes(classes: AnyArray) -> None:
    """Raise a ValueError if there are fewer than two classes."""
    if len(classes) < 2:
        raise ValueError(
            "FashionCNN needs at least 2 classes, but got "
            + (f"one class only: {classes.tolist()[0]!r}." if len(classes) else "no classes.")
        )


def encode_labels(y: AnyArray, classes: AnyArray, name: str) -> NDArray[np.int32]:
    """Encode labels as integers: the position of each label in `classes`.

    Parameters
    ----------
    y : ndarray of shape (n,)
    classes : ndarray of shape (n_classes,)
    name : str
        The parameter's name, for messages.

    Returns
    -------
    ndarray of int32 of shape (n,)

    Raises
    ------
    ValueError
        If a label is not among the classes.
    """
    # A dict compares labels as Python does. NumPy would convert an integer 1 to a string "1".
    positions = {label: position for position, label in enumerate(classes.tolist())}
    codes = [positions.get(label, -1) for label in y.tolist()]
    if -1 in codes:
        unseen = sorted({shorten(label) for label in y.tolist() if label not in positions})
        raise ValueError(
            f"{name} holds labels that are not among the classes {abbreviate(classes.tolist())}: "
            f"{', '.join(unseen[:10])}."
        )
    return np.array(codes, dtype=np.int32)


def compute_class_weights(
    class_weight: Mapping[Any, float] | Literal["balanced"],
    classes: AnyArray,
    codes: NDArray[np.int32],
    sample_weight: FloatArray,
) -> FloatArray:
    """Compute the weight of each class.

    Parameters
    ----------
    class_weight : dict or "balanced"
        The parameter of FashionCNN.
    classes : ndarray of shape (n_classes,)
    codes : ndarray of int32 of shape (n,)
        Encoded labels of the training rows.
    sample_weight : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n_classes,)

    Raises
    ------
    ValueError
        If a weight is negative or not a finite number, or if a dict has labels that are not among
        the classes and lacks others that are.
    """
    if class_weight != "balanced":
        return _class_weights_from_dict(class_weight, classes.tolist())
    present = np.unique(codes)  # a class without rows would have an infinite weight
    weights: FloatArray = np.ones(len(classes))
    weights[present] = compute_class_weight(
        "balanced", classes=present, y=codes, sample_weight=sample_weight
    )
    return weights


def _class_weights_from_dict(class_weight: Mapping[Any, Any], labels: list[Any]) -> FloatArray:
    known = set(labels)
    absent = [label for label in class_weight if label not in known]
    unnamed = [label for label in labels if label not in class_weight]
    # As in scikit-learn's compute_class_weight: a fold may lack a class. But if another class has
    # no weight, the label is probably misspelt.
    if absent and unnamed:
        raise ValueError(
            f"class_weight names {', '.join(map(shorten, absent[:10]))}, which is not among the "
            f"classes {abbreviate(labels)}, and gives no weight to {abbreviate(unnamed)}. Is a "
            "label misspelt? Where some rows lack a class, name all classes."
        )
    for label, weight in class_weight.items():
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"class_weight={shorten(class_weight)}: expected a finite number of 0 or more "
                f"for each class, but class {shorten(label)} has {shorten(weight)}."
            )
    return np.array([class_weight.get(label, 1) for label in labels], dtype=float)
