"""Rows, labels and weights as the user gives them become checked arrays."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from skfashion._classifier import images
from skfashion._network.architecture import Architecture
from skfashion._training.data import TrainingData
from skfashion._utils.label_checks import abbreviate, check_labels
from skfashion._utils.types import AnyArray, FloatArray

# A share of the largest weight that counts as zero: what is less, nothing can be divided by.
_NEGLIGIBLE = 1e-290


class Rows(NamedTuple):
    """Checked rows: some of those that the user gave, whose pixels are not copied.

    Parameters
    ----------
    X : ndarray of shape (n_given, features)
        Pixels of all rows that were given.
    positions : ndarray of int of shape (n,)
        Of these rows in X.
    lowest, highest : ndarray of shape (n,)
        Pixel of each row.
    labels : ndarray of int32 of shape (n,)
        Encoded: positions among the classes.
    weights : ndarray of float64 of shape (n,)
    """

    X: AnyArray
    positions: NDArray[np.intp]
    lowest: AnyArray
    highest: AnyArray
    labels: NDArray[np.int32]
    weights: FloatArray

    @classmethod
    def of(cls, X: AnyArray, labels: NDArray[np.int32], weights: FloatArray) -> "Rows":
        """Make the rows of all pixels in X."""
        return cls(X, np.arange(len(X)), X.min(axis=1), X.max(axis=1), labels, weights)

    def take(self, which: AnyArray) -> "Rows":
        """Return some of the rows, by a mask or by positions."""
        return Rows(
            self.X,
            self.positions[which],
            self.lowest[which],
            self.highest[which],
            self.labels[which],
            self.weights[which],
        )


def check_images(clf: Any, X: Any, name: str = "X") -> AnyArray:
    """Check images to predict, and return them as rows of features.

    Parameters
    ----------
    clf : FashionCNN
        Fitted.
    X : array-like
    name : str, default="X"
        The parameter's name, for messages.

    Raises
    ------
    ValueError
        If they are not like those of `fit`.
    TypeError
        If X is sparse.
    """
    X, layout = images.flatten(X, name)
    images.check_several(X, name)
    given = X.shape
    try:
        X = validate_data(clf, X, dtype="numeric", reset=False)
        images.check_layout(clf.image_shape_, layout, name)
    except ValueError as error:
        shape = given if layout is None else (given[0], *layout)
        advice = images.find_mistake(shape, clf.image_shape_, clf.n_features_in_, name)
        if not advice:
            raise
        raise ValueError(f"{error} {advice}") from error
    images.check_numbers(X, name)
    return X


def check_rows(
    clf: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool, min_samples: int = 1
) -> tuple[AnyArray, AnyArray, FloatArray]:
    """Check rows to train on.

    Parameters
    ----------
    clf : FashionCNN
        Is given `n_features_in_`, `feature_names_in_` and `image_shape_` if `reset` is true;
        otherwise the rows must agree with them.
    X, y, sample_weight : array-like
    reset : bool
    min_samples : int, default=1

    Returns
    -------
    X : ndarray of shape (n, features)
    y : ndarray of shape (n,)
    weights : ndarray of float64 of shape (n,)

    Raises
    ------
    ValueError
        If they cannot be trained on.
    TypeError
        If X is sparse.
    """
    check_labels(y)
    X, layout = images.flatten(X)
    images.check_several(X)
    X, y = validate_data(clf, X, y, dtype="numeric", reset=reset, ensure_min_samples=min_samples)
    images.check_numbers(X)
    check_classification_targets(y)
    if reset:
        clf.image_shape_ = images.choose_image_shape(clf.image_shape, layout, X.shape[1])
        if clf.image_shape is None and layout is None:
            images.warn_if_not_square(X.shape[1])
    elif clf.image_shape is not None or layout is not None:
        shape = images.choose_image_shape(clf.image_shape, layout, X.shape[1])
        images.check_layout(clf.image_shape_, shape)
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    return X, y, weights


def encode_labels(y: AnyArray, classes: AnyArray, name: str) -> NDArray[np.int32]:
    """Encode labels as their positions among the classes.

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
            f"{name} holds labels that are not among the classes {abbreviate(classes.tolist())}: "
            f"{', '.join(unseen[:10])}."
        )
    return np.array(codes, dtype=np.int32)


def encode_rows(X: AnyArray, y: AnyArray, weights: FloatArray, classes: AnyArray) -> Rows:
    """Encode the labels of checked rows, and drop the rows of zero weight."""
    return drop_zero_weights(Rows.of(X, encode_labels(y, classes, "y"), weights))


def drop_zero_weights(rows: Rows) -> Rows:
    """Keep the rows of positive weight, and scale the largest weight to 1.

    The others must not count, not even as members of a batch. Only the ratios of weights matter,
    and weights of 1 at the most stay in range whatever they are multiplied with.

    Raises
    ------
    ValueError
        If no row is left.
    """
    largest = rows.weights.max()
    if not largest > 0:
        raise ValueError("No row has a positive weight: sample_weight or class_weight are all 0.")
    rows = rows._replace(weights=rows.weights / largest)
    kept = rows.weights > _NEGLIGIBLE
    return rows if kept.all() else rows.take(kept)


