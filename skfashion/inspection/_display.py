"""Occlusion maps of images and classifiers, side by side on one scale."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import _safe_indexing, check_consistent_length

from skfashion._classifier import images as _images
from skfashion._utils.labels import as_column
from skfashion._utils.types import AnyArray, FloatArray, ImageShape
from skfashion.inspection._occlusion import (
    check_takes_rows,
    class_index,
    occlusion_map,
    own_shape,
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

# In widths of an image, which is 1.35 inches wide.
_INCHES = 1.35
_GAP, _LINE = 0.06, 0.11
_BAR_INCHES = 0.5  # what the bar of colours takes
_LETTERS = 20  # that fit over an image
_PALER = 1.8  # black is a middle grey under a map


class OcclusionDisplay:
    """Images, and for each classifier which of their pixels carry its decision.

    A row for each image, a column for each classifier, and one scale of colours for all. Made by
    `from_estimator`; all parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns)
        Their smallest value is drawn white, their largest black.
    maps : ndarray of shape (n, n_estimators, rows, columns)
        What `occlusion_map` returned.
    names : list of str of length n_estimators
        Of the classifiers.
    explained : list of list of str, of shape (n, n_estimators)
        Names of the classes whose probability the maps are of.
    probabilities : ndarray of shape (n, n_estimators)
        Of these classes, nothing covered.
    true : list of str of length n or None, default=None
        Names of the true classes. None writes none.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes
    colorbar_ : matplotlib.colorbar.Colorbar

    See Also
    --------
    occlusion_map : One map as numbers.

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
        """Draw images and the maps of one or several classifiers.

        Parameters
        ----------
        estimator : classifier or dict of str to classifier
            Fitted, with `predict_proba`. Several have names.
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images, or a DataFrame. The classifiers are given rows of pixels.
        y : array-like of shape (n,) or (n, 1), or None, default=None
            True labels, which are written over the images. None writes none.
        label : label, array-like of shape (n,) or (n, 1), or None, default=None
            The class whose probability is followed, for all images or for each: with `y` here,
            what speaks for the truth. None takes for each classifier what it finds most probable.
        patch_size : int, default=5
            Rows and columns of the patch, at least 1, as in `occlusion_map`.
        stride : int, default=1
            Step between neighbouring patches, at least 1, as in `occlusion_map`.
        fill : float, default=0.0
            What the patch is filled with, a number of the images' dtype.
        n_images : int, default=5
            Images at the most, the first of X, at least 1.
        display_labels : array-like of shape (n_classes,) or None, default=None
            Names of the classes, in the order of the `classes_` of the first classifier. None
            takes the labels.
        image_shape : tuple of two int or None, default=None
            Rows and columns, at least 1. None takes what the layout tells, else `image_shape_` of
            a FashionCNN, else the smallest square.
        ax : matplotlib Axes or None, default=None
            None makes a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        OcclusionDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        AttributeError
            If a classifier has no `predict_proba`.
        sklearn.exceptions.NotFittedError
            If a classifier is not fitted.
        ValueError
            As `occlusion_map`; or if images and labels are not of one length, `display_labels` are
            not as many as the classes, `n_images` is below 1, or there is no classifier.
        """
        pyplot()  # without it nothing is worth waiting for
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
                "(n, rows, columns) or (n, rows, columns, 1). Write [X] for one."
            )
        is_one = label is None or np.ndim(label) == 0
        labels = None if is_one else as_column(label, "label").tolist()
        true = None if y is None else as_column(y, "y")
        check_consistent_length(pixels, true, labels)
        rows = np.arange(min(n_images, pixels.shape[0]))
        if not len(rows):
            raise ValueError("X holds no image: expected at least one.")
        if image_shape is None:
            image_shape = layout or _shape_of_one(named.values(), pixels.shape[1])
        names = name_classes(next(iter(named.values())).classes_, display_labels)
        how = {
            "patch_size": patch_size,
            "stride": stride,
            "fill": fill,
            "image_shape": image_shape,
        }
        found = [
            [
                _look(
                    classifier,
                    _safe_indexing(pixels, [int(row)]),  # polars takes no other integers
                    label if labels is None else labels[row],
                    **how,
                )
                for classifier in named.values()
            ]
            for row in rows
        ]
        return cls(
            images=as_images(pixels, rows, image_shape),
            maps=np.array([[falls for falls, _, _ in row] for row in found]),
            names=[str(name) for name in named],
            # A label that nobody named names itself.
            explained=[[names.get(key, str(key)) for _, key, _ in row] for row in found],
            probabilities=np.array([[share for _, _, share in row] for row in found]),
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
            None makes a figure.
        cmap : str or matplotlib Colormap, default="RdBu_r"
            Of two colours with white in the middle, e.g. "PuOr_r". White lets the image through.
        text_kw : dict or None, default=None
            Passed to ``Axes.text`` for what stands above the images. None changes nothing.

        Returns
        -------
        self : OcclusionDisplay
            With `figure_`, `ax_` and `colorbar_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        pyplot()
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        n, n_estimators, height, width = self.maps.shape
        gap, line = _GAP * width, _LINE * width
        heads = [textwrap.wrap(name, _LETTERS) for name in self.names]
        top = line * (0.2 + 1.1 * max(map(len, heads)))
        tile = height + 1.5 * line  # with a line of text above
        size = (1 + n_estimators) * (width + gap) - gap, top + n * tile
        inches = _INCHES / width
        figsize = (inches * size[0], inches * size[1] + _BAR_INCHES)
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
                paler = 1 if column == 0 else _PALER
                ax.imshow(
                    self.images[row],
                    cmap="gray_r",
                    vmin=lightest,
                    vmax=lightest + paler * (darkest - lightest),
                    extent=extent,
                    interpolation="nearest",
                )
                if column == 0:
                    text, color = "" if self.true is None else self.true[row], "black"
                else:
                    over = _let_through(colors.to_rgba(self.maps[row, column - 1])[..., :3])
                    ax.imshow(over, extent=extent, interpolation="nearest")
                    name = self.explained[row][column - 1]
                    text = f"{name} {self.probabilities[row, column - 1]:.2f}"
                    wrong = self.true is not None and name != self.true[row]
                    color = COLORS[1] if wrong else "black"
                if text:
                    place = center, bottom - height - 0.25 * line
                    ax.text(*place, text, va="bottom", **{"color": color, **style})
        ax.set(xlim=(0, size[0]), ylim=(size[1], 0))
        ax.set_axis_off()
        self.colorbar_ = _draw_bar(ax, colors)
        return self


def _look(
    classifier: Any, image: Any, label: Any, **how: Any
) -> tuple[NDArray[np.float64], Any, float]:
    """The map of an image, the class that it is of, and the probability of that."""
    classes = np.asarray(classifier.classes_)
    probabilities = np.asarray(classifier.predict_proba(image))[0]
    index = int(probabilities.argmax()) if label is None else class_index(label, classes)
    label = classes[index]
    return occlusion_map(classifier, image, label=label, **how), label, float(probabilities[index])


def _let_through(rgb: FloatArray) -> FloatArray:
    """The same colours on white, but as transparent as they can be."""
    alpha = 1 - rgb.min(axis=-1, keepdims=True)
    ink = np.divide(1 - rgb, alpha, out=np.zeros_like(rgb), where=alpha > 0)
    return np.concatenate([1 - ink, alpha], axis=-1)


def _draw_bar(ax: Axes, colors: ScalarMappable) -> Colorbar:
    """Below the grid: there its label fits, however few images there are."""
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
    bar.set_label("fall of the probability when covered", fontsize=8)
    bar.outline.set_visible(False)
    return bar


def _shape_of_one(estimators: Iterable[Any], n_features: int) -> ImageShape | None:
    """Rows and columns that one of them knows: all maps are of one shape."""
    for shape in map(own_shape, estimators):
        if shape is not None and math.prod(shape) == n_features:
            return shape
    return None
