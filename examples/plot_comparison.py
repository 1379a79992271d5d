"""
==========================================
Compare a network with classical baselines
==========================================

In this example you compare a network with classical baselines on the same folds. A single accuracy
tells you little, because other images give another one. The table has an interval and a p-value for
each score, and shows you what each estimator costs.
"""

# %%
# Train version 1 and the baselines of :func:`~skfashion.make_baselines`, on 1,500 of the images
# that come with the package. The slowest baseline is left out. The test images add two columns: the
# accuracy on them, and the p-value of the difference there.

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
# adjusted for the number of comparisons. You find unrounded figures in ``comparison.table``, and
# those of every fold in ``comparison.scores``. With so few images version 1 is not the best:
# :doc:`/user_guide/networks` says which network to take, and :doc:`/user_guide/comparing` explains
# the columns.

comparison.table[["accuracy_mean", "accuracy_low", "accuracy_high", "accuracy_p_adjusted"]].round(3)

# %%
# Get the out-of-fold predictions. ``comparison.out_of_fold`` has the probabilities of the network
# for every image, predicted by the fold that was not trained on it.
# ``comparison.out_of_fold_predictions`` has the labels of each estimator. To look at errors, see
# :ref:`sphx_glr_auto_examples_plot_errors.py`.

comparison.out_of_fold["network"].shape

# %%
# Plot the scores with their intervals.

import matplotlib.pyplot as plt

from skfashion.plotting import ComparisonDisplay

ComparisonDisplay.from_comparison(comparison)
plt.show()

# %%
# Plot the scores against the fit time. The line is the Pareto front: no other estimator is both
# more accurate and quicker to fit than one on the line.

ComparisonDisplay.from_comparison(comparison, kind="fit_time")
plt.show()
