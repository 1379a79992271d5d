"""
===============================
Which pixels carry the decision
===============================

Cover a part of an image: if the classifier is less sure of its answer than before, that part spoke
for it [1]_. :func:`~skfashion.inspection.occlusion_map` does so with a small patch at every place.
It needs nothing but ``predict_proba``, so a network and classical baselines can be asked the same
questions.
"""

# %%
# A network, a linear model and a forest, trained on two thousand of the images that come with the
# package.

from skfashion import FashionCNN, make_baselines
from skfashion.datasets import CLASS_NAMES, load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)

baselines = make_baselines(random_state=0)
classifiers = {
    "FashionCNN v1": FashionCNN.v1(epochs=5, random_state=0),
    "logistic regression": baselines["logistic regression"],
    "random forest": baselines["random forest"],
}
for name, classifier in classifiers.items():
    classifier.fit(X[:2000], y[:2000])
    print(f"{classifier.score(X_test, y_test):.3f} {name}")

# %%
# Among the network's first twenty errors, the one that hangs most on one place, and the one that it
# is surest of. A map is an array of the shape of the image; ``stride=2`` takes a quarter of the
# time.

import numpy as np

from skfashion.inspection import occlusion_map

network = classifiers["FashionCNN v1"]
probabilities = network.predict_proba(X_test)
errors = np.flatnonzero(probabilities.argmax(axis=1) != y_test)[:20]
falls = [occlusion_map(network, image, stride=2).max() for image in X_test[errors]]
on_one_place = errors[np.argmax(falls)]
surest = errors[probabilities[errors].max(axis=1).argmax()]
print(f"largest fall in an error: {max(falls):.2f}")

# %%
# Two images that the network gets right, then those two errors. Red spoke for the answer that
# stands above the map, blue against it; the value of a pixel is how far the probability falls, on
# average, when a patch covers it. One scale holds for all maps.

import matplotlib.pyplot as plt

from skfashion.inspection import OcclusionDisplay

rows = [6, 7, on_one_place, surest]
OcclusionDisplay.from_estimator(classifiers, X_test[rows], y_test[rows], display_labels=CLASS_NAMES)
plt.show()

# %%
# To all three the coat is one by its collar and what is below it. The third row shows an error that
# hangs on a place: a few covered pixels there cost the network more than half of its confidence.
#
# What the maps do not show:
#
# - **Pale does not mean that nothing matters.** Network and linear model are all but sure of the
#   boot, and no one patch changes their answer: what it hides, the rest tells as well. So it is
#   with the network's surest error: there is no one place to blame. Of the forest's hundred trees
#   a patch turns many, which is why its map is red.
# - **Where, but not why.** A patch puts a hole as light as the background into dark cloth. Whether
#   a classifier misses what was there or minds the hole, no map can tell, and another ``fill``
#   gives another map.
# - **One image and one answer.** ``label=`` asks for another: with the true labels, what spoke for
#   the truth in an error.

# %%
# .. rubric:: References
#
# .. [1] Zeiler and Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014,
#    section 4.2, arXiv 1311.2901.
