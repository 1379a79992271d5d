"""
==========================================
Confusion matrix and most confident errors
==========================================

In this example you find out which images a network gets wrong, and whether anyone could get them
right. You predict every image with a network that was not trained on it. scikit-learn's displays
and :class:`~skfashion.plotting.ImageGridDisplay` then show you the errors.
"""

# %%
# Predict out-of-fold probabilities of 2,000 images. You train one network for each of three folds.

from sklearn.model_selection import cross_val_predict

from skfashion import FashionCNN
from skfashion.datasets import CLASS_NAMES, load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:2000], y[:2000]

clf = FashionCNN.v1(epochs=8, random_state=0)
probabilities = cross_val_predict(clf, X, y, cv=3, method="predict_proba")
predicted = probabilities.argmax(axis=1)
print(f"accuracy: {(predicted == y).mean():.3f}")

# %%
# Print precision and recall of every class. Most errors stay among similar classes. Shoes are taken
# for other shoes. Two of three errors are among shirts, pullovers, coats, dresses and T-shirts.

from sklearn.metrics import classification_report

print(classification_report(y, predicted, target_names=CLASS_NAMES, digits=3))

# %%
# Plot the confusion matrix of the errors only. Each row shows you which classes the images of one
# class are taken for.

import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay

fig, ax = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
display = ConfusionMatrixDisplay.from_predictions(
    y,
    predicted,
    sample_weight=(predicted != y) + 1e-12,  # leave out the diagonal
    display_labels=CLASS_NAMES,
    normalize="true",
    include_values=False,
    cmap="Blues",
    xticks_rotation="vertical",
    ax=ax,
)
display.im_.colorbar.set_label("share of the errors of a class")
plt.show()

# %%
# Plot the errors with the highest confidence. Above each image you see its label, and after the
# arrow the prediction. Some of them are clear mistakes, and some have doubtful labels. Others show
# too little at 28 x 28 pixels to decide.

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
