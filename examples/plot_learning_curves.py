"""
=============================
Learning curves of all folds
=============================

Does a network learn in every fold, and where does it begin to learn its training rows by heart?
:func:`~sklearn.model_selection.cross_validate` hands out the network of every fold, and each
carries the history of its training.
"""

# %%
# Both networks, on two thousand of the images that come with the package. A fifth of the rows of
# every fold is set aside to be scored after each epoch.

from sklearn.model_selection import cross_validate

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:2000], y[:2000]

networks = {
    "version 1": FashionCNN.v1(epochs=8, validation_fraction=0.2, random_state=0),
    "version 2": FashionCNN.v2(epochs=25, validation_fraction=0.2, random_state=0),
}
results = {
    name: cross_validate(clf, X, y, cv=3, return_estimator=True) for name, clf in networks.items()
}
for name, result in results.items():
    print(f"{name}: accuracy {result['test_score'].mean():.3f}")

# %%
# Version 1 goes on learning its training rows while the validation loss has long stopped falling:
# it overfits. Version 2 has a twenty-sixth of the parameters, and dropout: for most of the way its
# training accuracy, measured with dropout at work, stays below that of the validation rows.

import matplotlib.pyplot as plt

from skfashion.plotting import HistoryDisplay

for name, result in results.items():
    display = HistoryDisplay.from_cv_results(result)
    display.figure_.suptitle(f"{name}: three folds")
plt.show()

# %%
# So version 1 should stop early, on the rows set aside. The dotted line marks the epoch whose
# weights were kept.

clf = FashionCNN.v1(
    epochs=20, validation_fraction=0.2, early_stopping=True, n_iter_no_change=4, random_state=0
).fit(X, y)
print(f"stopped after {len(clf.history_['loss'])} epochs, kept epoch {clf.n_iter_}")
HistoryDisplay.from_estimator(clf)
plt.show()
