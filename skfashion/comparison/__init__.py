"""Compare networks with classical baselines on the same folds, with intervals and tests.

It takes any classifier. It must not know Keras, plots or the command line.
"""

from ._baselines import make_baselines
from ._compare import compare
from ._comparison import Comparison

__all__ = ["Comparison", "compare", "make_baselines"]
