"""
=====================================
The confusion matrix and worst errors
=====================================

Four of five are right. Which are the others, and can they be told apart at all? Cross-validation
gives a prediction for every image by a network that was not trained on it; scikit-learn's displays
and :class:`~skfashion.plotting.ImageGridDisplay` show where these go wrong.
"""

# %%
# Out-of-fold probabilities of two thousand images, by three networks.

from sklearn.model_selection import cross_val_predict

from skfashion import FashionCNN
from skfashion.datasets import CLASS_NAMES, load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:2000], y[:2000]

clf = FashionCNN.v1(epochs=8, random_state=0)
probabilities = cross_val_predict(clf, X, y, cv=3, method="predict_proba")
predicted = probabilities.argmax(axis=1)
print(f"{(predicted == y).mean():.3f} are right")

# %%
# Errors stay in the family. What is worn on the feet is taken for something else on the feet; two
# of three errors are among shirts, pullovers, coats, dresses and T-shirts.

from sklearn.metrics import classification_report

print(classification_report(y, predicted, target_names=CLASS_NAMES, digits=3))

# %%
# Only the errors: each row tells where those of its class went.

import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay

fig, ax = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    y,
    predicted,
    sample_weight=(predicted != y) + 1e-12,  # the diagonal would outshine the rest
    display_labels=CLASS_NAMES,
    normalize="true",
    include_values=False,
    cmap="Blues",
    xticks_rotation="vertical",
    ax=ax,
)
plt.show()

# %%
# The errors it was most sure of: the label stands above what the network saw. Some are honest
# mistakes, some are doubtful labels of the data set, and some no person could decide at 28 x 28
# pixels.

from skfashion.plotting import ImageGridDisplay

# sphinx_gallery_thumbnail_number = 2
ImageGridDisplay.from_predictions(
    X,
    y,
    predicted,
    confidence=probabilities.max(axis=1),
    display_labels=CLASS_NAMES,
    n_images=20,
)
plt.show()
