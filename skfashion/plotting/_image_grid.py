"""`ImageGridDisplay`, which shows images with their true and predicted classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted

from skfashion._classifier import images as _images
from skfashion._utils.label_checks import as_column
from skfashion._utils.types import AnyArray, FloatArray, ImageShape
from skfashion.datasets import ImageFileReader
from skfashion.plotting._style import (
    COLORS,
    check_at_least_one,
    check_choice,
    make_axes,
    name_classes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_LINE_HEIGHT, _GAP_HEIGHT = 0.17, 0.08  # text above an image, in image heights

Select: TypeAlias = Literal["errors", "all"] | None


class ImageGridDisplay:
    """A grid of images with their predicted classes and, if known, their true classes.

    Use `from_estimator` or `from_predictions` to create a Display. All parameters are stored as
    attributes.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns)
        The images. The smallest value has the first colour of the colormap, the largest the last.
    true : list of str of length n or None
        Names of the true classes. None if they are unknown.
    predicted : list of str of length n
        Names of the predicted classes.
    confidence : ndarray of shape (n,) or None, default=None
        Probabilities of the predicted classes. If None, they are not shown.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure.
    ax_ : matplotlib.axes.Axes
        The axes of the grid.

    Examples
    --------
    >>> from skfashion import FashionCNN
    >>> from skfashion.datasets import CLASS_NAMES, load_fashion_mini
    >>> from skfashion.plotting import ImageGridDisplay
    >>> X, y = load_fashion_mini(return_X_y=True)
    >>> clf = FashionCNN.v2(epochs=2, random_state=0).fit(X[:1000], y[:1000])
    >>> display = ImageGridDisplay.from_estimator(
    ...     clf, X[1000:2000], y[1000:2000], display_labels=CLASS_NAMES, n_images=8
    ... )
    >>> display.images.shape
    (8, 28, 28)
    """

    figure_: Figure
    ax_: Axes

    def __init__(
        self,
        *,
        images: AnyArray,
        true: Sequence[str] | None,
        predicted: Sequence[str],
        confidence: FloatArray | None = None,
    ) -> None:
        self.images = images
        self.true = true
        self.predicted = predicted
        self.confidence = confidence

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        select: Select = None,
        n_images: int = 20,
        display_labels: ArrayLike | None = None,
        image_shape: ImageShape | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw images and the predictions of an estimator.

        Parameters
        ----------
        estimator : classifier
            Fitted classifier. If it has `predict_proba`, the probabilities of the predicted classes
            are shown, and errors are sorted by them. If a Pipeline begins with an ImageFileReader,
            the output of the reader is shown.
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images. They need two dimensions if the estimator is not a FashionCNN. If a Pipeline
            begins with an ImageFileReader, the input of the reader.
        y : array-like of shape (n,) or (n, 1), or None, default=None
            True labels. None if they are unknown.
        select : {"errors", "all"} or None, default=None
            As in `from_predictions`.
        n_images : int, default=20
            Maximum number of images, at least 1.
        display_labels : array-like of shape (n_classes,) or None, default=None
            Names of the classes, in the order of the estimator's `classes_`. If None, use the
            labels.
        image_shape : tuple of two int or None, default=None
            Rows and columns, at least 1. If None, use those of the ImageFileReader, or the shape of
            X if it has rows and columns, else the smallest square.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, create a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        ImageGridDisplay
            The drawn Display, with `figure_` and `ax_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If `from_predictions` raises it.
        """
        check_is_fitted(estimator)
        estimator = getattr(estimator, "best_estimator_", estimator)
        if isinstance(estimator, Pipeline) and isinstance(estimator[0], ImageFileReader):
            reader, estimator = estimator[0], estimator[1:]
            X = reader.transform(X)
            image_shape = reader.image_shape if image_shape is None else image_shape
        classes = np.asarray(estimator.classes_)
        # The predicted class may not have the highest probability: for example with SVC or a tuned
        # threshold.
        y_pred, confidence = estimator.predict(X), None
        if hasattr(estimator, "predict_proba"):
            columns = np.searchsorted(classes, y_pred)
            confidence = estimator.predict_proba(X)[np.arange(len(columns)), columns]
        return cls.from_predictions(
            X,
            y,
            y_pred,
            confidence=confidence,
            select=select,
            n_images=n_images,
            labels=classes,
            display_labels=display_labels,
            image_shape=image_shape,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        X: ArrayLike,
        y_true: ArrayLike | None,
        y_pred: ArrayLike,
        *,
        confidence: ArrayLike | None = None,
        select: Select = None,
        n_images: int = 20,
        labels: ArrayLike | None = None,
        display_labels: ArrayLike | None = None,
        image_shape: ImageShape | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw images and given predictions.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images.
        y_true : array-like of shape (n,) or (n, 1), or None
            True labels. None if they are unknown.
        y_pred : array-like of shape (n,) or (n, 1)
            Predicted labels.
        confidence : array-like of shape (n,) or (n, 1), or None, default=None
            Probabilities of the predicted classes. If None, they are not shown, and errors are not
            sorted.
        select : {"errors", "all"} or None, default=None
            "errors" draws the misclassified images, sorted by decreasing `confidence` if given.
            "all" draws the first images. None means "errors" if there are true labels, else "all".
        n_images : int, default=20
            Maximum number of images, at least 1.
        labels : array-like of shape (n_classes,) or None, default=None
            The labels in the order of `display_labels`. If None, use the sorted labels that occur
            in `y_true` and `y_pred`.
        display_labels : array-like of shape (n_classes,) or None, default=None
            Names of the classes. If None, use the labels.
        image_shape : tuple of two int or None, default=None
            Rows and columns, at least 1. If None, use the shape of X if it has rows and columns,
            else the smallest square.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, create a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        ImageGridDisplay
            The drawn Display, with `figure_` and `ax_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If images, labels and confidence differ in length, if `display_labels` does not have one
            name per label, if `n_images` is below 1, if `select` is "errors" without true labels,
            or if there are no errors.
        """
        if select is None:
            select = "all" if y_true is None else "errors"
        check_choice("select", select, ["errors", "all"])
        check_at_least_one("n_images", n_images)
        check_consistent_length(X, y_true, y_pred, confidence)
        y_pred = as_column(y_pred, "y_pred")
        y_true = None if y_true is None else as_column(y_true, "y_true")
        confidence = None if confidence is None else as_column(confidence, "confidence")
        rows = np.arange(len(y_pred))
        if select == "errors":
            rows = _find_errors(y_true, y_pred, confidence)
        rows = rows[:n_images]
        occurring = unique_labels(y_pred if y_true is None else y_true, y_pred)
        names = name_classes(
            occurring if labels is None else labels,
            display_labels,
            hint=" Use the parameter labels to list all classes.",
        )
        # Labels that occur but are not in `labels` have no display name.
        names = {label: str(label) for label in occurring.tolist()} | names
        return cls(
            images=as_images(X, rows, image_shape),
            true=None if y_true is None else [names[label] for label in y_true[rows].tolist()],
            predicted=[names[label] for label in y_pred[rows].tolist()],
            confidence=None if confidence is None else confidence[rows],
        ).plot(ax, **kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        n_columns: int = 5,
        cmap: str | Colormap = "gray_r",
        text_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. If None, create a figure.
        n_columns : int, default=5
            Number of columns, at least 1.
        cmap : str or matplotlib Colormap, default="gray_r"
            Colormap of the images. "gray_r" shows dark clothes on white.
        text_kw : dict or None, default=None
            Passed to ``Axes.text`` for the text above the images.

        Returns
        -------
        self : ImageGridDisplay
            The same Display, with `figure_` and `ax_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `n_columns` is below 1.
        """
        check_at_least_one("n_columns", n_columns)
        n_columns = min(n_columns, len(self.images))
        n_rows = math.ceil(len(self.images) / n_columns)
        height, width = self.images.shape[1:]
        n_lines = 1 if self.true is None else 2
        text_height = (n_lines * _LINE_HEIGHT + _GAP_HEIGHT) * height
        tile_height = text_height + height
        inches = 1.15
        size = (inches * n_columns, inches * n_rows * tile_height / width)
        self.ax_, self.figure_ = ax, _ = make_axes(ax, size)
        limits = {"vmin": self.images.min(), "vmax": self.images.max()}
        gap = 0.06 * width
        for number, image in enumerate(self.images):
            row, column = divmod(number, n_columns)
            left, top = column * (width + gap), row * tile_height
            extent = (left, left + width, top + tile_height, top + text_height)
            ax.imshow(image, cmap=cmap, extent=extent, interpolation="nearest", **limits)
            for line, (text, color) in enumerate(self._texts(number)):
                y = top + ((0.5 + line) * _LINE_HEIGHT + _GAP_HEIGHT) * height
                style: dict[str, Any] = {"fontsize": 7, "va": "center", "parse_math": False}
                ax.text(left, y, text, **style | {"color": color} | dict(text_kw or {}))
        ax.set_xlim(0, n_columns * (width + gap) - gap)
        ax.set_ylim(n_rows * tile_height, 0)
        ax.set_axis_off()
        return self

    def _texts(self, number: int) -> list[tuple[str, str | None]]:
        """Return the lines of text above an image, each with its colour."""
        predicted = self.predicted[number]
        if self.confidence is not None:
            predicted = f"{predicted} {self.confidence[number]:.2f}"
        if self.true is None:
            return [(predicted, None)]
        wrong = self.true[number] != self.predicted[number]
        return [(self.true[number], None), (f"→ {predicted}", COLORS[1] if wrong else None)]


def _find_errors(
    y_true: AnyArray | None, y_pred: AnyArray, confidence: AnyArray | None
) -> AnyArray:
    """Return the rows of misclassified images, by decreasing confidence if given."""
    if y_true is None:
        raise ValueError(
            "select='errors' needs true labels. Use select='all' to show the first images."
        )
    rows = np.flatnonzero(y_true != y_pred)
    if not len(rows):
        raise ValueError(
            f"All {len(y_true)} predictions are correct. Use select='all' to show the first images."
        )
    return rows if confidence is None else rows[np.argsort(-confidence[rows], kind="stable")]


def as_images(X: ArrayLike, rows: AnyArray, image_shape: ImageShape | None) -> AnyArray:
    """Return rows of X as two-dimensional images, padded with zeros if needed."""
    X, layout = _images.flatten(X)
    X = np.asarray(X)[rows]
    height, width = _images.choose_image_shape(image_shape, layout, X.shape[1])
    padded = np.zeros((len(X), height * width), dtype=X.dtype)
    padded[:, : X.shape[1]] = X
    return padded.reshape(len(X), height, width)
