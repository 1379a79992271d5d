"""Checks of labels that scikit-learn accepts, or rejects with an unclear NumPy message."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from skfashion._utils.messages import shorten
from skfashion._utils.types import AnyArray

# A message shows up to 20 labels. If there are more, it shows the first 10 and the last one.
_MAX_SHOWN, _FIRST_SHOWN = 20, 10


def abbreviate(labels: Iterable[Any]) -> str:
    """Format labels as a list for a message. Long lists are abbreviated."""
    shown = [*labels]
    if len(shown) <= _MAX_SHOWN:
        return f"[{', '.join(map(shorten, shown))}]"
    first = ", ".join(map(shorten, shown[:_FIRST_SHOWN]))
    return f"[{first}, ..., {shorten(shown[-1])}] ({len(shown):,} in all)"


def as_column(values: Any, name: str) -> AnyArray:
    """Convert one value per row, possibly a DataFrame with one column, to an array.

    Raises
    ------
    ValueError
        If they have another shape. The error names the parameter `name`.
    """
    array = np.asarray(values)
    if array.shape[1:] == (1,):
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{name} has shape {array.shape}: expected a value for each image, of shape (n,)."
        )
    return array


def check_labels(y: Any, name: str = "y") -> None:
    """Raise an error if labels are missing, or are neither strings nor an array of numbers.

    Numeric labels and arrays of the wrong shape are left to scikit-learn, whose messages are
    clearer.

    Raises
    ------
    ValueError
        If a label is missing or has another type. The error names the parameter `name`.
    """
    try:
        labels = np.asarray(y)
    except ValueError:  # rows of different lengths
        return
    if labels.ndim == 0 or labels.size != len(labels):
        return
    missing = {"NaT"} if labels.dtype.kind in "mM" and np.isnat(labels).any() else set()
    values = labels.ravel().tolist() if labels.dtype.kind in "OS" else []
    missing |= {str(value) for value in values if _is_missing(value)}
    if missing:
        raise ValueError(
            f"Unknown label type: {name} has missing labels ({', '.join(sorted(missing))}). "
            "Expected a label for each row."
        )
    if not all(isinstance(value, str) for value in values):
        types = sorted({type(value).__name__ for value in values})
        raise ValueError(
            f"Unknown label type: {name} has labels of the type{'s' * (len(types) > 1)} "
            f"{' and '.join(types)}. Expected only strings, or an array of numbers."
        )


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # of pandas
        return True
    return isinstance(value, float) and np.isnan(value)
