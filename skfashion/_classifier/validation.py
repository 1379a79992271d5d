"""Checks the data that users give to a FashionCNN, and prepares them for training."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from skfashion._classifier import images
from skfashion._classifier.labels import check_classes, compute_class_weights, encode_labels
from skfashion._network.architecture import Architecture
from skfashion._training.data import TrainingData
from skfashion._utils.cache_directory import resolve_memory
from skfashion._utils.label_checks import abbreviate, check_labels
from skfashion._utils.messages import shorten
from skfashion._utils.types import AnyArray, FloatArray, ImageShape

# Weights below this share of the largest weight count as zero. Dividing by smaller ones overflows.
_NEGLIGIBLE = 1e-290


class Rows(NamedTuple):
    """Checked rows with a positive weight. They refer to the user's pixels without copying them.

    Parameters
    ----------
    X : ndarray of shape (n_given, features)
        Pixels of all rows that the user gave.
    positions : ndarray of int of shape (n,)
        Positions of these rows in X.
    lowest, highest : ndarray of shape (n,)
        Smallest and largest pixel of each row.
    labels : ndarray of int32 of shape (n,)
        Encoded labels.
    weights : ndarray of float64 of shape (n,)
        The largest is 1.
    """

    X: AnyArray
    positions: NDArray[np.intp]
    lowest: AnyArray
    highest: AnyArray
    labels: NDArray[np.int32]
    weights: FloatArray

    @classmethod
    def from_arrays(
        cls, X: AnyArray, labels: NDArray[np.int32], sample_weight: FloatArray
    ) -> "Rows":
        """Make Rows of all rows in X that have a positive weight."""
        rows = cls(X, np.arange(len(X)), X.min(axis=1), X.max(axis=1), labels, sample_weight)
        return rows.with_weights(sample_weight)

    def take(self, which: AnyArray) -> "Rows":
        """Return the rows that a mask or positions select."""
        return Rows(
            self.X,
            self.positions[which],
            self.lowest[which],
            self.highest[which],
            self.labels[which],
            self.weights[which],
        )

    @np.errstate(under="ignore")  # weights far below the largest become 0
    def with_weights(self, weights: FloatArray) -> "Rows":
        """Replace the weights, and drop the rows of zero weight.

        Dropped rows do not count as members of a batch. The largest weight becomes 1: only the
        ratios of weights matter, and products of weights up to 1 do not overflow.

        Raises
        ------
        ValueError
            If no row is left.
        """
        largest = weights.max()
        if not largest > 0:
            raise ValueError(
                "No row has a positive weight: sample_weight or class_weight are all 0."
            )
        rows = self._replace(weights=weights / largest)
        kept = rows.weights > _NEGLIGIBLE
        return rows if kept.all() else rows.take(kept)


def check_memory(clf: Any) -> Path | None:
    """Return the directory where `fit` stores epochs, or None if it stores none.

    Raises
    ------
    ValueError
        If `memory` is not a directory, or is used without an integer `random_state`.
    """
    directory = resolve_memory(clf.memory)
    if directory is None or clf.warm_start:
        return None
    if not isinstance(clf.random_state, Integral):
        raise ValueError(
            f"memory={shorten(clf.memory)} needs an integer random_state, by which a training is "
            f"found again, but random_state is {clf.random_state!r}."
        )
    return directory


def check_partial_fit_parameters(clf: Any) -> None:
    """Raise a ValueError for parameters that need all rows at once."""
    for name, is_used in (
        ("early_stopping", clf.early_stopping),
        ("validation_fraction", clf.validation_fraction > 0),
        ("class_weight", clf.class_weight == "balanced"),
    ):
        if is_used:
            raise ValueError(
                f"partial_fit does not work with {name}={getattr(clf, name)!r}, which needs all "
                "rows at once. Use fit, or set it back to its default."
            )


def check_images(clf: Any, X: Any, name: str = "X") -> AnyArray:
    """Check images for prediction, and return them as rows of features.

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
        If they differ in size or feature names from the training images.
    TypeError
        If X is sparse.
    """
    X, layout = images.flatten(X, name)
    images.check_several(X, name)
    with _add_advice(clf, X, layout, name):
        X = validate_data(clf, X, dtype="numeric", reset=False)
        images.check_layout(clf.image_shape_, layout, name)
    images.check_numbers(X, name)
    return X


@contextmanager
def _add_advice(clf: Any, X: Any, layout: ImageShape | None, name: str) -> Iterator[None]:
    """Add the probable mistake to errors about images of another shape than in training."""
    try:
        yield
    except ValueError as error:
        shape = X.shape if layout is None else (len(X), *layout)
        advice = images.find_mistake(shape, clf.image_shape_, clf.n_features_in_, name)
        if not advice:
            raise
        separator = "" if str(error).endswith("\n") else " "  # after scikit-learn's list of names
        raise ValueError(f"{error}{separator}{advice}") from error


def check_rows(
    clf: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    classes: AnyArray | None,
    reset: bool,
    min_samples: int = 1,
) -> Rows:
    """Check training rows, and encode their labels.

    Parameters
    ----------
    clf : FashionCNN
        Its `classes_` are set and, if `reset` is true, `n_features_in_`, `feature_names_in_` and
        `image_shape_`. Otherwise the rows must agree with these.
    X, y, sample_weight : array-like
    classes : ndarray or None
        The sorted labels that y may have. If None, those that it has.
    reset : bool
    min_samples : int, default=1

    Returns
    -------
    Rows

    Raises
    ------
    ValueError
        If the network cannot be trained on them.
    TypeError
        If X is sparse.
    """
    check_labels(y)
    X, layout = images.flatten(X)
    images.check_several(X)
    with nullcontext() if reset else _add_advice(clf, X, layout, "X"):
        X, y = validate_data(
            clf, X, y, dtype="numeric", reset=reset, ensure_min_samples=min_samples
        )
        if not reset and (clf.image_shape is not None or layout is not None):
            shape = images.choose_image_shape(clf.image_shape, layout, X.shape[1])
            images.check_layout(clf.image_shape_, shape)
    images.check_numbers(X)
    check_classification_targets(y)
    if reset:
        clf.image_shape_ = images.choose_image_shape(clf.image_shape, layout, X.shape[1])
        if clf.image_shape is None and layout is None:
            images.warn_if_not_square(X.shape[1])
    if clf.shift >= min(clf.image_shape_):
        raise ValueError(
            f"shift={shorten(clf.shift)} may move images out of sight: these have "
            f"{clf.image_shape_[0]} x {clf.image_shape_[1]} pixels."
        )
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    clf.classes_ = np.unique(y) if classes is None else classes
    check_classes(clf.classes_)
    return Rows.from_arrays(X, encode_labels(y, clf.classes_, "y"), weights)


@np.errstate(under="ignore")  # products of weights far below the largest become 0
def prepare_data(
    clf: Any,
    architecture: Architecture,
    rows: Rows,
    X_val: Any = None,
    y_val: Any = None,
    sample_weight_val: Any = None,
    *,
    min_classes: int = 1,
) -> TrainingData:
    """Choose the validation rows, weigh the classes, and scale the pixels.

    Parameters
    ----------
    clf : FashionCNN
        With the attributes that `check_rows` sets. In a new training its `pixel_max_` and related
        attributes are set.
    architecture : Architecture
    rows : Rows
        Rows to train on, before some are set aside for validation.
    X_val, y_val, sample_weight_val : array-like or None
        Validation rows that the user gives to `fit`.
    min_classes : int, default=1
        How many classes the training rows must have.

    Returns
    -------
    TrainingData

    Raises
    ------
    ValueError
        If there are no such validation rows, too few classes, or a pixel is too large for `dtype`.
    TypeError
        If X_val is sparse.
    """
    validation: Rows | None = None
    if any(part is not None for part in (X_val, y_val, sample_weight_val)):
        validation = _check_validation_rows(clf, X_val, y_val, sample_weight_val)
    elif clf.validation_fraction > 0:
        rows, validation = _split_rows(clf, rows)
    elif clf.early_stopping:
        raise ValueError(
            "early_stopping=True needs validation rows: give X_val and y_val to fit, or set "
            "validation_fraction above 0."
        )
    if clf.class_weight is not None:
        weights = compute_class_weights(clf.class_weight, clf.classes_, rows.labels, rows.weights)
        weights /= weights[rows.labels].max() or 1
        rows = rows.with_weights(rows.weights * weights[rows.labels])
    if len(np.unique(rows.labels)) < min_classes:
        raise ValueError(
            "The rows of positive sample_weight and class_weight are of one class only: "
            f"FashionCNN needs at least {min_classes} classes."
        )
    if clf.n_iter_ == 0:
        clf._signed = bool(rows.lowest.min() < 0)
        clf.pixel_max_, clf._typical_max = images.measure_scale(rows.lowest, rows.highest)
    # The network takes both in one dtype: bytes only if both are bytes. The bits are equal.
    keep_bytes = validation is None or validation.X.dtype == rows.X.dtype

    def scale(part: Rows, name: str, validation: TrainingData | None = None) -> TrainingData:
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
        weights = (part.weights / part.weights.mean()).astype(architecture.dtype)
        return TrainingData(pixels, part.labels, weights, validation)

    return scale(rows, "X", validation and scale(validation, "X_val"))


def _split_rows(clf: Any, rows: Rows) -> tuple[Rows, Rows]:
    """Split into training and validation rows, stratified by class."""
    try:
        training, validation = train_test_split(
            np.arange(len(rows.labels)),
            test_size=float(clf.validation_fraction),
            stratify=rows.labels,
            random_state=clf._seed,
        )
    except ValueError as error:
        n_rows = np.bincount(rows.labels, minlength=len(clf.classes_))
        single = clf.classes_[n_rows == 1].tolist()
        # scikit-learn's message would have the encoded labels.
        reason = f"only one row has the label {abbreviate(single)[1:-1]}" if single else error
        raise ValueError(
            f"validation_fraction={clf.validation_fraction!r} of {len(rows.labels)} rows cannot "
            f"be set aside so that each class is on either side ({reason}). Give more rows, "
            "another fraction, or X_val and y_val."
        ) from error
    return rows.take(training), rows.take(validation)


def _check_validation_rows(clf: Any, X_val: Any, y_val: Any, sample_weight_val: Any) -> Rows:
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
    return Rows.from_arrays(X_val, encode_labels(y_val, clf.classes_, "y_val"), weights)
