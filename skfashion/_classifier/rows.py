"""The rows a network learns from: their labels as codes, their weights, and who validates."""

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import column_or_1d, compute_class_weight

from skfashion._utils.types import AnyArray, FloatArray


class Rows(NamedTuple):
    """Rows to train on or to validate by.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        Pixels, in rows of features or as images.
    codes : ndarray of shape (n,), int32
        Positions of the labels among the classes.
    weights : ndarray of shape (n,), float
    """

    X: AnyArray
    codes: NDArray[np.int32]
    weights: FloatArray

    def take(self, which: AnyArray) -> "Rows":
        """Some of the rows, by a mask or by positions."""
        return Rows(self.X[which], self.codes[which], self.weights[which])


def check_labels(y: Any, name: str = "y") -> None:
    """Refuse labels that are missing, or are neither strings nor an array of numbers.

    Of numbers, and of what is no column of labels at all, scikit-learn's own checks tell better.

    Raises
    ------
    ValueError
        Naming the parameter `name`.
    """
    try:
        labels = np.asarray(y)
    except ValueError:  # rows of several lengths
        return
    if labels.ndim == 0 or labels.size != len(labels):
        return
    missing = {"NaT"} if labels.dtype.kind in "mM" and np.isnat(labels).any() else set()
    values = labels.ravel().tolist() if labels.dtype.kind in "OS" else []
    missing |= {str(value) for value in values if _is_missing(value)}
    if missing:
        raise ValueError(
            f"Unknown label type: {name} has missing labels ({', '.join(sorted(missing))}): "
            "expected a label for each row."
        )
    if not all(isinstance(value, str) for value in values):
        types = sorted({type(value).__name__ for value in values})
        raise ValueError(
            f"Unknown label type: {name} has labels of the type{'s' * (len(types) > 1)} "
            f"{' and '.join(types)}: expected strings alone, or an array of numbers."
        )


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # pandas'
        return True
    return isinstance(value, float) and np.isnan(value)


def encode(y: AnyArray, classes: AnyArray, name: str) -> NDArray[np.int32]:
    """Positions of labels among the classes.

    Raises
    ------
    ValueError
        If there is a label that is no class, naming the parameter `name`.
    """
    # A dict compares labels as Python does: no 1 becomes a "1" on the way, as NumPy would have it.
    positions = {label: position for position, label in enumerate(classes.tolist())}
    codes = [positions.get(label, -1) for label in y.tolist()]
    if -1 in codes:
        unseen = sorted({repr(label) for label in y.tolist() if label not in positions})
        raise ValueError(
            f"{name} holds labels that are not among the classes {classes.tolist()}: "
            f"{', '.join(unseen[:10])}."
        )
    return np.array(codes, dtype=np.int32)


def drop_weightless(rows: Rows) -> Rows:
    """The rows of positive weight, the largest weight 1.

    The others must not count, not even as members of a batch. Only the ratios of weights matter,
    and weights of 1 at the most stay in range whatever they are multiplied with.

    Raises
    ------
    ValueError
        If no row is left.
    """
    kept = rows.weights > 0
    if not kept.any():
        raise ValueError("No row has a positive weight: sample_weight or class_weight are all 0.")
    rows = rows._replace(weights=rows.weights / rows.weights.max())
    return rows if kept.all() else rows.take(kept)


def weigh_classes(
    rows: Rows, class_weight: Mapping[Any, float] | Literal["balanced"] | None, classes: AnyArray
) -> Rows:
    """Multiply class weights into the weights of rows.

    Raises
    ------
    ValueError
        If a weight is negative or no finite number, or a class is not among `classes`.
    """
    if class_weight is None:
        return rows
    if class_weight == "balanced":
        # A class without rows would have an infinite weight.
        present = np.unique(rows.codes)
        factors: FloatArray = np.ones(len(classes))
        factors[present] = compute_class_weight(
            "balanced", classes=present, y=rows.codes, sample_weight=rows.weights
        )
    else:
        factors = _class_factors(class_weight, classes.tolist())
    factors /= factors.max() or 1
    return drop_weightless(rows._replace(weights=rows.weights * factors[rows.codes]))


def _class_factors(class_weight: Mapping[Any, Any], labels: list[Any]) -> FloatArray:
    for label, weight in class_weight.items():
        if label not in labels:
            raise ValueError(
                f"class_weight names {label!r}, which is not among the classes {labels}."
            )
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"class_weight={class_weight!r}: expected a finite number of 0 or more for each "
                f"class, but class {label!r} has {weight!r}."
            )
    return np.array([class_weight.get(label, 1) for label in labels], dtype=float)


def require_two_classes(rows: Rows) -> None:
    """Refuse to learn where there is nothing to tell apart."""
    if len(np.unique(rows.codes)) < 2:
        raise ValueError(
            "The rows of positive sample_weight and class_weight are of one class only: "
            "FashionCNN needs at least 2 classes."
        )


def split(rows: Rows, validation_fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Set rows aside for validation, stratified by class.

    Returns
    -------
    training, validation : Rows

    Raises
    ------
    ValueError
        If not each class has a row on either side.
    """
    try:
        training, validation = train_test_split(
            np.arange(len(rows.codes)),
            test_size=validation_fraction,
            stratify=rows.codes,
            random_state=seed,
        )
    except ValueError as error:
        raise ValueError(
            f"validation_fraction={validation_fraction!r} of {len(rows.codes)} rows cannot be set "
            f"aside so that each class is on either side ({error}). Give more rows, another "
            "fraction, or X_val and y_val."
        ) from error
    return rows.take(training), rows.take(validation)


def given_validation(
    X_val: Any,
    y_val: Any,
    *,
    check_images: Callable[[ArrayLike, str], AnyArray],
    classes: AnyArray,
) -> Rows:
    """The user's validation rows, checked.

    Parameters
    ----------
    X_val, y_val : array-like
    check_images : callable
        ``check_images(X, name)`` returns images like those of the training.
    classes : ndarray

    Returns
    -------
    Rows

    Raises
    ------
    ValueError
        If one is missing, or they suit neither the training rows nor each other.
    TypeError
        If X_val is sparse.
    """
    if X_val is None or y_val is None:
        given, missing = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
        raise ValueError(f"{given} was given without {missing}: validation needs both.")
    try:
        X_val = check_images(X_val, "X_val")
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"X_val does not suit X. {error}") from error
    try:
        y_val = column_or_1d(y_val, warn=True)
    except ValueError as error:
        raise ValueError(f"y_val does not suit y. {error}") from error
    if len(X_val) != len(y_val):
        raise ValueError(
            f"X_val and y_val must be of equal length, but have {len(X_val)} and {len(y_val)} rows."
        )
    return Rows(X_val, encode(y_val, classes, "y_val"), np.ones(len(y_val)))
