"""Occlusion maps: the drop in probability when parts of an image are covered."""

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
from skfashion._utils.label_checks import abbreviate
from skfashion._utils.messages import shorten
from skfashion._utils.types import AnyArray, FloatArray, ImageShape
from skfashion.datasets import ImageFileReader

# Limit for the pixels of a prediction batch: all 1,024 covered images of 28 x 28 pixels, and 32 MB
# of the largest dtype.
_MAX_BATCH_PIXELS = 2**22


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
    prefer_skip_nested_validation=False,  # the user's estimator keeps its own validation
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
    """Compute which pixels of an image matter for the prediction of a classifier.

    A square patch with the value `fill` is moved over the image [1]_. The value of a pixel is the
    mean drop in the probability of the class over all patches that cover the pixel. It is positive
    if the pixel is evidence for the class, and negative if it is evidence against it.

    The maps of all classifiers have the same unit, so a network can be compared with a random
    forest.

    Parameters
    ----------
    estimator : classifier
        Fitted classifier with `predict_proba`: a FashionCNN, a Pipeline, a search, or any other.
        If a Pipeline begins with an ImageFileReader, pass the other steps, ``pipeline[1:]``, and an
        image from ``pipeline[:1].transform(pictures)``.
    image : array-like of shape (features,), (rows, columns), (rows, columns, 1) or (1, features)
        One image, scaled like the training images, or a DataFrame of one row. The estimator
        predicts from rows of the same dtype, with the same feature names if there are any.
    label : label or None, default=None
        The class to explain, one of the estimator's `classes_`. If None, use the most probable
        class.
    patch_size : int, default=5
        Rows and columns of the patch, at least 1 and at most the longer side of the image. Patches
        may extend beyond the border, so pixels at the border are covered as often as others.
    stride : int, default=1
        Step between neighbouring patches, at least 1 and at most `patch_size`. 1 covers every
        pixel ``patch_size ** 2`` times, 2 needs a quarter of the time. One patch begins at the
        first pixel.
    fill : float, default=0.0
        Pixel value of the patch. The image's dtype must be able to hold it. 0 is the background of
        Fashion-MNIST.
    image_shape : tuple of two int or None, default=None
        Rows and columns, at least 1. If None, use the shape of the image if it has rows and
        columns, else `image_shape_` of a FashionCNN, else the smallest square.

    Returns
    -------
    means : ndarray of shape (rows, columns), float64
        The map, between -1 and 1. If a square has more pixels than there are features, they are 0.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If a parameter is out of range, if there are several images, if a pixel is not finite, if
        the image does not have the size of the training images, or if the estimator begins with an
        ImageFileReader.
    TypeError
        If the estimator has no `predict_proba`, or a parameter has the wrong type.

    See Also
    --------
    OcclusionDisplay : Draw the maps of one or several classifiers.
    sklearn.inspection.permutation_importance : Importance of features over many rows.

    Notes
    -----
    A patch covers one part at a time. If either of two parts is sufficient, such as the handles of
    a bag, covering one does not change the probability. The estimator was not trained on partly
    covered images.

    With the defaults an image of 28 x 28 pixels takes at most 1,024 predictions. Patches that do
    not change the image are skipped: they lie on a background of the value `fill`.

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
    down, across = (_patch_masks(length, patch_size, stride) for length in shape)
    changes = down @ (grid != filling) @ across.T  # for each patch, whether it changes the image
    changing = np.argwhere(changes)

    drops = np.zeros(changes.shape)
    n_rows = max(1, _MAX_BATCH_PIXELS // grid.size - 1)
    for start in range(0, max(1, len(changing)), n_rows):
        i, j = changing[start : start + n_rows].T
        rows = _cover(grid, down[i], across[j], filling)[:, : pixels.size]
        probabilities = _probabilities(estimator, _convert_like(frame, rows), classes)
        if chosen is None:
            chosen = int(probabilities[0].argmax())
        drops[i, j] = probabilities[0, chosen] - probabilities[1:, chosen]
    means = (down.T @ drops @ across) / np.outer(down.sum(axis=0), across.sum(axis=0))
    means.flat[pixels.size :] = 0
    return means


def check_takes_rows(estimator: Any) -> None:
    """Raise an error if the estimator is not fitted or begins with an ImageFileReader.

    An ImageFileReader reads image files, whose pixels cannot be covered.
    """
    check_is_fitted(estimator)
    pipeline = getattr(estimator, "best_estimator_", estimator)
    if isinstance(pipeline, Pipeline) and isinstance(pipeline[0], ImageFileReader):
        raise ValueError(
            "estimator begins with an ImageFileReader. Use the other steps, pipeline[1:], with "
            "images from pipeline[:1].transform(pictures)."
        )


def fitted_image_shape(estimator: Any) -> ImageShape | None:
    """Return rows and columns of a FashionCNN's training images, or None for other estimators."""
    return getattr(estimator, "image_shape_", None)


