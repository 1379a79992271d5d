"""
====================================
Does 90 % sure mean right in 90 %?
====================================

A network that trains for long is too sure of itself: it goes on pushing probabilities towards 0
and 1 when its errors have stopped falling. scikit-learn's calibration mends that, since the
network is a classifier with logits, which is what temperature scaling [1]_ needs.
"""

# %%
# Version 1 after ten epochs, on a thousand of the images that come with the package; four thousand
# others say how true its probabilities are.

from tempfile import TemporaryDirectory

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X_train, y_train = X[:1000], y[:1000]
X_new, y_new = X[2000:], y[2000:]

folder = TemporaryDirectory()  # everything below trains this network: each fold of it once
network = FashionCNN.v1(epochs=10, memory=folder.name, random_state=0)

# %%
# :class:`~sklearn.calibration.CalibratedClassifierCV` fits a network in each of three folds and,
# on the rows left out, one number: the temperature that all logits are divided by. The order of
# the classes stays as it was. Isotonic regression needs no logits, but many more rows than these.

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV

classifiers = {
    "as trained": network,
    "temperature": CalibratedClassifierCV(network, method="temperature", cv=3, ensemble=False),
    "isotonic": CalibratedClassifierCV(network, method="isotonic", cv=3, ensemble=False),
    "stopped after 3 epochs": clone(network).set_params(epochs=3),
}
for classifier in classifiers.values():
    classifier.fit(X_train, y_train)
folder.cleanup()

# %%
# How sure they are of their answers against how often these are right. Below the diagonal lies who
# is too sure.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import log_loss

fig, ax = plt.subplots(figsize=(6, 5.6), layout="constrained")
rows = {}
for (name, classifier), marker in zip(classifiers.items(), "os^D", strict=True):
    probabilities = classifier.predict_proba(X_new).astype(float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)  # float32 sums to 1 less exactly
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y_new
    CalibrationDisplay.from_predictions(
        right, confidence, n_bins=10, strategy="quantile", name=name, marker=marker, ax=ax
    )
    rows[name] = {
        "accuracy": np.mean(right),
        "mean confidence": np.mean(confidence),
        "log loss": log_loss(y_new, probabilities),
    }
ax.set(
    xlabel="probability of the predicted class",
    ylabel="share of right predictions",
    xlim=(0.35, 1.02),
    ylim=(0.35, 1.02),
)
plt.show()

# %%
# The log loss, which punishes unfounded confidence, says the same in one number. One temperature
# for all costs nothing in accuracy.

pd.DataFrame(rows).T.round(3)

# %%
# .. rubric:: References
#
# .. [1] Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017.
