"""
===============================
Preprocess pixels in a Pipeline
===============================

In this example you measure whether preprocessing improves a classifier. Classical classifiers often
get scaled, standardized or fewer features. A network scales its pixels itself. Put the
preprocessing and the classifier into a :class:`~sklearn.pipeline.Pipeline`, and you can use it
wherever you can use a classifier.
"""

# %%
# Use 1,000 of the images that come with the package.

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:1000], y[:1000]

# %%
# Define two baselines with and without preprocessing, and a network on three kinds of pixels:
#
# - *Bytes* are divided by the largest value that the network was trained on.
# - *Each pixel 0..1* comes from a scaler with a scale for each pixel.
# - *Standardized* pixels have negative values, so the network does not scale them again.
#
# Do not give principal components to a network. They are no image: neighbouring features are not
# neighbouring pixels, and a convolution loses its advantage.

from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

network = FashionCNN.v1(epochs=5, random_state=0)
classifiers = {
    "SVC, bytes": SVC(),
    "SVC, standardized": make_pipeline(StandardScaler(), SVC()),
    "SVC, standardized, 100 components": make_pipeline(
        StandardScaler(), PCA(100, random_state=0), SVC()
    ),
    "kNN, bytes": KNeighborsClassifier(),
    "kNN, 50 components": make_pipeline(PCA(50, random_state=0), KNeighborsClassifier()),
    "network, bytes": network,
    "network, each pixel 0..1": make_pipeline(MinMaxScaler(), network),
    "network, standardized": make_pipeline(StandardScaler(), network),
}

# %%
# Compare all of them on the same folds. Every step of a Pipeline is fitted on the training rows of
# the fold only. So no information leaks from the held-out rows into the scaling.

from skfashion import compare

comparison = compare(classifiers, X, y, cv=3)
comparison

# %%
# Set a parameter inside a Pipeline with a double underscore, as in a search. Your validation rows
# have to be transformed like the training rows. Pass ``transform_input`` to name the arguments of
# ``fit`` that are transformed like ``X``.

import sklearn

with sklearn.config_context(enable_metadata_routing=True):
    routed = network.set_params(early_stopping=True, n_iter_no_change=2)
    routed.set_fit_request(X_val=True, y_val=True)
    pipeline = make_pipeline(StandardScaler(), routed, transform_input=["X_val"])
    pipeline.set_params(fashioncnn__epochs=12)
    pipeline.fit(X[:800], y[:800], X_val=X[800:], y_val=y[800:])
print(f"kept epoch {pipeline[-1].n_iter_} of {len(pipeline[-1].history_['loss'])}")

# %%
# Plot the accuracies with their intervals. With 1,000 rows you see no significant effect of the
# preprocessing. The SVC does as well with 100 components as with all 784 pixels, and predicts
# faster.

import matplotlib.pyplot as plt

from skfashion.plotting import ComparisonDisplay

ComparisonDisplay.from_comparison(comparison)
plt.show()
