"""
========================================
Explain a prediction with occlusion maps
========================================

In this example you find the pixels that a prediction depends on. The function
:func:`~skfashion.inspection.occlusion_map` covers the image with a small patch, at every place in
turn. If the probability of the predicted class falls, that part supported the prediction [1]_. The
function only needs ``predict_proba``, so you can compare a network with classical baselines.
"""

# %%
# Train a network, a linear model and a forest, on 2,000 of the images that come with the package.

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
# Choose two of the network's first twenty errors: the one that depends most on a single place, and
# the one with the highest confidence. You get each map as an array with the shape of the image.
# With ``stride=2`` it takes a quarter of the time.

import numpy as np

from skfashion.inspection import occlusion_map

network = classifiers["FashionCNN v1"]
probabilities = network.predict_proba(X_test)
errors = np.flatnonzero(probabilities.argmax(axis=1) != y_test)[:20]
falls = [occlusion_map(network, image, stride=2).max() for image in X_test[errors]]
on_one_place = errors[np.argmax(falls)]
surest = errors[probabilities[errors].max(axis=1).argmax()]
print(f"largest fall in probability: {max(falls):.2f}")

# %%
# Plot the maps of two correct predictions and of these two errors. Red pixels supported the
# prediction above the map, and blue pixels spoke against it. The value of a pixel is how far the
# probability falls, on average, when a patch covers it. All maps have the same scale.

import matplotlib.pyplot as plt

from skfashion.inspection import OcclusionDisplay

rows = [6, 7, on_one_place, surest]
OcclusionDisplay.from_estimator(classifiers, X_test[rows], y_test[rows], display_labels=CLASS_NAMES)
plt.show()

# %%
# All three recognize the coat by its collar and the part below. The third row shows an error that
# depends on one place. If a few pixels there are covered, the network loses more than half of its
# confidence.
#
# When you read a map, keep these limits in mind:
#
# - **Pale does not mean that nothing matters.** The network and the linear model are almost certain
#   of the boot. No single patch changes the answer of the network, because the rest is enough. In
#   its most confident error hardly any patch does. In the forest a patch changes the votes of many
#   of the 100 trees, so its map is red.
# - **You see where, but not why.** A patch puts a hole in the colour of the background into the
#   cloth. No map can tell you whether a classifier misses the covered part or reacts to the hole.
#   With another ``fill`` you get another map.
# - **A map explains one answer about one image.** With ``label=`` you choose another answer. Pass
#   the true labels to see what supported the truth in an error.

# %%
# .. rubric:: References
#
# .. [1] Zeiler and Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014,
#    section 4.2, arXiv 1311.2901.
