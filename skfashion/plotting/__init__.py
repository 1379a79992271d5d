"""Displays like those of scikit-learn: created by ``from_...``, drawn again by ``plot``.

They draw arrays, estimators and comparisons. They must not depend on how estimators were trained.
"""

from ._comparison import ComparisonDisplay
from ._history import HistoryDisplay
from ._image_grid import ImageGridDisplay

__all__ = ["ComparisonDisplay", "HistoryDisplay", "ImageGridDisplay"]
