"""
==================================
Learning curves and early stopping
==================================

In this example you find out whether more images or more epochs would improve a classifier.
scikit-learn's learning curves show you the effect of more rows. The history of a training shows you
the effect of more epochs, and cross-validation shows how much both vary by chance.
"""

# %%
# Compare versions 1 and 2 with a random forest, on 1,600 of the images that come with the package.

from sklearn.ensemble import RandomForestClassifier

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:1600], y[:1600]

classifiers = {
    "version 1": FashionCNN.v1(epochs=5, random_state=0),
    "version 2": FashionCNN.v2(epochs=15, random_state=0),
    "random forest": RandomForestClassifier(random_state=0),
}

# %%
# Plot the learning curves. :class:`~sklearn.model_selection.LearningCurveDisplay` trains each
# classifier on more and more rows, here in two folds. All of them improve with more rows, and none
# has reached its limit. You find the accuracy with 60,000 rows in :doc:`/results`.

import matplotlib.pyplot as plt
from sklearn.model_selection import LearningCurveDisplay

fig, ax = plt.subplots(layout="constrained")
colors = ["#954200", "#E08740", "#0072B2"]  # the networks in shades of orange
for (name, classifier), color in zip(classifiers.items(), colors, strict=True):
    LearningCurveDisplay.from_estimator(
        classifier,
        X,
        y,
        train_sizes=[100, 200, 400, 800],
        cv=2,
        score_type="test",
        score_name="accuracy",
        ax=ax,
        line_kw={"color": color},
        fill_between_kw={"color": color, "alpha": 0.15},
    )
    ax.get_lines()[-1].set(label=name, marker="o")
ax.legend(loc="lower right")
plt.show()

# %%
# Plot the curves over the epochs. You get the network of every fold from
# :func:`~sklearn.model_selection.cross_validate`, and each network has its history. In every fold a
# fifth of the training rows is set aside, to be scored after each epoch.

from sklearn.model_selection import cross_validate

from skfashion.plotting import HistoryDisplay

network = FashionCNN.v2(epochs=30, validation_fraction=0.2, random_state=0)
result = cross_validate(network, X, y, cv=3, return_estimator=True)
HistoryDisplay.from_cv_results(result)
plt.show()

# %%
# Version 2 still improves after thirty epochs. Its training accuracy is measured with dropout, so
# it is lower than the validation accuracy for most epochs.
#
# Version 1 needs fewer epochs. With ``early_stopping`` it stops when its validation accuracy has
# not risen for four epochs. The dotted line marks the epoch whose weights are kept.

clf = FashionCNN.v1(
    epochs=20, validation_fraction=0.2, early_stopping=True, n_iter_no_change=4, random_state=0
).fit(X, y)
print(f"stopped after {len(clf.history_['loss'])} epochs, kept epoch {clf.n_iter_}")
HistoryDisplay.from_estimator(clf)
plt.show()
