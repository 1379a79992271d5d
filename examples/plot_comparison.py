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
from skfashion.datasets import CLASS_NAMES, load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:1500], y[:1500]
X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)

baselines = make_baselines(random_state=0)
del baselines["histogram gradient boosting"]
network = FashionCNN.v1(epochs=6, random_state=0)
comparison = compare({"network": network, **baselines}, X, y, cv=5, X_test=X_test, y_test=y_test)
comparison

# %%
# The interval of a mean allows for the training rows that folds share, which makes it wider than
# the spread of the scores suggests; the p-values do so too. :attr:`table` has unrounded figures,
# :attr:`scores` those of every fold.

comparison.table[["accuracy_mean", "accuracy_low", "accuracy_high", "accuracy_p_value"]].round(3)

# %%
# The same as pictures: on the left who is better, on the right at what price. Whoever lies on the
# line is beaten by no other in both.

import matplotlib.pyplot as plt

from skfashion.plotting import ComparisonDisplay

_, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
ComparisonDisplay.from_comparison(comparison, ax=axes[0])
ComparisonDisplay.from_comparison(comparison, kind="fit_time", ax=axes[1])
plt.show()

# %%
# What does the network take for what? It tells the probabilities of every image that its fold left
# out, so the confusion matrix is over all of them.

from sklearn.metrics import ConfusionMatrixDisplay

probabilities = comparison.out_of_fold["network"]
ConfusionMatrixDisplay.from_predictions(
    y,
    probabilities.argmax(axis=1),
    display_labels=CLASS_NAMES,
    normalize="true",
    values_format=".2f",
    cmap="Blues",
    xticks_rotation=45,
    colorbar=False,
    text_kw={"fontsize": 7},
)
plt.show()

# %%
# Its most confident errors: the label stands above what the network saw. Shirts, coats and
# pullovers are hard to tell apart at 28 x 28 pixels, and some labels are doubtful.

from skfashion.plotting import ImageGridDisplay

ImageGridDisplay.from_predictions(
    X,
    y,
    probabilities.argmax(axis=1),
    confidence=probabilities.max(axis=1),
    display_labels=CLASS_NAMES,
    n_images=15,
)
plt.show()
