"""Compare classifiers, such as networks and classical baselines, on the same folds.

`compare` cross-validates any classifiers and returns tables with confidence intervals and
significance tests. Nothing here may depend on Keras, plots or the command line.
"""

from skfashion.comparison._baselines import make_baselines
from skfashion.comparison._compare import compare
from skfashion.comparison._comparison import Comparison

__all__ = ["Comparison", "compare", "make_baselines"]
