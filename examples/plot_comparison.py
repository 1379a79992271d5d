"""
=============================
Networks beside the classical
=============================

Which classifier should it be? A single accuracy does not say: other images give another. Here a
network stands beside classical baselines on the same folds, and the table says how sure it is and
what each costs.
"""

# %%
# The baselines come configured; a network is one more entry. Those that take longest are left out
# here, and fifteen hundred of the images that come with the package have to do.

from skfashion import FashionCNN, compare, make_baselines
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:1500], y[:1500]
X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)

baselines = make_baselines(random_state=0)
del baselines["histogram gradient boosting"]
network = FashionCNN.v1(epochs=6, random_state=0)
comparison = compare({"network": network, **baselines}, X, y, cv=3, X_test=X_test, y_test=y_test)
comparison

# %%
# A star marks the estimators that are significantly worse than the best. Their p-values are
# adjusted for the number of comparisons. ``comparison.table`` has unrounded figures,
# ``comparison.scores`` those of every fold.

comparison.table[["accuracy_mean", "accuracy_low", "accuracy_high", "accuracy_p_adjusted"]].round(3)

# %%
# What the network takes for what is the subject of :ref:`sphx_glr_auto_examples_plot_errors.py`;
# ``comparison.out_of_fold`` has its probabilities for every image, predicted by the fold that was
# not trained on it. ``comparison.out_of_fold_predictions`` has the labels of each estimator.

comparison.out_of_fold["network"].shape

# %%
# The same as a picture.

import matplotlib.pyplot as plt

from skfashion.plotting import ComparisonDisplay

ComparisonDisplay.from_comparison(comparison)
plt.show()

# %%
# And at what price: whoever lies on the line is beaten by no other in both.

ComparisonDisplay.from_comparison(comparison, kind="fit_time")
plt.show()
