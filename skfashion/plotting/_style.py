"""Colours, checks and helpers shared by all Displays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from skfashion._utils.label_checks import abbreviate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito 2008, "Color universal design", without yellow, which is too light for a line. Line
# styles and markers differ as well, for prints without colour. 4 and 5 have no common factor, so
# the first 20 pairs of line style and marker differ.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v")
# Colour of each family of estimators in all plots of a comparison.
BASELINE_COLOR, NETWORK_COLOR = COLORS[:2]


def pyplot() -> Any:
    """Import and return matplotlib.pyplot, which only plots need."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib: python -m pip install 'skfashion[plot]'"
        ) from error
    return plt


def check_choice(parameter: str, value: str, choices: Sequence[str]) -> str:
    """Return the value, or raise an error if it is not one of the choices."""
    if value not in choices:
        expected = " or ".join(map(repr, choices))
        raise ValueError(f"{parameter}={value!r}: expected {expected}.")
    return value


def check_at_least_one(parameter: str, value: int) -> None:
    """Raise an error if a number of images or columns is below 1."""
    if value < 1:
        raise ValueError(f"{parameter}={value}: expected at least 1.")


def make_axes(ax: Axes | None, figsize: tuple[float, float]) -> tuple[Axes, Figure]:
    """Return the given Axes, or the Axes of a new figure, and their figure."""
    if ax is None:
        _, ax = pyplot().subplots(figsize=figsize, layout="constrained")
    return ax, ax.figure.figure  # the parent figure of a subfigure


def shades(color: str, n: int) -> list[str]:
    """Return n shades of a colour, from darker to lighter. One shade is the colour itself.

    The range is small enough for all to stand out on white and on black.
    """
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = to_rgb(color)
    mixed = []
    for share in np.linspace(-0.3, 0.25, n) if n > 1 else [0.0]:
        rest, other = 1 - abs(share), max(share, 0.0)  # a share of black or of white
        mixed.append(to_hex((rest * red + other, rest * green + other, rest * blue + other)))
    return mixed


def name_classes(classes: ArrayLike, display_labels: Any, hint: str = "") -> dict[Any, str]:
    """Return the name of each class. Without `display_labels` the name is the class itself."""
    labels = np.asarray(classes).tolist()
    if display_labels is None:
        display_labels = labels
    if len(display_labels) != len(labels):
        raise ValueError(
            f"display_labels has {len(display_labels)} names for {len(labels)} classes, "
            f"{abbreviate(labels)}: expected one name per class.{hint}"
        )
    return dict(zip(labels, map(str, display_labels), strict=True))
