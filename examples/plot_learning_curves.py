"""
===============
Learning curves
===============

Would more images help, or more epochs? scikit-learn's learning curve asks the first by training on
ever more rows; the history of a training asks the second, and cross-validation says how much
either answer owes to luck.
"""

# %%
# A network and a forest on sixteen hundred of the images that come with the package.

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
# :class:`~sklearn.model_selection.LearningCurveDisplay` trains each on more and more rows, in two
# folds here. All gain from more rows, and none has come to its end: what a data set of sixty
# thousand gives is in :doc:`/results`.

import matplotlib.pyplot as plt
from sklearn.model_selection import LearningCurveDisplay

fig, ax = plt.subplots(layout="constrained")
for name, classifier in classifiers.items():
    LearningCurveDisplay.from_estimator(
        classifier,
        X,
        y,
        train_sizes=[100, 200, 400, 800],
        cv=2,
        score_type="test",
        score_name="accuracy",
        ax=ax,
    )
    ax.get_lines()[-1].set(label=name, marker="o")
ax.legend(loc="lower right")
plt.show()

# %%
# Over the epochs: :func:`~sklearn.model_selection.cross_validate` hands out the network of every
# fold, and each carries its history. A fifth of the rows of every fold is set aside to be scored
# after each epoch.

from sklearn.model_selection import cross_validate

from skfashion.plotting import HistoryDisplay

network = FashionCNN.v2(epochs=30, validation_fraction=0.2, random_state=0)
result = cross_validate(network, X, y, cv=3, return_estimator=True)
HistoryDisplay.from_cv_results(result)
plt.show()

# %%
# Version 2 is still learning after thirty epochs. Its training accuracy is measured with dropout
# at work, and stays below that of the validation rows for most of the way. Version 1 should stop
# early, on the rows set aside. The dotted line marks the epoch whose weights were kept.

clf = FashionCNN.v1(
    epochs=20, validation_fraction=0.2, early_stopping=True, n_iter_no_change=4, random_state=0
).fit(X, y)
print(f"stopped after {len(clf.history_['loss'])} epochs, kept epoch {clf.n_iter_}")
HistoryDisplay.from_estimator(clf)
plt.show()
