"""Checks images of any layout and scale, and converts them to the arrays that networks use."""

import functools
import math
import os
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skfashion._utils.arrays import allocate_aligned
from skfashion._utils.messages import shorten
from skfashion._utils.types import AnyArray, FloatName, ImageShape
from skfashion._utils.warnings import warn

# Factors beyond which `predict` warns. Floats in 0..1 for a network that was trained on integers in
# 0..255, or vice versa, differ by a factor of 255. Differences in exposure are far smaller.
_TOO_LARGE, _TOO_SMALL = 4.0, 1 / 64

# Rows of fewer features are probably not images, but measurements for example.
_FEWEST_PIXELS = 64

_EXTRA_COLUMN = (
    "Is a column not a pixel, such as the label, or the row numbers that DataFrame.to_csv writes "
    "without index=False? Then drop it."
)

# Pixels are scaled in parts that fit the processor's cache.
_BYTES_AT_ONCE = 2**20


def flatten(X: Any, name: str = "X") -> tuple[Any, ImageShape | None]:
    """Reshape images to rows of features.

    Parameters
    ----------
    X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1), or DataFrame
    name : str
        The parameter's name, for messages.

    Returns
    -------
    X : the DataFrame, or an array, of shape (n, features)
        Arrays of fewer dimensions are returned unchanged. scikit-learn will reject them.
    image_shape : tuple of two int or None
        Rows and columns, if X has more than two dimensions.

    Raises
    ------
    ValueError
        If there are more than four dimensions, or several channels.
    """
    if issparse(X) or hasattr(X, "columns"):
        return X, None
    X = np.asarray(X)
    if X.ndim < 3:
        return X, None
    if X.ndim > 4 or X.shape[3:] not in ((), (1,)):
        channels, advice = "", "Convert colour images to grey first."
        if X.ndim == 4 and X.shape[1] == 1:
            advice = f"The channel seems to come first: give {name}[:, 0]."
        elif X.ndim == 4:
            channels = f", not {min(X.shape[1], X.shape[3])}"  # the channels may come first
        raise ValueError(
            f"{name} has shape {X.shape}: expected grey images of shape (n, features), "
            f"(n, rows, columns) or (n, rows, columns, 1), with one channel{channels}, and that "
            f"last. {advice}"
        )
    return X.reshape(X.shape[0], math.prod(X.shape[1:])), X.shape[1:3]


def choose_image_shape(
    image_shape: Any, layout: ImageShape | None, n_features: int, name: str = "X"
) -> ImageShape:
    """Choose rows and columns of an image of `n_features` pixels.

    Return the parameter `image_shape` if given, else the shape of the layout, else the smallest
    square that holds the features.

    Raises
    ------
    ValueError
        If `image_shape` is not two positive integers or does not match the data.
    """
    if image_shape is None:
        if layout is not None:
            return int(layout[0]), int(layout[1])
        side = math.isqrt(n_features - 1) + 1
        return side, side
    shape = tuple(image_shape)
    if len(shape) != 2 or not all(
        isinstance(length, (int, np.integer)) and length >= 1 for length in shape
    ):
        raise ValueError(f"image_shape={shorten(image_shape)}: expected two positive integers.")
    rows, columns = map(int, shape)
    if rows * columns != n_features:
        raise ValueError(
            f"image_shape={shorten(image_shape)} means {rows * columns} pixels, but {name} has "
            f"{n_features} features."
        )
    check_layout((rows, columns), layout, name)
    return rows, columns


def check_layout(image_shape: ImageShape, layout: ImageShape | None, name: str = "X") -> None:
    """Raise an error if the layout has another shape than `image_shape`."""
    if layout is not None and tuple(layout) != tuple(image_shape):
        raise ValueError(
            f"{name} holds images of shape {tuple(layout)}, but this FashionCNN expects "
            f"{tuple(image_shape)}."
        )


def check_several(X: Any, name: str = "X") -> None:
    """Raise an error for a single image, or for strings such as names of files."""
    if X.shape[1:] in ((), (1,)):
        for value in np.asarray(X).ravel()[:1].tolist():
            if _is_string_or_path(value):
                raise ValueError(
                    f"{name} holds strings, such as {shorten(value)}: expected images. If they are "
                    "names of files, read them with skfashion.datasets.ImageFileReader, as the "
                    "first step of a Pipeline before FashionCNN."
                )
    if len(X.shape) == 1:
        # scikit-learn's message would show all values.
        raise ValueError(
            f"Expected 2D array, got 1D array instead: {name} has shape {X.shape}. Reshape your "
            f"data: one image is {name}.reshape(1, -1), or a slice of several such as {name}[:1]."
        )


