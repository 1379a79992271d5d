"""
===========
A first fit
===========

What does it take to recognise clothes? Here one network is trained on two thousand small images
and asked about others: from the data to its errors in six steps.
"""

# %%
# Six thousand images for training and a thousand for testing come with the package: a row of 784
# bytes for each, 28 x 28 pixels from 0 (black) to 255. The labels are numbers.

from skfashion.datasets import CLASS_NAMES, load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:2000], y[:2000]
X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)
print(X.shape, X.dtype, y[:10])
print(*CLASS_NAMES, sep=", ")

# %%
# A network like any other classifier. :meth:`~skfashion.FashionCNN.v1` names the first of two
# configurations; what it is called with replaces its parameters. A fifth of the rows is set aside
# to be scored after every epoch.

from skfashion import FashionCNN

clf = FashionCNN.v1(epochs=8, validation_fraction=0.2, random_state=0)
clf.fit(X, y)

# %%
# How did the training go? The loss of the training rows falls for ever; that of the rows set aside
# tells when to stop.

import matplotlib.pyplot as plt

from skfashion.plotting import HistoryDisplay

HistoryDisplay.from_estimator(clf)
plt.show()

# %%
# How good is it on images that it has never seen?

print(f"accuracy on {len(X_test)} test images: {clf.score(X_test, y_test):.3f}")

# %%
# And how sure of a single one? ``predict_proba`` has a column for every label of ``classes_``.

import pandas as pd

probabilities = clf.predict_proba(X_test[:5])
pd.DataFrame(probabilities, columns=CLASS_NAMES, index=y_test[:5]).round(3)

# %%
# The first images of the test set. Where a network is wrong, its answer stands in red below the
# label.

from skfashion.plotting import ImageGridDisplay

# sphinx_gallery_thumbnail_number = 2
ImageGridDisplay.from_estimator(
    clf, X_test, y_test, select="all", display_labels=CLASS_NAMES, n_images=15
)
plt.show()
