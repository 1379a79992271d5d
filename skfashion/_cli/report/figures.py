"""The figures of the report, as SVG in the colours of the page."""

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
from skfashion.plotting._comparison import fit_time_height
from skfashion.plotting._style import BASELINE_COLOR, NETWORK_COLOR

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A placeholder colour for text and lines, which is replaced by the page's text colour.
_PLACEHOLDER_COLOR = "#010203"
# Colours that differ between the page's light and dark mode.
_PAGE_COLORS = {
    _PLACEHOLDER_COLOR: "currentColor",
    BASELINE_COLOR.lower(): "var(--baseline)",
    NETWORK_COLOR.lower(): "var(--network)",
}
_WIDTH = 4.4  # inches; wide enough for the labels, and narrow enough to be read on a phone
_COLOR_SETTINGS = (
    "text.color",
    "axes.labelcolor",
    "axes.edgecolor",
    "xtick.color",
    "ytick.color",
)


class Figure(NamedTuple):
    """A figure, its caption, and the CSS class that says what it shows."""

    svg: str
    caption: str
    kind: str


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
        "scores",
        f"Mean {metric} with its 95 % interval. Pale points are the scores of the folds. A star "
        "marks significant differences from the best. Scores far below the rest are shown at the "
        "edge.",
        1.4 + 0.3 * len(comparison.table),
        lambda ax: ComparisonDisplay.from_comparison(comparison, ax=ax),
    )
    yield _draw(
        "fit-time",
        f"Mean {metric} against fit time in seconds. The line is the Pareto front: "
        "no other estimator is both faster and better than one on it. Scores far below the rest "
        "are shown at the edge.",
        fit_time_height(len(comparison.table)),
        lambda ax: ComparisonDisplay.from_comparison(comparison, kind="fit_time", ax=ax),
    )
    best, classes = comparison.table.index[0], np.unique(y)
    predictions = comparison.out_of_fold_predictions[best]
    color = NETWORK_COLOR if best in comparison.networks else BASELINE_COLOR
    yield _draw(
        "confusion",
        f"{best}: confusion matrix of the out-of-fold predictions, in percent of the true class.",
        4.4,
        lambda ax: _draw_confusion(
            ax, y[predictions.index], predictions.to_numpy(), classes, display_labels, color
        ),
    )
    if (network := best_network(comparison)) is None:
        return
    probabilities = comparison.out_of_fold[network]
    rows = np.flatnonzero(~np.isnan(probabilities[:, 0]))
    y_pred = classes[probabilities[rows].argmax(axis=1)]
    if np.any(y_pred != y[rows]):
        yield _draw(
            "photos",
            f"{network}: the most confident errors, with the true class, the predicted class and "
            "its probability. Some labels are doubtful.",
            6.1,
            lambda ax: ImageGridDisplay.from_predictions(
                X[rows],
                y[rows],
                y_pred,
                confidence=probabilities[rows].max(axis=1),
                labels=classes,
                display_labels=display_labels,
                n_images=16,
                n_columns=4,
                ax=ax,
            ),
        )
    kinds = "Training and validation" if "val_accuracy" in comparison.histories else "Training"
    yield _draw(
        "history",
        f"{kinds} accuracy of the networks, mean and standard deviation over the folds.",
        4.2,
        lambda ax: _draw_history(ax, comparison),
    )


def _draw_confusion(
    ax: "Axes",
    y: AnyArray,
    y_pred: AnyArray,
    classes: AnyArray,
    display_labels: Sequence[str],
    color: str,
) -> None:
    """Draw the matrix with cells from transparent to the colour, for light and dark pages."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    shares = 100 * confusion_matrix(y, y_pred, labels=classes, normalize="true")
    cmap = LinearSegmentedColormap.from_list("cells", [to_rgba(color, 0), to_rgba(color, 0.6)])
    display = ConfusionMatrixDisplay(shares, display_labels=display_labels).plot(
        ax=ax,
        cmap=cmap,
        colorbar=False,
        values_format=".0f",
        xticks_rotation=45,
        text_kw={"fontsize": 8, "color": _PLACEHOLDER_COLOR},
    )
    for text in display.text_[shares == 0]:
        text.set_text("")
    for text in ax.get_xticklabels():
        text.set(ha="right", rotation_mode="anchor")
    ax.set(xlabel="predicted class", ylabel="true class")


def _draw_history(ax: "Axes", comparison: Comparison) -> None:
    """Draw the curves with the legend above them, which leaves them the width."""
    HistoryDisplay.from_comparison(comparison, metrics="accuracy", ax=ax)
    if old := ax.get_legend():
        legend = ax.legend(
            [handle for handle in old.legend_handles if handle is not None],
            [text.get_text() for text in old.get_texts()],
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=2,
            fontsize="small",
        )
        for text in legend.get_texts():  # names may contain a dollar sign
            text.set_parse_math(False)


def _draw(kind: str, caption: str, height: float, draw: Callable[["Axes"], object]) -> Figure:
    """Call `draw` on new Axes and return the figure in the page's colours."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as MatplotlibFigure

    settings: Any = dict.fromkeys(_COLOR_SETTINGS, _PLACEHOLDER_COLOR)
    settings |= {"svg.fonttype": "none", "svg.hashsalt": caption, "font.size": 9}
    settings |= {"legend.facecolor": "none", "legend.edgecolor": "none"}
    settings |= {"image.composite_image": False}  # separate images stay sharp
    with mpl.rc_context(settings):
        figure = MatplotlibFigure(figsize=(_WIDTH, height), layout="constrained")
        draw(figure.add_subplot())
        file = io.StringIO()
        metadata = dict.fromkeys(["Creator", "Date", "Format", "Type"])
        figure.savefig(file, format="svg", dpi=200, transparent=True, metadata=metadata)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    for color, page_color in _PAGE_COLORS.items():
        svg = svg.replace(color, page_color)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(caption)}"', 1)
    # Matplotlib uses the same ids in all figures, but ids must be unique in a page.
    prefix = f"f{zlib.crc32(caption.encode())}-"
    for name in ('id="', 'href="#', "url(#"):
        svg = re.sub(rf"(?<=[\s:\"]){re.escape(name)}", f"{name}{prefix}", svg)
    return Figure(svg, caption, kind)
