"""Displays in the shape of scikit-learn's: made by ``from_...``, drawn again by ``plot``.

They draw arrays, estimators and comparisons. They must not know how anything was trained.
"""

from ._comparison import ComparisonDisplay
from ._history import HistoryDisplay
from ._image_grid import ImageGridDisplay

__all__ = ["ComparisonDisplay", "HistoryDisplay", "ImageGridDisplay"]