def _is_string_or_path(value: Any) -> bool:
    if not isinstance(value, (str, bytes)):
        return isinstance(value, os.PathLike)
    try:
        float(value)  # scikit-learn converts strings such as "1.5" to numbers
    except ValueError:
        return True
    return False


def find_mistake(
    shape: tuple[int, ...], image_shape: ImageShape, n_features: int, name: str = "X"
) -> str:
    """Describe the probable mistake if images have another shape than the training images.

    Parameters
    ----------
    shape : tuple of int
        Shape of the given images: (n, features) or (n, rows, columns).
    image_shape : tuple of two int
        Rows and columns of the training images.
    n_features : int
        Pixels of a training image.
    name : str
        The parameter's name.

    Returns
    -------
    str
        A sentence with the mistake and the remedy. Empty if the shape is right or no common mistake
        explains it.
    """
    rows, columns = image_shape
    if shape[1:] in ((n_features,), (rows, columns)):
        return ""
    if shape in ((rows, columns), (rows, columns, 1)):
        return f"It seems to be one image of {rows} x {columns} pixels: give {name}[np.newaxis]."
    if len(shape) == 2:
        if shape[1] in (n_features + 1, n_features + 2):  # the label, the row numbers, or both
            return _EXTRA_COLUMN
        transposed = shape[0] == n_features
        return f"It seems to be transposed: give {name}.T." if transposed else ""
    if shape[:2] == (rows, columns):
        return f"Its images seem to lie along the last axis: give np.moveaxis({name}, -1, 0)."
    if shape[1:] == (columns, rows):
        return f"Its rows and columns seem to be swapped: give {name}.swapaxes(1, 2)."
    if 1 in shape[1:] and math.prod(shape[1:]) == n_features:
        return f"Its images seem to be rows of pixels: give {name}.reshape(len({name}), -1)."
    return ""


def warn_if_not_square(n_features: int) -> None:
    """Warn if rows are reshaped to square images though their length is not a square number."""
    side = math.isqrt(n_features - 1) + 1
    if n_features < _FEWEST_PIXELS or side**2 == n_features:
        return
    extra = ""
    if (side - 1) ** 2 == n_features - 1:
        extra = f" One feature less would give {side - 1} x {side - 1} pixels. {_EXTRA_COLUMN}"
    warn(
        f"X has {n_features} features, not a square number: each row is taken for an image of "
        f"{side} x {side} pixels whose last {side**2 - n_features} are black.{extra} If images are "
        "not square, set image_shape=(rows, columns)."
    )


def check_numbers(X: AnyArray, name: str = "X") -> None:
    """Raise an error for dtypes that scikit-learn accepts as numeric, but that are not numbers."""
    if X.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {X.dtype}: expected real numbers.")


def measure_scale(lowest: AnyArray, highest: AnyArray) -> tuple[float, float]:
    """Measure `pixel_max`, the divisor of all pixels, and the typical largest magnitude.

    `pixel_max` is the largest value, or 1 if all are zero. Data with negative values come from a
    scaler and are not divided: `pixel_max` is 1.

    Parameters
    ----------
    lowest, highest : ndarray of shape (n,)
        Smallest and largest pixel of each image.

    Returns
    -------
    pixel_max : float
    typical_max : float
        Later images are compared with it. It is `pixel_max`, or for data with negative values the
        largest magnitude in the median image.
    """
    if lowest.min() < 0:
        return 1.0, _median(_largest_magnitudes(lowest, highest))
    pixel_max = float(highest.max()) or 1.0
    return pixel_max, pixel_max


def _largest_magnitudes(lowest: AnyArray, highest: AnyArray) -> AnyArray:
    return np.maximum(highest.astype(float), -lowest.astype(float))