def _read(
    image: Any, estimator: Any, image_shape: ImageShape | None
) -> tuple[AnyArray, ImageShape, Any]:
    """Return the flattened pixels, rows and columns, and the DataFrame if `image` is one."""
    if hasattr(image, "to_frame") and hasattr(image, "iloc"):
        image = image.to_frame().T  # one row of a DataFrame
    frame = image if hasattr(image, "columns") else None
    array = check_array(image, dtype="numeric", ensure_2d=False, allow_nd=True, input_name="image")
    _images.check_numbers(array, "image")
    n_features = getattr(estimator, "n_features_in_", None)
    layout = _layout(array.shape, n_features, is_frame=frame is not None)
    if n_features is not None and array.size != n_features:
        raise ValueError(
            f"image has {array.size} pixels, but {type(estimator).__name__} was fitted on images "
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
        "the shape of image is": layout,
        "the FashionCNN was fitted on": fitted_image_shape(estimator),
    }
    known = {source: tuple(shape) for source, shape in known.items() if shape is not None}
    if len(set(known.values())) > 1:
        shapes = ", ".join(f"{source} {shape}" for source, shape in known.items())
        raise ValueError(f"Rows and columns do not agree: {shapes}.")
    return next(iter(known.values()), _images.choose_image_shape(None, None, n_features))


def _layout(shape: tuple[int, ...], n_features: int | None, *, is_frame: bool) -> ImageShape | None:
    """Return rows and columns if the shape of one image has them, else None."""
    several = is_frame and shape[0] > 1
    match shape:
        case (_,) | (1, _):
            return None
        case (rows, columns) if not several:
            # These are several rows of features.
            several = columns == n_features
            layout = rows, columns
        case (rows, columns, 1) | (1, rows, columns) | (1, rows, columns, 1):
            layout = rows, columns
        case _:
            several = True
    if several:
        raise ValueError(
            f"image has shape {shape}: expected one grey image of shape (features,), "
            "(rows, columns), (rows, columns, 1) or (1, features). Pass several images one by one."
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
            f"stride={stride}: expected at most patch_size={patch_size}. Otherwise no patch covers "
            "some of the pixels."
        )


def _as_pixel(fill: float, dtype: np.dtype[Any]) -> Any:
    """Convert `fill` to the dtype of the image. Raise an error if the dtype cannot hold it."""
    with np.errstate(over="ignore", invalid="ignore"):
        filling = np.asarray(fill).astype(dtype)
    if not np.isfinite(filling) or (dtype.kind in "biu" and filling != fill):
        raise ValueError(f"fill={shorten(fill)}: expected a value of the image's dtype {dtype}.")
    return filling


def _classes(estimator: Any) -> AnyArray:
    classes = estimator.classes_
    # Classifiers with several outputs have a list of classes for each.
    if isinstance(classes, list) and any(isinstance(part, np.ndarray) for part in classes):
        raise ValueError(
            f"{type(estimator).__name__} was fitted on {len(classes)} outputs: expected a "
            "classifier with one output."
        )
    return np.asarray(classes)


def class_index(label: Any, classes: AnyArray) -> int:
    """Return the index of a label in the classes."""
    try:
        return classes.tolist().index(label)
    except ValueError:
        raise ValueError(
            f"label={shorten(label)} is not a class of the estimator: expected one of "
            f"{abbreviate(classes.tolist())}."
        ) from None


def _patch_masks(length: int, patch_size: int, stride: int) -> NDArray[np.bool_]:
    """Return a row for each patch position along one side: a mask of the pixels it covers.

    One patch begins at the first pixel. The others follow in steps of `stride` in both directions,
    as long as they cover a pixel.
    """
    starts = np.arange(-((patch_size - 1) // stride) * stride, length, stride)[:, np.newaxis]
    pixels = np.arange(length)
    return (starts <= pixels) & (pixels < starts + patch_size)


def _cover(
    grid: AnyArray, down: NDArray[np.bool_], across: NDArray[np.bool_], filling: Any
) -> AnyArray:
    """Return the original image and one covered image for each patch, as rows.

    The original image is in every batch, so it is predicted under the same conditions as the
    covered images. It also keeps FashionCNN from warning that a batch of dark images has another
    scale.
    """
    covered = np.where(down[:, :, np.newaxis] & across[:, np.newaxis, :], filling, grid)
    return np.concatenate([grid[np.newaxis], covered]).reshape(1 + len(covered), -1)


def _convert_like(frame: Any, rows: AnyArray) -> Any:
    """Convert rows to a DataFrame with the type and columns of `frame`, unless it is None."""
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
