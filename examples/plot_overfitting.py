"""
=====================================
Version 1, version 2 and overfitting
=====================================

The project grew out of a README with two networks. Of the second, smaller and with dropout, it
says that it scores lower but "will likely perform better on outside, unseen data", since it
overfits less. Does it?
"""

# %%
# Both learn from a thousand images and are scored, after every epoch and without dropout, on these
# and on a thousand others. With ``memory`` one ``fit`` tells the whole path.

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
    """Accuracy after each epoch."""
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
# Version 2 does overfit less: what it scores on its training images it scores on others too.
# Version 1 comes to know its training images by heart. But a small gap is not a good network: on
# the unseen images version 1 leads all the way.

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
# The same as figures. :doc:`/results` has them for sixty thousand images, where the answer is the
# same.

import pandas as pd

last = pd.DataFrame(
    {name: {rows: path[-1] for rows, path in found.items()} for name, found in paths.items()}
).T
last["gap"] = last["training"] - last["unseen"]
last.round(3)

# %%
# Would version 1 be better if it stopped in time, or with a little dropout of its own? Both narrow
# the gap, and neither makes it better on unseen images: here its overfitting does no harm.

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
