"""
============================================
Compare overfitting with and without dropout
============================================

In this example you test a claim about overfitting. The project started from a README with two
networks, versions 1 and 2. Version 2 is smaller and has dropout. The README says that it scores
lower but "will likely perform better on outside, unseen data", because it overfits less.
"""

# %%
# Train both of them on 1,000 images. Score them after every epoch, without dropout, on these images
# and on 1,000 others. With ``memory`` you get the scores of all epochs from one ``fit``.

from tempfile import TemporaryDirectory

import numpy as np

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:1000], y[:1000]
X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)

folder = TemporaryDirectory()
networks = {
    "version 1": FashionCNN.v1(epochs=12, memory=folder.name, random_state=0),
    "version 2": FashionCNN.v2(epochs=12, memory=folder.name, random_state=0),
}


def accuracy_path(clf, X, y):
    """Return the accuracy after each epoch."""
    return [
        np.mean(clf.classes_[probabilities.argmax(axis=1)] == y)
        for probabilities in clf.staged_predict_proba(X)
    ]


paths = {}
for name, clf in networks.items():
    clf.fit(X, y)
    paths[name] = {
        "training": accuracy_path(clf, X, y),
        "unseen": accuracy_path(clf, X_test, y_test),
    }

# %%
# Version 2 does overfit less: its accuracy on unseen images is close to that on training images.
# Version 1 memorizes its training images. But a small gap does not make a network accurate. On
# unseen images version 1 is more accurate after every epoch.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.6), sharey=True, layout="constrained")
for ax, (name, accuracy) in zip(axes, paths.items(), strict=True):
    epochs = range(1, len(accuracy["unseen"]) + 1)
    ax.fill_between(epochs, accuracy["unseen"], accuracy["training"], alpha=0.15, label="the gap")
    ax.plot(epochs, accuracy["training"], "--", label="training images")
    ax.plot(epochs, accuracy["unseen"], "o-", ms=4, label="unseen images")
    parameters = sum(weights.size for weights in networks[name].weights_)
    ax.set(title=f"{name}: {parameters:,} parameters", xlabel="epoch")
axes[0].set_ylabel("accuracy")
axes[0].legend(loc="lower right")
plt.show()

# %%
# Print the figures after the last epoch. The gap is training minus unseen accuracy. With 60,000
# images you get the same result, see :doc:`/results`.

import pandas as pd

last = pd.DataFrame(
    {name: {rows: path[-1] for rows, path in found.items()} for name, found in paths.items()}
).T
last["gap"] = last["training"] - last["unseen"]
last.round(3)

# %%
# Train version 1 with early stopping or with a little dropout. Early stopping narrows the gap, but
# the network is no more accurate on unseen images. Dropout makes it more accurate with this seed,
# but less accurate with seed 1. Try several seeds before you rely on such a difference.

variants = {
    "as it is": {},
    "stopped early": {"early_stopping": True, "n_iter_no_change": 3, "validation_fraction": 0.1},
    "dropout=0.2": {"dropout": 0.2},
}
rows = {}
for name, parameters in variants.items():
    clf = FashionCNN.v1(epochs=12, memory=folder.name, random_state=0, **parameters).fit(X, y)
    rows[name] = {
        "epochs": clf.n_iter_,
        "training": clf.score(X, y),
        "unseen": clf.score(X_test, y_test),
    }
folder.cleanup()
pd.DataFrame.from_dict(rows, orient="index").round(3)
