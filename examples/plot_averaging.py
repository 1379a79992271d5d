"""
===================================
Average the weights of the training
===================================

In this example you see what ``averaging`` does. With a constant learning rate the accuracy of a
network jumps from epoch to epoch. With ``averaging`` the result is the mean of the weights after
each sixteenth of an epoch, where later ones count more. So:

- the network is more accurate in most epochs, and its accuracy jumps less;
- you get a good network after every epoch, without a schedule that has to know the last one;
- a search over ``epochs`` with ``memory`` trains one path.
"""

# %%
# Train version 3 with and without ``averaging``, on 4,000 of the images that come with the package.
# Score both after every epoch on the other 2,000. With ``memory`` you get the scores of all epochs
# from one ``fit``.

from tempfile import TemporaryDirectory

import numpy as np

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X_train, X_test, y_train, y_test = X[:4000], X[4000:], y[:4000], y[4000:]

EPOCHS = 14
folder = TemporaryDirectory()  # pass a directory of your own to keep the epochs
clf = FashionCNN.v3(epochs=EPOCHS, memory=folder.name, random_state=0)


def accuracy_path(clf):
    """Return the accuracy on the other images after each epoch."""
    return [
        np.mean(clf.classes_[probabilities.argmax(axis=1)] == y_test)
        for probabilities in clf.staged_predict_proba(X_test)
    ]


averaged = accuracy_path(clf.fit(X_train, y_train))
raw = accuracy_path(clf.set_params(averaging=0).fit(X_train, y_train))

# %%
# Plot both paths. The steps of both trainings are the same: ``averaging`` changes the result, not
# the weights that training continues from. After the first epoch both are too low for the axis.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
epochs = range(1, EPOCHS + 1)
ax.plot(epochs, raw, "o--", color="#D55E00", label="weights of the epoch (averaging=0)")
ax.plot(epochs, averaged, "o-", color="#0072B2", label="averaged weights (averaging=4)")
ax.set(xlabel="epoch", ylabel="accuracy on 2,000 other images", xticks=epochs, ylim=(0.76, 0.9))
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# Search over ``epochs``. Every point of the averaged path is the result of a training of that
# length, and all epochs are stored. So the search trains none of them. It uses one split, the one
# above.

from sklearn.model_selection import GridSearchCV, PredefinedSplit

split = PredefinedSplit(np.where(np.arange(len(X)) < 4000, -1, 0))
search = GridSearchCV(
    clf.set_params(averaging=4),
    {"epochs": [5, 8, 11, 14]},
    cv=split,
    scoring={"accuracy": "accuracy", "trained": lambda clf, X, y: clf.n_epochs_trained_},
    refit=False,
).fit(X, y)
for parameters, accuracy, trained in zip(
    search.cv_results_["params"],
    search.cv_results_["mean_test_accuracy"],
    search.cv_results_["mean_test_trained"],
    strict=True,
):
    print(
        f"{parameters['epochs']:2d} epochs: accuracy {accuracy:.3f}, epochs trained: {trained:.0f}"
    )

folder.cleanup()
