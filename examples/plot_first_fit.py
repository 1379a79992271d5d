"""
======================================
Train a first network on Fashion-MNIST
======================================

In this example you train a network on 2,000 small images of clothes. You then plot the training,
measure the accuracy on test images and look at single predictions. To tune and compare networks,
go on with the :doc:`/tutorial`.
"""

# %%
# Load the images that come with the package: 6,000 for training and 1,000 for testing. Each row has
# 784 bytes, which are 28 x 28 pixels from 0 (black) to 255 (white). The labels are numbers.

from skfashion.datasets import CLASS_NAMES, load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:2000], y[:2000]
X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)
print(X.shape, X.dtype, y[:10])
print(*CLASS_NAMES, sep=", ")

# %%
# Fit the network like any other classifier. You choose the first of three named configurations with
# :meth:`~skfashion.FashionCNN.v1`, and override its parameters with keyword arguments. The others
# are :meth:`~skfashion.FashionCNN.v2` and :meth:`~skfashion.FashionCNN.v3`. Here a fifth of the
# rows is set aside, and the network is scored on them after every epoch.

from skfashion import FashionCNN

clf = FashionCNN.v1(epochs=8, validation_fraction=0.2, random_state=0)
clf.fit(X, y)

# %%
# Plot the training. The loss of the training rows keeps falling. The loss of the validation rows
# shows you when to stop.

import matplotlib.pyplot as plt

from skfashion.plotting import HistoryDisplay

HistoryDisplay.from_estimator(clf)
plt.show()

# %%
# Measure the accuracy on images that the network has not seen.

print(f"accuracy on {len(X_test)} test images: {clf.score(X_test, y_test):.3f}")

# %%
# Predict the probabilities of single images. You get a column for every label of ``classes_``. The
# number before each row is the true label.

import pandas as pd

probabilities = clf.predict_proba(X_test[:5])
pd.DataFrame(probabilities, columns=CLASS_NAMES, index=y_test[:5]).round(3)

# %%
# Plot the first images of the test set. Above each image you see its label, and then the
# prediction, in orange if it is wrong.

from skfashion.plotting import ImageGridDisplay

# sphinx_gallery_thumbnail_number = 2
ImageGridDisplay.from_estimator(
    clf, X_test, y_test, select="all", display_labels=CLASS_NAMES, n_images=15
)
plt.show()