def _median(values: AnyArray) -> float:
    # Not np.median, because the mean of two values could overflow.
    return float(np.sort(values)[len(values) // 2])


def warn_if_scale_differs(
    lowest: AnyArray, highest: AnyArray, typical_max: float, *, name: str = "X"
) -> None:
    """Warn if the values are on another scale than those of the training images.

    The median image decides what is too large: a scaler that was fitted pixel by pixel can make
    single pixels very large that were almost black in training. That is no reason to warn.

    Parameters
    ----------
    lowest, highest : ndarray of shape (n,)
        Smallest and largest pixel of each image.
    typical_max : float
        As `measure_scale` returns it.
    name : str
        The parameter's name, for messages.
    """
    magnitudes = _largest_magnitudes(lowest, highest)
    largest, typical = float(magnitudes.max()), _median(magnitudes)
    if typical > _TOO_LARGE * typical_max or 0 < largest < _TOO_SMALL * typical_max:
        warn(
            f"The images in {name} reach {typical or largest:g}, those that FashionCNN was fitted "
            f"on {typical_max:g}. Give images on one scale to both, e.g. 0..255."
        )


def check_raw_pixels(pixel_max: float, dtype: FloatName) -> None:
    """Raise an error if a Keras model cannot take raw pixels of this scale.

    Raises
    ------
    ValueError
        If `dtype` cannot hold such pixels, or their reciprocal, at full precision.
    """
    tiny, precision = float(np.finfo(dtype).tiny), float(np.finfo(dtype).eps)
    if not tiny / precision <= pixel_max <= 1 / tiny:
        raise ValueError(
            f"pixel_max_={pixel_max:g} is out of the range of dtype={dtype!r}, in which a Keras "
            "model takes raw pixels. Scale X, e.g. to 0..1, and fit again."
        )


def prepare(
    X: AnyArray,
    image_shape: ImageShape,
    padded_shape: ImageShape,
    pixel_max: float,
    dtype: FloatName,
    *,
    positions: AnyArray | None = None,
    keep_bytes: bool = True,
    name: str = "X",
) -> AnyArray:
    """Convert rows of pixels to the images that a network uses.

    This needs no more memory than the resulting images.

    Parameters
    ----------
    X : ndarray of shape (n_rows, features)
    image_shape, padded_shape : tuple of two int
        Rows and columns before and after padding with zeros.
    pixel_max : float
    dtype : {"float32", "float64"}
    positions : ndarray of int of shape (n,) or None, default=None
        Rows to use. If None, use all, without a copy if X needs no scaling or padding.
    keep_bytes : bool, default=True
        Leave bytes unscaled if the network can divide them with the same bits. They need a quarter
        of the memory. Everything else is divided here.
    name : str
        The parameter's name, for messages.

    Returns
    -------
    images : ndarray of shape (n, rows, columns, 1), uint8 or `dtype`
        With `positions` a new array, which TensorFlow can use without a copy.

    Raises
    ------
    ValueError
        If a value is too large for `dtype`.
    """
    stay_bytes = keep_bytes and X.dtype == np.uint8 and _is_exact(pixel_max, dtype)
    n_features, n_pixels = X.shape[1], math.prod(image_shape)
    if positions is None:
        if stay_bytes and n_features == n_pixels and tuple(padded_shape) == tuple(image_shape):
            return X.reshape(len(X), *image_shape, 1)
        positions = np.arange(len(X))
    images = allocate_aligned((len(positions), *padded_shape, 1), np.uint8 if stay_bytes else dtype)
    rows_at_once = max(1, _BYTES_AT_ONCE // (n_features * X.itemsize))
    for first in range(0, len(images), rows_at_once):
        part = X[positions[first : first + rows_at_once]]
        if n_pixels > n_features:
            part = np.pad(part, ((0, 0), (0, n_pixels - n_features)))
        part = part.reshape(len(part), *image_shape)
        out = images[first : first + rows_at_once, : image_shape[0], : image_shape[1], 0]
        if stay_bytes:
            out[...] = part
        elif not _divide(part, pixel_max, out):
            raise ValueError(
                f"{name} holds values as large as {np.abs(part).max():g}: divided by pixel_max_="
                f"{pixel_max:g} they do not fit dtype={dtype!r}."
            )
    return images


@functools.lru_cache
def _is_exact(value: float, dtype: FloatName) -> bool:
    with np.errstate(all="ignore"):
        # Compare two Python floats. NumPy would compare in the precision of its number.
        return float(np.dtype(dtype).type(value)) == value


def _divide(pixels: AnyArray, pixel_max: float, out: AnyArray) -> bool:
    """Divide by the largest pixel value. Return whether all quotients are finite in their dtype."""
    # Divide in double precision and round once. So integers in 0..255, floats in 0..1 of either
    # precision, and bytes that the network divides give equal bits. NumPy casts in small buffers
    # and needs no double-precision copy.
    with np.errstate(all="ignore"):
        np.divide(pixels, pixel_max, out=out, dtype=np.float64, casting="unsafe")
    return bool(np.isfinite(out).all())
