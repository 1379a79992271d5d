"""
===================================================
Conformal prediction sets with a coverage guarantee
===================================================

In this example you predict sets of labels. A classifier predicts one label for each image, right or
wrong. A conformal prediction set contains the right label with a probability that you choose, for
example 90 %. Easy images get one label, difficult images get several.

`MAPIE <https://mapie.readthedocs.io>`__ builds such sets around any scikit-learn classifier. You
need images that the network was not trained on. The only assumption is that new images come from
the same distribution.
"""

# %%
# Train on 3,000 images, and use 2,000 others to calibrate the sets.

import numpy as np
from mapie.classification import SplitConformalClassifier

from skfashion import FashionCNN
from skfashion.datasets import CLASS_NAMES, load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)
clf = FashionCNN(epochs=4, random_state=0).fit(X[:3000], y[:3000])
print(f"accuracy: {clf.score(X_test, y_test):.3f}")

LEVELS = [0.8, 0.9, 0.95, 0.99]
conformal = SplitConformalClassifier(clf, confidence_level=LEVELS, prefit=True)
conformal.conformalize(X[3000:5000], y[3000:5000])

# %%
# Predict the sets of the test images. ``predict_set`` returns the labels and, for each image and
# level, which classes are in the set. The shares of sets with the right label are close to the
# levels. With 1,000 test images they may differ by about two percentage points.

labels, sets = conformal.predict_set(X_test)
coverage = sets[np.arange(len(y_test)), y_test].mean(axis=0)
sizes = sets.sum(axis=1).mean(axis=0)
for level, covered, size in zip(LEVELS, coverage, sizes, strict=True):
    print(
        f"asked for {level:.0%}: {covered:.1%} of the sets hold the right label; {size:.2f} labels"
    )

# %%
# Compare with the largest probability of the network, which gives no such guarantee. Print the
# share of images for which it is at least 90 %, and how many of these are right.

probabilities = clf.predict_proba(X_test)
confident = probabilities.max(axis=1) >= 0.9
right = labels[confident] == y_test[confident]
print(f"{confident.mean():.0%} of the images, {right.mean():.1%} of them right")

# %%
# Plot the images with the largest sets at 95 %. The size of a set tells you which images deserve a
# second look.

import matplotlib.pyplot as plt

at_95 = sets[:, :, LEVELS.index(0.95)]
largest = np.argsort(at_95.sum(axis=1))[::-1][:6]
fig, axes = plt.subplots(2, 3, figsize=(8, 5.6), layout="constrained")
for ax, row in zip(axes.flat, largest, strict=True):
    ax.imshow(X_test[row].reshape(28, 28), cmap="gray_r")
    ax.set_title("\n".join(CLASS_NAMES[k] for k in np.flatnonzero(at_95[row])), fontsize=8)
    ax.set_xlabel(f"true: {CLASS_NAMES[y_test[row]]}", fontsize=8)
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Print the same share for each class. The guarantee holds on average over all images. It need not
# hold within a class.

for name, group in ((name, y_test == k) for k, name in enumerate(CLASS_NAMES)):
    print(f"{name}: {at_95[group, y_test[group]].mean():.1%}")
