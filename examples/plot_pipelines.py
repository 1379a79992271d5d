"""
=================================
Networks and baselines, Pipelines
=================================

Classical classifiers are given prepared pixels: scaled, standardised, fewer. A network prepares
its own. In a :class:`~sklearn.pipeline.Pipeline` each has what it needs, everything that asks for
a classifier takes the Pipeline, and whether the preparation was worth it is a question for folds.
"""

# %%
# A thousand of the images that come with the package.

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:1000], y[:1000]

# %%
# The same two baselines with and without preparation, and a network on three kinds of pixels. It
# divides all by the largest that it was trained on. A scaler gives each pixel a scale of its own:
# what it has spread round zero the network takes as it is.
#
# Principal components are no image any more: neighbouring features are not neighbouring pixels.
# They would take from a convolution all that it is good at.

from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

network = FashionCNN.v1(epochs=5, random_state=0)
classifiers = {
    "SVC, bytes": SVC(),
    "SVC, standardised": make_pipeline(StandardScaler(), SVC()),
    "SVC, standardised, 100 components": make_pipeline(
        StandardScaler(), PCA(100, random_state=0), SVC()
    ),
    "kNN, bytes": KNeighborsClassifier(),
    "kNN, 50 components": make_pipeline(PCA(50, random_state=0), KNeighborsClassifier()),
    "network, bytes": network,
    "network, each pixel 0..1": make_pipeline(MinMaxScaler(), network),
    "network, standardised": make_pipeline(StandardScaler(), network),
}

# %%
# :func:`~skfashion.compare` gives all the same folds. Every step of a Pipeline is fitted on the
# training rows of the fold alone, so nothing of the rows that score it leaks into the scaling.

from skfashion import compare

comparison = compare(classifiers, X, y, cv=3)
comparison

# %%
# Names reach through a Pipeline by a double underscore, in searches as here. Validation rows have
# to be transformed like the others: ``transform_input`` says which arguments of ``fit`` take the
# way of ``X``.

import sklearn

with sklearn.config_context(enable_metadata_routing=True):
    routed = network.set_params(early_stopping=True, n_iter_no_change=2)
    routed.set_fit_request(X_val=True, y_val=True)
    pipeline = make_pipeline(StandardScaler(), routed, transform_input=["X_val"])
    pipeline.set_params(fashioncnn__epochs=12)
    pipeline.fit(X[:800], y[:800], X_val=X[800:], y_val=y[800:])
print(f"kept epoch {pipeline[-1].n_iter_} of {len(pipeline[-1].history_['loss'])}")

# %%
# What the preparation is worth, with intervals: in accuracy nothing that a thousand rows could
# show. A hundred components do for the SVC what all 784 pixels do, and its predictions are
# quicker.

import matplotlib.pyplot as plt

from skfashion.plotting import ComparisonDisplay

ComparisonDisplay.from_comparison(comparison)
plt.show()
