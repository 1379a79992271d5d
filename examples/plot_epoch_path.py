"""
=====================================
The epoch path, and a search resumed
=====================================

Ten epochs pass by five. With ``memory`` a :class:`~skfashion.FashionCNN` stores its weights after
every epoch, and each later training of the same data, parameters and seed begins where the stored
epochs end: a search over ``epochs`` costs its longest training, one that was interrupted goes on,
and one that is widened trains only what is new. Weights and scores are those of a training without
``memory``, bit for bit.
"""

# %%
# A search over how long to train, on a thousand of the images that come with the package.

from tempfile import TemporaryDirectory

from sklearn.model_selection import GridSearchCV

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:1000], y[:1000]

folder = TemporaryDirectory()  # a directory of your own outlives the process
clf = FashionCNN.v2(memory=folder.name, random_state=0)
scoring = {"accuracy": "accuracy", "trained": lambda clf, X, y: clf.n_epochs_trained_}


def search(**grid):
    """Search, and tell how many epochs each fold had to train."""
    found = GridSearchCV(clf, grid, cv=3, scoring=scoring, refit=False).fit(X, y)
    asked = sum(parameters["epochs"] for parameters in found.cv_results_["params"])
    trained = found.cv_results_["mean_test_trained"].sum()
    return found, {"epochs asked for": asked, "trained": int(trained)}


first, costs = search(dropout=[0.2, 0.5], epochs=range(1, 13))
costs

# %%
# Now somebody has second thoughts: longer, and a third dropout. The twelve epochs of the first two
# settings are there already.

wider, costs = search(dropout=[0.0, 0.2, 0.5], epochs=range(1, 17))
costs

# %%
# Stop it in the middle, if you want to see it resumed: what was finished is stored after every
# epoch. The same search once more trains nothing.

again, costs = search(dropout=[0.0, 0.2, 0.5], epochs=range(1, 17))
assert all(again.cv_results_["mean_test_accuracy"] == wider.cv_results_["mean_test_accuracy"])
costs

# %%
# One ``fit`` is enough for the whole path of one network: ``staged_predict_proba`` yields its
# probabilities after each epoch, as gradient boosting does after each tree.

import numpy as np

X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)
clf = FashionCNN.v2(memory=folder.name, epochs=16, dropout=0.2, random_state=0).fit(X, y)
staged = [
    np.mean(clf.classes_[probabilities.argmax(axis=1)] == y_test)
    for probabilities in clf.staged_predict_proba(X_test)
]
print(f"after 1, 4 and 16 epochs: {staged[0]:.3f}, {staged[3]:.3f}, {staged[15]:.3f}")

# %%
# What lies in the directory. In the shell: ``skfashion cache DIRECTORY``.

from skfashion.__main__ import main

exit_code = main(["cache", folder.name])

# %%
# The path of every setting, with a band of one standard deviation over the folds.

import matplotlib.pyplot as plt

from skfashion.plotting import HistoryDisplay

HistoryDisplay.from_search(wider, metric="accuracy")
plt.show()

folder.cleanup()
