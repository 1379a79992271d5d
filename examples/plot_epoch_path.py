"""
=======================================
Search over epochs, and resume a search
=======================================

In this example you use ``memory`` to avoid training the same epochs twice. With ``memory`` a
:class:`~skfashion.FashionCNN` stores its weights after every epoch. A later training with the same
data, parameters and seed starts where the stored epochs end. So you can:

- search over ``epochs`` at the cost of the largest number;
- resume a search that was interrupted;
- widen a search and only train what is new.

You get the same weights and scores as without ``memory``, bit for bit.
"""

# %%
# Search over dropout and epochs, on 1,000 of the images that come with the package. The function
# ``search`` also counts the epochs per fold.

from tempfile import TemporaryDirectory

from sklearn.model_selection import GridSearchCV

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:1000], y[:1000]

folder = TemporaryDirectory()  # pass a directory of your own to keep the epochs
clf = FashionCNN.v2(memory=folder.name, random_state=0)
scoring = {"accuracy": "accuracy", "trained": lambda clf, X, y: clf.n_epochs_trained_}


def search(**grid):
    """Search, and count the epochs per fold that were requested and trained."""
    found = GridSearchCV(clf, grid, cv=3, scoring=scoring, refit=False).fit(X, y)
    asked = sum(parameters["epochs"] for parameters in found.cv_results_["params"])
    trained = found.cv_results_["mean_test_trained"].sum()
    return found, {"epochs requested": asked, "epochs trained": int(trained)}


first, costs = search(dropout=[0.2, 0.5], epochs=range(1, 13))
costs

# %%
# Widen the search to more epochs and a third dropout. The twelve epochs of the first two settings
# are stored already.

wider, costs = search(dropout=[0.0, 0.2, 0.5], epochs=range(1, 17))
costs

# %%
# If you interrupt a search, start it again to resume it: every finished epoch is stored. This
# search was complete, so it trains nothing.

again, costs = search(dropout=[0.0, 0.2, 0.5], epochs=range(1, 17))
assert all(again.cv_results_["mean_test_accuracy"] == wider.cv_results_["mean_test_accuracy"])
costs

# %%
# You can get the accuracy after every epoch from one ``fit``. ``staged_predict_proba`` yields the
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
# List what is stored in the directory. In the shell you use ``skfashion cache DIRECTORY``.

from skfashion.__main__ import main

exit_code = main(["cache", folder.name])

# %%
# Plot the accuracy of every setting over the epochs. The band is one standard deviation over the
# folds.

import matplotlib.pyplot as plt

from skfashion.plotting import HistoryDisplay

HistoryDisplay.from_search(wider, metric="accuracy")
plt.show()

folder.cleanup()