def weigh_classes(
    rows: Rows, class_weight: Mapping[Any, float] | Literal["balanced"] | None, classes: AnyArray
) -> Rows:
    """Multiply class weights into the weights of rows.

    Raises
    ------
    ValueError
        If a weight is negative or no finite number; or a dict names what is not among `classes`,
        and not all of them.
    """
    if class_weight is None:
        return rows
    if class_weight == "balanced":
        # A class without rows would have an infinite weight.
        present = np.unique(rows.labels)
        factors: FloatArray = np.ones(len(classes))
        factors[present] = compute_class_weight(
            "balanced", classes=present, y=rows.labels, sample_weight=rows.weights
        )
    else:
        factors = _class_factors(class_weight, classes.tolist())
    factors /= factors[rows.labels].max() or 1
    return drop_zero_weights(rows._replace(weights=rows.weights * factors[rows.labels]))


def _class_factors(class_weight: Mapping[Any, Any], labels: list[Any]) -> FloatArray:
    known = set(labels)
    absent = [label for label in class_weight if label not in known]
    unnamed = [label for label in labels if label not in class_weight]
    # As scikit-learn's compute_class_weight: a fold may lack a class, but where there is also one
    # without a weight, the name is more likely misspelt.
    if absent and unnamed:
        raise ValueError(
            f"class_weight names {', '.join(map(repr, absent[:10]))}, which is not among the "
            f"classes {abbreviate(labels)}, and gives no weight to {abbreviate(unnamed)}. Is a "
            "label misspelt? Where some rows lack a class, name all classes."
        )
    for label, weight in class_weight.items():
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"class_weight={class_weight!r}: expected a finite number of 0 or more for each "
                f"class, but class {label!r} has {weight!r}."
            )
    return np.array([class_weight.get(label, 1) for label in labels], dtype=float)


def require_two_classes(rows: Rows) -> None:
    """Refuse to learn where there is nothing to tell apart."""
    if len(np.unique(rows.labels)) < 2:
        raise ValueError(
            "The rows of positive sample_weight and class_weight are of one class only: "
            "FashionCNN needs at least 2 classes."
        )


def split_rows(
    rows: Rows, validation_fraction: float, seed: int, classes: AnyArray
) -> tuple[Rows, Rows]:
    """Set rows aside for validation, stratified by class.

    Parameters
    ----------
    rows : Rows
    validation_fraction : float
    seed : int
    classes : ndarray of shape (n_classes,)
        The labels, for messages.

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
            np.arange(len(rows.labels)),
            test_size=float(validation_fraction),
            stratify=rows.labels,
            random_state=seed,
        )
    except ValueError as error:
        single = classes[np.bincount(rows.labels, minlength=len(classes)) == 1].tolist()
        # scikit-learn would name the encoded labels.
        reason = f"only one row has the label {abbreviate(single)[1:-1]}" if single else error
        raise ValueError(
            f"validation_fraction={validation_fraction!r} of {len(rows.labels)} rows cannot be set "
            f"aside so that each class is on either side ({reason}). Give more rows, another "
            "fraction, or X_val and y_val."
        ) from error
    return rows.take(training), rows.take(validation)


def check_validation_rows(clf: Any, X_val: Any, y_val: Any, sample_weight_val: Any) -> Rows:
    """Check the validation rows that the user gives to `fit`.

    Parameters
    ----------
    clf : FashionCNN
        With `classes_` and the attributes that `check_rows` sets.
    X_val, y_val : array-like
    sample_weight_val : array-like or None

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
        parts = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        given = " and ".join(name for name, part in parts.items() if part is not None)
        missing = "X_val" if X_val is None else "y_val"
        raise ValueError(f"{given} was given without {missing}: validation needs X_val and y_val.")
    try:
        X_val = check_images(clf, X_val, "X_val")
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
    try:
        weights = _check_sample_weight(
            sample_weight_val, X_val, dtype=np.float64, ensure_non_negative=True
        )
    except ValueError as error:
        raise ValueError(f"sample_weight_val does not suit X_val. {error}") from error
    return drop_zero_weights(Rows.of(X_val, encode_labels(y_val, clf.classes_, "y_val"), weights))


def prepare_data(
    clf: Any, architecture: Architecture, rows: Rows, validation: Rows | None
) -> TrainingData:
    """Turn checked rows into what the network trains on.

    Parameters
    ----------
    clf : FashionCNN
        With `image_shape_` and `pixel_max_`.
    architecture : Architecture
    rows : Rows
        To train on.
    validation : Rows or None

    Returns
    -------
    TrainingData

    Raises
    ------
    ValueError
        If a pixel is too large for `dtype`.
    """
    # A network takes both in one dtype. The bits are equal either way.
    keep_bytes = validation is None or validation.X.dtype == rows.X.dtype

    def prepare(part: Rows, name: str, **validation: TrainingData) -> TrainingData:
        pixels = images.prepare(
            part.X,
            clf.image_shape_,
            architecture.image_shape,
            clf.pixel_max_,
            architecture.dtype,
            positions=part.positions,
            keep_bytes=keep_bytes,
            name=name,
        )
        images.warn_if_scale_differs(part.lowest, part.highest, clf._typical_max, name=name)
        with np.errstate(under="ignore"):  # what is too small beside the others is 0 in `dtype`
            weights = (part.weights / part.weights.mean()).astype(architecture.dtype)
        return TrainingData(pixels, part.labels, weights, **validation)

    if validation is None:
        return prepare(rows, "X")
    return prepare(rows, "X", validation=prepare(validation, "X_val"))
