"""
=============================================================
Hidden-layer features: similar images, a map and wrong labels
=============================================================

In this example you use a trained network as a transformer. ``transform`` returns the outputs of its
hidden dense layer, 100 numbers for each image. Images that look alike to the network have similar
numbers. You search for similar images, draw a map of the images, and find wrong labels.
"""

# %%
# Train version 1 on 2,000 of the images that come with the package. Compute the features of these
# images and of the 1,000 test images.

from skfashion import FashionCNN
from skfashion.datasets import CLASS_NAMES, load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:2000], y[:2000]
X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)

clf = FashionCNN.v1(epochs=4, random_state=0).fit(X, y)
features, features_test = clf.transform(X), clf.transform(X_test)
print(f"{features.shape[1]} features: {', '.join(clf.get_feature_names_out()[:3])}, ...")

# %%
# Plot five test images in the first column, each with its five nearest training images. Labels that
# differ from that of the test image are red.

import matplotlib.pyplot as plt
from sklearn.neighbors import NearestNeighbors

queries = range(5)
_, nearest = NearestNeighbors(n_neighbors=5).fit(features).kneighbors(features_test[queries])

fig, axes = plt.subplots(5, 6, figsize=(7.2, 7), layout="constrained")
for query, row, neighbours in zip(queries, axes, nearest, strict=True):
    images = [X_test[query], *X[neighbours]]
    labels = [y_test[query], *y[neighbours]]
    for ax, image, label in zip(row, images, labels, strict=True):
        ax.imshow(image.reshape(28, 28), cmap="gray_r")
        ax.set_title(CLASS_NAMES[label], fontsize=9, color="k" if label == labels[0] else "tab:red")
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel("test image")
plt.show()

# %%
# Classify the test images by their neighbours. :class:`~sklearn.neighbors.KNeighborsClassifier` is
# more accurate on the features than on the pixels. To cross-validate network and neighbours
# together, put both into a Pipeline: ``make_pipeline(clf, KNeighborsClassifier())``.

from sklearn.neighbors import KNeighborsClassifier

by_pixels = KNeighborsClassifier().fit(X, y)
by_features = KNeighborsClassifier().fit(features, y)
print(f"neighbours by pixels:   {by_pixels.score(X_test, y_test):.3f}")
print(f"neighbours by features: {by_features.score(features_test, y_test):.3f}")
print(f"network alone:          {clf.score(X_test, y_test):.3f}")

# %%
# Draw a map of the test images with :class:`~sklearn.manifold.TSNE`. Similar images lie close
# together, and the colour of a point is its label. The distances between separate groups mean
# little in such a map.

import numpy as np
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

with threadpool_limits(1):  # several threads are slow where other programs use the cores
    places = TSNE(random_state=0).fit_transform(features_test)

fig, ax = plt.subplots(figsize=(6.4, 6), layout="constrained")
ax.scatter(*places.T, c=y_test, cmap="tab10", s=8)
for label, name in enumerate(CLASS_NAMES):
    x, height = np.median(places[y_test == label], axis=0)
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
    ax.text(x, height, name, ha="center", va="center", weight="bold", bbox=box)
ax.set(xticks=[], yticks=[], title="1,000 test images by their features")
plt.show()

# %%
# Wrong labels show up by their out-of-fold probability: a network that was not trained on an image
# finds its label improbable. To test this, give 40 of the 2,000 images a random other label. The
# 40 most suspicious labels are those with the smallest probability.

from sklearn.model_selection import cross_val_predict

rng = np.random.default_rng(0)
wrong = rng.choice(len(y), 40, replace=False)
y_given = y.copy()
y_given[wrong] = (y[wrong] + rng.integers(1, 10, 40)) % 10

probabilities = cross_val_predict(clf, X, y_given, cv=3, method="predict_proba")
of_label = probabilities[np.arange(len(y)), y_given]
suspicious = np.argsort(of_label)[:40]
found = np.isin(suspicious, wrong)
print(f"{found.sum()} of the 40 most suspicious labels are among the 40 wrong ones")

# %%
# The others are labels of the data set. Look at them before you change one: some may be wrong, and
# some images are unusual but have the right label. Below each label, an arrow points to the most
# probable class.

from skfashion.plotting import ImageGridDisplay

doubtful = suspicious[~found][:10]
ImageGridDisplay.from_predictions(
    X[doubtful],
    y[doubtful],
    probabilities[doubtful].argmax(axis=1),
    confidence=probabilities[doubtful].max(axis=1),
    select="all",
    labels=range(10),
    display_labels=CLASS_NAMES,
)
plt.show()
