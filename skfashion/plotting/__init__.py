"""Displays like those of scikit-learn: created by ``from_...``, drawn again by ``plot``.

They draw arrays, estimators and comparisons. They must not depend on how estimators were trained.
"""

from skfashion.plotting._comparison import ComparisonDisplay
from skfashion.plotting._history import HistoryDisplay
from skfashion.plotting._image_grid import ImageGridDisplay

__all__ = ["ComparisonDisplay", "HistoryDisplay", "ImageGridDisplay"]
