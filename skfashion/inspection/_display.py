"""The Display of occlusion maps: images and classifiers side by side on one colour scale."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import _safe_indexing, check_consistent_length

from skfashion._classifier import images as _images
from skfashion._utils.label_checks import as_column
from skfashion._utils.types import AnyArray, FloatArray, ImageShape
from skfashion.inspection._occlusion import (
    check_takes_rows,
    class_index,
    fitted_image_shape,
    occlusion_map,
)
from skfashion.plotting._image_grid import as_images
from skfashion.plotting._style import (
    COLORS,
    check_at_least_one,
    make_axes,
    name_classes,
    pyplot,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_IMAGE_INCHES = 1.35  # width of an image
_GAP, _LINE_HEIGHT = 0.06, 0.11  # in widths of an image
_COLORBAR_INCHES = 0.5
_MAX_LINE_LENGTH = 20  # number of characters that fit above an image
_FADING = 1.8  # black pixels become medium grey below a map


class OcclusionDisplay:
    """Occlusion maps of several images and classifiers.

    There is a row for each image, a column for each classifier, and one colour scale for all. Use
    `from_estimator` to create a Display. All parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns)
        The images. The smallest value is drawn white, the largest black.
    maps : ndarray of shape (n, n_estimators, rows, columns)
        The maps that `occlusion_map` returned.
    names : list of str of length n_estimators
        Names of the classifiers.
    explained : list of list of str, of shape (n, n_estimators)
        Names of the classes that the maps explain.
    probabilities : ndarray of shape (n, n_estimators)
        Probabilities of these classes for the uncovered images.
    true : list of str of length n or None, default=None
        Names of the true classes. If None, they are not shown.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure.
    ax_ : matplotlib.axes.Axes
        The axes of the maps.
    colorbar_ : matplotlib.colorbar.Colorbar
        The scale of all maps.

    See Also
    --------
    occlusion_map : Compute one map.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skfashion import FashionCNN
    >>> from skfashion.datasets import CLASS_NAMES, load_fashion_mini
    >>> from skfashion.inspection import OcclusionDisplay
    >>> X, y = load_fashion_mini(return_X_y=True)
    >>> classifiers = {
    ...     "network": FashionCNN.v2(epochs=2, random_state=0).fit(X[:1000], y[:1000]),
    ...     "forest": RandomForestClassifier(random_state=0).fit(X[:1000], y[:1000]),
    ... }
    >>> display = OcclusionDisplay.from_estimator(
    ...     classifiers, X[1000:1003], y[1000:1003], display_labels=CLASS_NAMES
    ... )
    >>> display.maps.shape
    (3, 2, 28, 28)
    """

    figure_: Figure
    ax_: Axes
    colorbar_: Colorbar

    def __init__(
        self,
        *,
        images: AnyArray,
        maps: FloatArray,
        names: Sequence[str],
        explained: Sequence[Sequence[str]],
        probabilities: FloatArray,
        true: Sequence[str] | None = None,
    ) -> None:
        self.images = images
        self.maps = maps
        self.names = names
        self.explained = explained
        self.probabilities = probabilities
        self.true = true

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        label: Any = None,
        patch_size: int = 5,
        stride: int = 1,
        fill: float = 0.0,
        n_images: int = 5,
        display_labels: ArrayLike | None = None,
        image_shape: ImageShape | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the maps of one or several classifiers.

        Parameters
        ----------
        estimator : classifier or dict of str to classifier
            Fitted classifier with `predict_proba`. Use a dict to compare several.
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images, or a DataFrame. The classifiers predict from rows of pixels.
        y : array-like of shape (n,) or (n, 1), or None, default=None
            True labels, shown above the images. If None, they are not shown.
        label : label, array-like of shape (n,) or (n, 1), or None, default=None
            The class to explain, for all images or for each. Pass `y` to explain the true classes.
            If None, use the most probable class of each classifier.
        patch_size : int, default=5
            Rows and columns of the patch, at least 1, as in `occlusion_map`.
        stride : int, default=1
            Step between neighbouring patches, at least 1, as in `occlusion_map`.
        fill : float, default=0.0
            Pixel value of the patch. The images' dtype must be able to hold it.
        n_images : int, default=5
            Maximum number of images, at least 1. The first images of X are used.
        display_labels : array-like of shape (n_classes,) or None, default=None
            Names of the classes, in the order of the `classes_` of the first classifier. If None,
            use the labels.
        image_shape : tuple of two int or None, default=None
            Rows and columns, at least 1. If None, use the shape of X if it has rows and columns,
            else `image_shape_` of a FashionCNN, else the smallest square.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, create a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        OcclusionDisplay
            The drawn Display, with `figure_`, `ax_` and `colorbar_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        AttributeError
            If a classifier has no `predict_proba`.
        sklearn.exceptions.NotFittedError
            If a classifier is not fitted.
        ValueError
            If `occlusion_map` raises it, if images and labels differ in length, if
            `display_labels` does not have one name per class, if `n_images` is below 1, or if there
            is no classifier.
        """
        pyplot()  # raise an ImportError before the computation
        check_at_least_one("n_images", n_images)
        many = isinstance(estimator, Mapping)
        named = dict(estimator) if many else {type(estimator).__name__: estimator}
        if not named:
            raise ValueError("estimator={}: expected at least one classifier.")
        for classifier in named.values():
            check_takes_rows(classifier)
        pixels, layout = _images.flatten(X)
        if len(pixels.shape) < 2:
            raise ValueError(
                f"X has shape {pixels.shape}: expected several images, (n, features), "
                "(n, rows, columns) or (n, rows, columns, 1). Use [X] for a single image."
            )
        is_one = label is None or np.ndim(label) == 0
        labels = None if is_one else as_column(label, "label").tolist()
        true = None if y is None else as_column(y, "y")
        check_consistent_length(pixels, true, labels)
        rows = np.arange(min(n_images, pixels.shape[0]))
        if not len(rows):
            raise ValueError("X has no images: expected at least one.")
        if image_shape is None:
            image_shape = layout or _find_image_shape(named.values(), pixels.shape[1])
        names = name_classes(next(iter(named.values())).classes_, display_labels)
        settings = {
            "patch_size": patch_size,
            "stride": stride,
            "fill": fill,
            "image_shape": image_shape,
        }
        results = [
            [
                _explain(
                    classifier,
                    _safe_indexing(pixels, [int(row)]),  # polars takes no other integers
                    label if labels is None else labels[row],
                    **settings,
                )
                for classifier in named.values()
            ]
            for row in rows
        ]
        return cls(
            images=as_images(pixels, rows, image_shape),
            maps=np.array([[values for values, _, _ in row] for row in results]),
            names=[str(name) for name in named],
            # Other classifiers may have further labels, which have no display name.
            explained=[[names.get(key, str(key)) for _, key, _ in row] for row in results],
            probabilities=np.array([[probability for *_, probability in row] for row in results]),
            true=None
            if true is None
            else [names.get(key, str(key)) for key in true[rows].tolist()],
        ).plot(ax, **kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        cmap: str | Colormap = "RdBu_r",
        text_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the maps over the images.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, create a figure.
        cmap : str or matplotlib Colormap, default="RdBu_r"
            A diverging colormap with white in the middle, e.g. "PuOr_r". White is transparent.
        text_kw : dict or None, default=None
            Passed to ``Axes.text`` for the text above the images.

        Returns
        -------
        self : OcclusionDisplay
            The same Display, with `figure_`, `ax_` and `colorbar_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        pyplot()
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        n, n_estimators, height, width = self.maps.shape
        gap, line = _GAP * width, _LINE_HEIGHT * width
        heads = [textwrap.wrap(name, _MAX_LINE_LENGTH) for name in self.names]
        top = line * (0.2 + 1.1 * max(map(len, heads)))
        tile = height + 1.5 * line  # an image with a line of text above
        size = (1 + n_estimators) * (width + gap) - gap, top + n * tile
        inches = _IMAGE_INCHES / width
        figsize = (inches * size[0], inches * size[1] + _COLORBAR_INCHES)
        self.ax_, self.figure_ = ax, _ = make_axes(ax, figsize)

        largest = float(np.abs(self.maps).max()) or 1.0
        colors = ScalarMappable(Normalize(-largest, largest), cmap)
        lightest, darkest = float(self.images.min()), float(self.images.max())
        style = {"fontsize": 8, "ha": "center", "parse_math": False, **(text_kw or {})}
        for column in range(1 + n_estimators):
            left = column * (width + gap)
            center = left + width / 2
            if column:
                head = {"va": "bottom", "fontweight": "bold", **style}
                ax.text(center, top, "\n".join(heads[column - 1]), **head)
            for row in range(n):
                bottom = top + (row + 1) * tile
                extent = (left, left + width, bottom, bottom - height)
                fading = 1 if column == 0 else _FADING
                ax.imshow(
                    self.images[row],
                    cmap="gray_r",
                    vmin=lightest,
                    vmax=lightest + fading * (darkest - lightest),
                    extent=extent,
                    interpolation="nearest",
                )
                if column == 0:
                    text, color = "" if self.true is None else self.true[row], "black"
                else:
                    overlay = _make_transparent(colors.to_rgba(self.maps[row, column - 1])[..., :3])
                    ax.imshow(overlay, extent=extent, interpolation="nearest")
                    name = self.explained[row][column - 1]
                    text = f"{name} {self.probabilities[row, column - 1]:.2f}"
                    wrong = self.true is not None and name != self.true[row]
                    color = COLORS[1] if wrong else "black"
                if text:
                    position = center, bottom - height - 0.25 * line
                    ax.text(*position, text, va="bottom", **{"color": color, **style})
        ax.set(xlim=(0, size[0]), ylim=(size[1], 0))
        ax.set_axis_off()
        self.colorbar_ = _draw_colorbar(ax, colors)
        return self


def _explain(
    classifier: Any, image: Any, label: Any, **settings: Any
) -> tuple[NDArray[np.float64], Any, float]:
    """Return the map of an image, the explained class and its probability."""
    classes = np.asarray(classifier.classes_)
    probabilities = np.asarray(classifier.predict_proba(image))[0]
    index = int(probabilities.argmax()) if label is None else class_index(label, classes)
    label = classes[index]
    values = occlusion_map(classifier, image, label=label, **settings)
    return values, label, float(probabilities[index])


def _make_transparent(rgb: FloatArray) -> FloatArray:
    """Return the most transparent RGBA colours that look like `rgb` on white."""
    alpha = 1 - rgb.min(axis=-1, keepdims=True)
    ink = np.divide(1 - rgb, alpha, out=np.zeros_like(rgb), where=alpha > 0)
    return np.concatenate([1 - ink, alpha], axis=-1)


def _draw_colorbar(ax: Axes, colors: ScalarMappable) -> Colorbar:
    """Draw the colorbar below the grid, where its label fits for any number of images."""
    width, height = ax.bbox.width / ax.figure.dpi, ax.bbox.height / ax.figure.dpi
    bar = ax.figure.colorbar(
        colors,
        ax=ax,
        location="bottom",
        fraction=min(0.5, 0.1 / height),
        pad=min(0.5, 0.08 / height),
        aspect=width / 0.1,
    )
    bar.ax.tick_params(labelsize=7)
    bar.set_label("drop in probability when covered", fontsize=8)
    bar.outline.set_visible(False)
    return bar


def _find_image_shape(estimators: Iterable[Any], n_features: int) -> ImageShape | None:
    """Return the image shape of the first FashionCNN, or None. All maps need the same shape."""
    for shape in map(fitted_image_shape, estimators):
        if shape is not None and math.prod(shape) == n_features:
            return shape
    return None
