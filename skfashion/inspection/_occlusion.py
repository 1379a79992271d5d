"""How far a probability falls when parts of an image are covered."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils._param_validation import HasMethods, Interval, validate_params
from sklearn.utils.validation import check_is_fitted

from skfashion._classifier import images as _images
from skfashion._utils.labels import abbreviate
from skfashion._utils.types import AnyArray, FloatArray, ImageShape
from skfashion.datasets import ImageFileReader

# Pixels that are handed to the estimator at a time: all 1,024 covered images of 28x28 pixels, and
# 32 MB of the largest dtype.
_PIXELS_AT_A_TIME = 2**22


@validate_params(
    {
        "estimator": [HasMethods("predict_proba")],
        "image": ["array-like"],
        "label": "no_validation",
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "stride": [Interval(Integral, 1, None, closed="left")],
        "fill": [Real],
        "image_shape": ["array-like", None],
    },
    prefer_skip_nested_validation=False,  # the estimator is the user's, its checks are its own
)
def occlusion_map(
    estimator: Any,
    image: ArrayLike,
    *,
    label: Any = None,
    patch_size: int = 5,
    stride: int = 1,
    fill: float = 0.0,
    image_shape: ImageShape | None = None,
) -> NDArray[np.float64]:
    """Which pixels of an image carry the decision of a classifier.

    A square patch is moved over the image, and what it hides is covered by `fill` [1]_. The value
    of a pixel is the mean, over all patches that cover it, of how far the probability of the class
    falls: positive where the pixel speaks for the class, negative where it speaks against it.

    Every classifier is asked the same questions and answers in the same unit, so that the maps of
    a network and of a random forest can be held against each other.

    Parameters
    ----------
    estimator : classifier
        Fitted, with `predict_proba`: a FashionCNN, a Pipeline, a search, or any other. Of a
        Pipeline that begins with an ImageFileReader what comes after it, ``pipeline[1:]``, whose
        images are the rows that it made, ``pipeline[:1].transform(pictures)``.
    image : array-like of shape (features,), (rows, columns), (rows, columns, 1) or (1, features)
        One image, in numbers as the estimator was fitted to, or a DataFrame of one row. The
        estimator is given rows of the same dtype, and of the same names where there are any.
    label : label or None, default=None
        The class whose probability is followed, one of the estimator's `classes_`. None takes the
        most probable.
    patch_size : int, default=5
        Rows and columns of the patch, at least 1 and at most the longer side of the image. Beyond
        the border it is cut off, so that as many patches cover a pixel there as elsewhere.
    stride : int, default=1
        Step between neighbouring patches, at least 1 and at most `patch_size`. 1 covers every
        pixel ``patch_size ** 2`` times, 2 needs a quarter of the time. One patch begins at the
        first pixel.
    fill : float, default=0.0
        What the patch is filled with, a number of the image's dtype. 0 is the background of
        Fashion-MNIST.
    image_shape : tuple of two int or None, default=None
        Rows and columns, at least 1. None takes what the layout tells, else `image_shape_` of a
        FashionCNN, else the smallest square.

    Returns
    -------
    means : ndarray of shape (rows, columns), float64
        Between -1 and 1. A square's pixels beyond the features are 0.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If a parameter is out of its range, there are several images, a pixel is not finite, the
        image is not of the size that the estimator was fitted to, or that begins with an
        ImageFileReader.
    TypeError
        If the estimator has no `predict_proba`, or a parameter is of another type.

    See Also
    --------
    OcclusionDisplay : Draws the maps of one or several classifiers.
    sklearn.inspection.permutation_importance : What a feature is worth over many rows.

    Notes
    -----
    Covering one part says nothing of two parts that would do alone: where either handle of a bag
    is enough, none falls. And a covered image is one that the estimator was never trained on.

    On 28 x 28 pixels the defaults take 1,024 predictions at the most: patches that change nothing,
    on a background of `fill`, are not asked for.

    References
    ----------
    .. [1] Zeiler and Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014,
       section 4.2, arXiv 1311.2901.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skfashion.datasets import load_fashion_mini
    >>> from skfashion.inspection import occlusion_map
    >>> X, y = load_fashion_mini(return_X_y=True)
    >>> forest = RandomForestClassifier(random_state=0).fit(X[:1000], y[:1000])
    >>> occlusion_map(forest, X[1000]).shape
    (28, 28)
    """
    check_takes_rows(estimator)
    pixels, shape, frame = _read(image, estimator, image_shape)
    patch_size, stride = int(patch_size), int(stride)  # NumPy's small integers would overflow
    _check_patches(patch_size, stride, shape)
    filling = _as_pixel(fill, pixels.dtype)
    classes = _classes(estimator)
    chosen = None if label is None else class_index(label, classes)

    grid = np.zeros(math.prod(shape), dtype=pixels.dtype)
    grid[: pixels.size] = pixels
    grid = grid.reshape(shape)
    down, across = (_places(length, patch_size, stride) for length in shape)
    changes = down @ (grid != filling) @ across.T  # of each patch, whether it changes the image
    changing = np.argwhere(changes)

    falls = np.zeros(changes.shape)
    n_rows = max(1, _PIXELS_AT_A_TIME // grid.size - 1)
    for start in range(0, max(1, len(changing)), n_rows):
        i, j = changing[start : start + n_rows].T
        rows = _cover(grid, down[i], across[j], filling)[:, : pixels.size]
        probabilities = _probabilities(estimator, _like(frame, rows), classes)
        if chosen is None:
            chosen = int(probabilities[0].argmax())
        falls[i, j] = probabilities[0, chosen] - probabilities[1:, chosen]
    means = (down.T @ falls @ across) / np.outer(down.sum(axis=0), across.sum(axis=0))
    means.flat[pixels.size :] = 0
    return means


def check_takes_rows(estimator: Any) -> None:
    """Refuse what is not fitted, and what reads pictures, of which no pixel can be covered."""
    check_is_fitted(estimator)
    pipeline = getattr(estimator, "best_estimator_", estimator)
    if isinstance(pipeline, Pipeline) and isinstance(pipeline[0], ImageFileReader):
        raise ValueError(
            "estimator begins with an ImageFileReader: expected what comes after it, pipeline[1:], "
            "and images that it made, pipeline[:1].transform(pictures)."
        )


def own_shape(estimator: Any) -> ImageShape | None:
    """Rows and columns of the images that a FashionCNN was fitted to; None of all others."""
    return getattr(estimator, "image_shape_", None)


def _read(
    image: Any, estimator: Any, image_shape: ImageShape | None
) -> tuple[AnyArray, ImageShape, Any]:
    """Pixels in a row, rows and columns, and the DataFrame that they came in, if they did."""
    if hasattr(image, "to_frame") and hasattr(image, "iloc"):
        image = image.to_frame().T  # one row of a DataFrame
    frame = image if hasattr(image, "columns") else None
    array = check_array(image, dtype="numeric", ensure_2d=False, allow_nd=True, input_name="image")
    _images.check_numbers(array, "image")
    n_features = getattr(estimator, "n_features_in_", None)
    layout = _layout(array.shape, n_features, is_frame=frame is not None)
    if n_features is not None and array.size != n_features:
        raise ValueError(
            f"image has {array.size} pixels, but {type(estimator).__name__} was fitted to images "
            f"of {n_features}."
        )
    return array.ravel(), _shape(estimator, image_shape, layout, array.size), frame


def _shape(
    estimator: Any, image_shape: Any, layout: ImageShape | None, n_features: int
) -> ImageShape:
    if image_shape is not None:
        image_shape = _images.choose_image_shape(image_shape, None, n_features, "image")
    known = {
        "image_shape is": image_shape,
        "image comes in": layout,
        "the FashionCNN was fitted to": own_shape(estimator),
    }
    known = {source: tuple(shape) for source, shape in known.items() if shape is not None}
    if len(set(known.values())) > 1:
        told = ", ".join(f"{source} {shape}" for source, shape in known.items())
        raise ValueError(f"Rows and columns do not agree: {told}.")
    return next(iter(known.values()), _images.choose_image_shape(None, None, n_features))


def _layout(shape: tuple[int, ...], n_features: int | None, *, is_frame: bool) -> ImageShape | None:
    """Rows and columns where the shape of one image tells them."""
    several = is_frame and shape[0] > 1
    match shape:
        case (_,) | (1, _):
            return None
        case (rows, columns) if not several:
            # Rows of features, where an image would be a pile of them.
            several = columns == n_features
            layout = rows, columns
        case (rows, columns, 1) | (1, rows, columns) | (1, rows, columns, 1):
            layout = rows, columns
        case _:
            several = True
    if several:
        raise ValueError(
            f"image has shape {shape}: expected one grey image of shape (features,), "
            "(rows, columns), (rows, columns, 1) or (1, features). Give several one by one."
        )
    return layout


def _check_patches(patch_size: int, stride: int, shape: ImageShape) -> None:
    if patch_size > max(shape):
        raise ValueError(
            f"patch_size={patch_size}: expected at most {max(shape)}, the longer side of an image "
            f"of {shape[0]} x {shape[1]} pixels."
        )
    if stride > patch_size:
        raise ValueError(
            f"stride={stride}: expected at most patch_size={patch_size}, else there are pixels "
            "that no patch covers."
        )


def _as_pixel(fill: float, dtype: np.dtype[Any]) -> Any:
    """`fill` in the dtype of the image, which has to hold it."""
    with np.errstate(over="ignore", invalid="ignore"):
        filling = np.asarray(fill).astype(dtype)
    if not np.isfinite(filling) or (dtype.kind in "biu" and filling != fill):
        raise ValueError(f"fill={fill!r}: expected a number that the image's dtype {dtype} holds.")
    return filling


def _classes(estimator: Any) -> AnyArray:
    classes = estimator.classes_
    # One list of classes for each output, where there are several.
    if isinstance(classes, list) and any(isinstance(part, np.ndarray) for part in classes):
        raise ValueError(
            f"{type(estimator).__name__} was fitted to {len(classes)} outputs: expected a "
            "classifier of one."
        )
    return np.asarray(classes)


def class_index(label: Any, classes: AnyArray) -> int:
    """Where a label stands among the classes."""
    try:
        return classes.tolist().index(label)
    except ValueError:
        raise ValueError(
            f"label={label!r} is no class of the estimator: expected one of "
            f"{abbreviate(classes.tolist())}."
        ) from None


def _places(length: int, patch_size: int, stride: int) -> NDArray[np.bool_]:
    """For all places of a patch along one side (rows) the pixels that it covers (columns).

    One begins at the first pixel. The others stand at every stride from there that leaves a pixel
    covered, on either side.
    """
    starts = np.arange(-((patch_size - 1) // stride) * stride, length, stride)[:, np.newaxis]
    pixels = np.arange(length)
    return (starts <= pixels) & (pixels < starts + patch_size)


def _cover(
    grid: AnyArray, down: NDArray[np.bool_], across: NDArray[np.bool_], filling: Any
) -> AnyArray:
    """The image as it is, then once for every patch, in rows.

    As it is it stands in every batch: what it is compared with then went the same way through the
    estimator, and no batch is too dark as a whole for what FashionCNN expects of its scale.
    """
    covered = np.where(down[:, :, np.newaxis] & across[:, np.newaxis, :], filling, grid)
    return np.concatenate([grid[np.newaxis], covered]).reshape(1 + len(covered), -1)


def _like(frame: Any, rows: AnyArray) -> Any:
    """Rows as a DataFrame with the columns of another, of pandas or polars."""
    if frame is None:
        return rows
    return type(frame)(dict(zip(frame.columns, rows.T, strict=True)))


def _probabilities(estimator: Any, rows: Any, classes: AnyArray) -> FloatArray:
    probabilities = np.asarray(estimator.predict_proba(rows), dtype=np.float64)
    expected = (rows.shape[0], len(classes))
    if probabilities.shape != expected:
        raise ValueError(
            f"predict_proba of {type(estimator).__name__} returned shape {probabilities.shape}: "
            f"expected {expected}."
        )
    return probabilities
