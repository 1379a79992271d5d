"""What all Displays share."""

from collections.abc import Sequence
from typing import Any

# Okabe and Ito 2008, "Color universal design", without yellow, which is too light for a line. Line
# styles and markers differ as well, so that nothing is lost in grey. Four and five styles share no
# factor: the first twenty pairs differ.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v")


def pyplot() -> Any:
    """Matplotlib's pyplot, imported late: nobody who does not draw needs it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib: python -m pip install 'skfashion[plot]'"
        ) from error
    return plt


def check_choice(parameter: str, value: str, choices: Sequence[str]) -> str:
    """Return the value, which has to be one of the choices."""
    if value not in choices:
        expected = " or ".join(map(repr, choices))
        raise ValueError(f"{parameter}={value!r}: expected {expected}.")
    return value
