"""
=================================
Calibrate predicted probabilities
=================================

In this example you correct the probabilities of an overconfident network. A network that trains for
long keeps pushing probabilities towards 0 and 1 when its errors have stopped falling. You can
calibrate it with scikit-learn, because it is a classifier with logits, which temperature scaling
[1]_ needs.
"""

# %%
# Train version 1 for ten epochs on 1,000 of the images that come with the package. You test its
# probabilities on 4,000 others.

from tempfile import TemporaryDirectory

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X_train, y_train = X[:1000], y[:1000]
X_new, y_new = X[2000:], y[2000:]

folder = TemporaryDirectory()  # with memory each fold is trained only once
network = FashionCNN.v1(epochs=10, memory=folder.name, random_state=0)

# %%
# Fit the calibrated classifiers. :class:`~sklearn.calibration.CalibratedClassifierCV` fits a
# network in each of three folds. From the out-of-fold predictions it learns one number, the
# temperature, and divides all logits by it. The order of the classes does not change. With isotonic
# regression you need no logits, but many more rows than these.

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV

classifiers = {
    "uncalibrated": network,
    "temperature": CalibratedClassifierCV(network, method="temperature", cv=3, ensemble=False),
    "isotonic": CalibratedClassifierCV(network, method="isotonic", cv=3, ensemble=False),
    "stopped after 3 epochs": clone(network).set_params(epochs=3),
}
for classifier in classifiers.values():
    classifier.fit(X_train, y_train)
folder.cleanup()

# %%
# Plot how often predictions are correct against their probability. Overconfident classifiers lie
# below the diagonal.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import log_loss

fig, ax = plt.subplots(figsize=(6, 5.6), layout="constrained")
rows = {}
for (name, classifier), marker in zip(classifiers.items(), "os^D", strict=True):
    probabilities = classifier.predict_proba(X_new).astype(float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)  # float32 rows sum to 1 only roughly
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
    ylabel="share of correct predictions",
    xlim=(0.35, 1.02),
    ylim=(0.35, 1.02),
)
plt.show()

# %%
# Compare the classifiers by log loss, which penalizes unfounded confidence. A single temperature
# costs you no accuracy.

pd.DataFrame(rows).T.round(3)

# %%
# .. rubric:: References
#
# .. [1] Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017.
