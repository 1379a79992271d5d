"""The figures of the report, as SVG in the page's text colour."""

import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

from skfashion._utils.types import AnyArray
from skfashion.comparison import Comparison
from skfashion.plotting import ComparisonDisplay, HistoryDisplay, ImageGridDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A placeholder colour for text and lines, which is replaced by the page's text colour.
_PLACEHOLDER_COLOR = "#010203"
_COLOR_SETTINGS = (
    "text.color",
    "axes.labelcolor",
    "axes.edgecolor",
    "xtick.color",
    "ytick.color",
)


class Figure(NamedTuple):
    """A figure and its caption."""

    svg: str
    caption: str


def best_network(comparison: Comparison) -> str | None:
    """Return the name of the best network that did not fail, or None."""
    return next((name for name in comparison.table.index if name in comparison.out_of_fold), None)


def figures(
    comparison: Comparison, X: AnyArray, y: AnyArray, display_labels: Sequence[str]
) -> Iterator[Figure]:
    """Draw the figures of a comparison.

    Parameters
    ----------
    comparison : Comparison
    X : ndarray of shape (n, features)
        The images that were cross-validated.
    y : ndarray of shape (n,)
    display_labels : list of str
        Names of the classes, in the order of the sorted labels.

    Yields
    ------
    Figure
    """
    metric = comparison.metrics[0]
    if comparison.table[f"{metric}_mean"].isna().all():
        return
    metric = metric.replace("_", " ")
    yield _draw(
        f"Mean {metric} over the folds with its 95 % interval; networks are diamonds. Scores "
        "far below the rest are shown at the edge.",
        (5.2, 1 + 0.32 * len(comparison.table)),
        lambda ax: ComparisonDisplay.from_comparison(comparison, ax=ax),
    )
    yield _draw(
        f"Mean {metric} against fit time in seconds. The line is the Pareto front: "
        "no other estimator is both faster and better than one on it.",
        (5.2, 4.2),
        lambda ax: ComparisonDisplay.from_comparison(comparison, kind="fit_time", ax=ax),
    )
    if (network := best_network(comparison)) is None:
        return
    probabilities = comparison.out_of_fold[network]
    rows = np.flatnonzero(~np.isnan(probabilities[:, 0]))
    classes = np.unique(y)
    y_pred = classes[probabilities[rows].argmax(axis=1)]
    yield _draw(
        f"{network}: confusion matrix of the out-of-fold predictions, in percent of the true "
        "class.",
        (5.2, 5.2),
        lambda ax: _draw_confusion(ax, y[rows], y_pred, classes, display_labels),
    )
    if np.any(y_pred != y[rows]):
        yield _draw(
            f"{network}: the most confident errors, with the true class, the predicted class and "
            "its probability. Some labels are doubtful.",
            (5.2, 7.2),
            lambda ax: ImageGridDisplay.from_predictions(
                X[rows],
                y[rows],
                y_pred,
                confidence=probabilities[rows].max(axis=1),
                labels=classes,
                display_labels=display_labels,
                n_images=16,
                n_columns=4,
                text_kw={"fontsize": 8},
                ax=ax,
            ),
        )
    yield _draw(
        "Training accuracy of the networks, mean and standard deviation over the folds.",
        (5.2, 4.2),
        lambda ax: HistoryDisplay.from_comparison(comparison, metrics="accuracy", ax=ax),
    )


def _draw_confusion(
    ax: "Axes", y: AnyArray, y_pred: AnyArray, classes: AnyArray, display_labels: Sequence[str]
) -> None:
    shares = 100 * confusion_matrix(y, y_pred, labels=classes, normalize="true")
    ConfusionMatrixDisplay(shares, display_labels=display_labels).plot(
        ax=ax,
        cmap="Blues",
        colorbar=False,
        values_format=".0f",
        xticks_rotation=45,
        text_kw={"fontsize": 8},
    )
    for text in ax.get_xticklabels():
        text.set(ha="right", rotation_mode="anchor")


def _draw(caption: str, size: tuple[float, float], draw: Callable[["Axes"], object]) -> Figure:
    """Call `draw` on new Axes and return the figure in the page's text colour."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as MatplotlibFigure

    settings: Any = dict.fromkeys(_COLOR_SETTINGS, _PLACEHOLDER_COLOR)
    settings |= {"svg.fonttype": "none", "svg.hashsalt": caption, "font.size": 9}
    settings |= {"legend.facecolor": "none", "legend.edgecolor": "none"}
    settings |= {"image.composite_image": False}  # separate images stay sharp
    with mpl.rc_context(settings):
        figure = MatplotlibFigure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        file = io.StringIO()
        metadata = dict.fromkeys(["Creator", "Date", "Format", "Type"])
        figure.savefig(file, format="svg", dpi=200, transparent=True, metadata=metadata)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(_PLACEHOLDER_COLOR, "currentColor")
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(caption)}"', 1)
    # Matplotlib uses the same ids in all figures, but ids must be unique in a page.
    prefix = f"f{zlib.crc32(caption.encode())}-"
    for name in ('id="', 'href="#', "url(#"):
        svg = re.sub(rf"(?<=[\s:\"]){re.escape(name)}", f"{name}{prefix}", svg)
    return Figure(svg, caption)
