"""Networks beside classical baselines: the same folds for all, and how sure the table is."""

from ._baselines import make_baselines
from ._compare import compare
from ._comparison import Comparison

__all__ = ["Comparison", "compare", "make_baselines"]
