"""Images with what they are and what they were taken for."""

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
from skfashion._utils.labels import as_column
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

_LINE_HEIGHT, _GAP_HEIGHT = 0.17, 0.08  # of the text above an image, in heights of an image

Select: TypeAlias = Literal["errors", "all"] | None


class ImageGridDisplay:
    """A grid of images, each with the class that was predicted and, where it is known, its class.

    Made by `from_estimator` or `from_predictions`; all parameters are stored as attributes.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns)
        Their smallest value is drawn in the first colour of the colormap, their largest in the
        last.
    true : list of str of length n or None
        Names of the classes. None where nobody knows them.
    predicted : list of str of length n
        Names of the predicted classes.
    confidence : ndarray of shape (n,) or None, default=None
        Probability of the predicted class. None writes none.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes

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
        """Draw images and what an estimator takes them for.

        Parameters
        ----------
        estimator : classifier
            Fitted. If it has `predict_proba`, its probabilities are shown and order the errors.
            Of a Pipeline, or a search of one, that begins with an ImageFileReader the pictures are
            shown as the reader makes them: what the classifier sees.
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images; of two dimensions where the estimator is not a FashionCNN. What the
            ImageFileReader takes where there is one.
        y : array-like of shape (n,) or (n, 1), or None, default=None
            True labels. None where nobody knows them.
        select : {"errors", "all"} or None, default=None
            As in `from_predictions`.
        n_images : int, default=20
            Images at the most, at least 1.
        display_labels : array-like of shape (n_classes,) or None, default=None
            Names of the classes, in the order of the estimator's `classes_`. None takes the labels.
        image_shape : tuple of two int or None, default=None
            Rows and columns, at least 1. None takes those of the ImageFileReader, or what the
            layout tells, else the smallest square.
        ax : matplotlib Axes or None, default=None
            None makes a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        ImageGridDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            As `from_predictions`.
        """
        check_is_fitted(estimator)
        estimator = getattr(estimator, "best_estimator_", estimator)
        if isinstance(estimator, Pipeline) and isinstance(estimator[0], ImageFileReader):
            reader, estimator = estimator[0], estimator[1:]
            X = reader.transform(X)
            image_shape = reader.image_shape if image_shape is None else image_shape
        classes = np.asarray(estimator.classes_)
        if hasattr(estimator, "predict_proba"):
            probabilities = estimator.predict_proba(X)
            y_pred, confidence = classes[probabilities.argmax(axis=1)], probabilities.max(axis=1)
        else:
            y_pred, confidence = estimator.predict(X), None
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
        """Draw images and what they were taken for.

        Parameters
        ----------
        X : array-like of shape (n, features), (n, rows, columns) or (n, rows, columns, 1)
            Images.
        y_true : array-like of shape (n,) or (n, 1), or None
            True labels. None where nobody knows them.
        y_pred : array-like of shape (n,) or (n, 1)
            Predicted labels.
        confidence : array-like of shape (n,) or (n, 1), or None, default=None
            Probability of the predicted class. None writes none and orders nothing.
        select : {"errors", "all"} or None, default=None
            "errors" takes the images whose label was not found, with `confidence` the most
            confident first; "all" takes the first images. None takes the errors where there are
            true labels, else all.
        n_images : int, default=20
            Images at the most, at least 1.
        labels : array-like of shape (n_classes,) or None, default=None
            The labels that `display_labels` names. None takes all that occur, sorted.
        display_labels : array-like of shape (n_classes,) or None, default=None
            Names of the classes. None takes the labels.
        image_shape : tuple of two int or None, default=None
            Rows and columns, at least 1. None takes what the layout tells, else the smallest
            square.
        ax : matplotlib Axes or None, default=None
            None makes a figure.
        **kwargs
            Passed to `plot`.

        Returns
        -------
        ImageGridDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            If images, labels and confidence are not of one length, `display_labels` are not as
            many as the labels, `n_images` is below 1, errors are asked for without true labels, or
            there is no error to show.
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
            if y_true is None:
                raise ValueError(
                    "select='errors' without true labels: nobody knows which are wrong. "
                    "select='all' shows the first images."
                )
            rows = np.flatnonzero(y_true != y_pred)
            if not len(rows):
                raise ValueError(
                    f"All {len(y_true)} predictions are right: there is no error to show. "
                    "select='all' shows the first images."
                )
            if confidence is not None:
                rows = rows[np.argsort(-confidence[rows], kind="stable")]
        rows = rows[:n_images]
        occurring = unique_labels(y_pred if y_true is None else y_true, y_pred)
        names = name_classes(
            occurring if labels is None else labels,
            display_labels,
            hint=" labels= says which classes there are.",
        )
        # A label that is not among them names itself.
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
            None makes a figure.
        n_columns : int, default=5
            Images side by side, at least 1.
        cmap : str or matplotlib Colormap, default="gray_r"
            "gray_r" shows dark clothes on white.
        text_kw : dict or None, default=None
            Passed to ``Axes.text`` for what stands above the images. None changes nothing.

        Returns
        -------
        self : ImageGridDisplay
            With `figure_` and `ax_`.

        Raises
        ------
        ImportError
            Without matplotlib.
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
                ax.text(
                    left,
                    top + ((0.5 + line) * _LINE_HEIGHT + _GAP_HEIGHT) * height,
                    text,
                    **{
                        "fontsize": 7,
                        "va": "center",
                        "parse_math": False,
                        **color,
                        **(text_kw or {}),
                    },
                )
        ax.set_xlim(0, n_columns * (width + gap) - gap)
        ax.set_ylim(n_rows * tile_height, 0)
        ax.set_axis_off()
        return self

    def _texts(self, number: int) -> list[tuple[str, dict[str, Any]]]:
        """What stands above an image, line by line, and in which colour."""
        predicted = self.predicted[number]
        if self.confidence is not None:
            predicted = f"{predicted} {self.confidence[number]:.2f}"
        if self.true is None:
            return [(predicted, {})]
        wrong = self.true[number] != self.predicted[number]
        return [(self.true[number], {}), (f"→ {predicted}", {"color": COLORS[1]} if wrong else {})]


def as_images(X: ArrayLike, rows: AnyArray, image_shape: ImageShape | None) -> AnyArray:
    """Some rows of X as images to draw."""
    X, layout = _images.flatten(X)
    X = np.asarray(X)[rows]
    height, width = _images.choose_image_shape(image_shape, layout, X.shape[1])
    padded = np.zeros((len(X), height * width), dtype=X.dtype)
    padded[:, : X.shape[1]] = X
    return padded.reshape(len(X), height, width)
