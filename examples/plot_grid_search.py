"""
============================================
Grid search over dropout, strides and epochs
============================================

In this example you search for the best dropout, strides and epochs with
:class:`~sklearn.model_selection.GridSearchCV`. :class:`~skfashion.FashionCNN` is an ordinary
classifier: you can put it into a :class:`~sklearn.pipeline.Pipeline` and search its parameters by
name, and the folds are stratified. The search uses 800 of the images that come with the package,
which are enough to see a pattern.

With ``memory`` the search trains each setting only once, for six epochs. It takes the scores after
one and three epochs from the stored weights. You get the same scores as without ``memory``, bit for
bit.
"""

# %%
# Load the data. Each row has 784 bytes, and there are ten classes of clothes. The first rows are
# balanced.

from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:800], y[:800]

# %%
# The network scales pixels itself. Here an extra step gives every image the same exposure, to show
# you a search through a Pipeline. You name a parameter of a step with a double underscore. All
# other parameters are those of version 1.

from tempfile import TemporaryDirectory

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer

from skfashion import FashionCNN

folder = TemporaryDirectory()  # pass a directory of your own to keep the epochs
cnn = FashionCNN.v1(memory=folder.name, random_state=0)
pipeline = Pipeline([("exposure", Normalizer(norm="max")), ("cnn", cnn)])
grid = {
    "cnn__dropout": [0.0, 0.25, 0.5],
    "cnn__strides": [1, 2],
    "cnn__epochs": [1, 3, 6],
}
scoring = {
    "accuracy": "accuracy",
    "trained": lambda pipeline, X, y: pipeline["cnn"].n_epochs_trained_,
}
search = GridSearchCV(pipeline, grid, cv=3, scoring=scoring, refit="accuracy").fit(X, y)
print(f"best of {len(search.cv_results_['params'])}: {search.best_params_}")
print(f"accuracy over three folds: {search.best_score_:.3f}")

asked = sum(parameters["cnn__epochs"] for parameters in search.cv_results_["params"])
trained = search.cv_results_["mean_test_trained"].sum()
print(f"epochs trained per fold: {trained:.0f} of {asked}")

# %%
# Plot the accuracy of every setting over the epochs. The band is one standard deviation over the
# folds.

import matplotlib.pyplot as plt

from skfashion.plotting import HistoryDisplay

HistoryDisplay.from_search(search)
plt.show()

# %%
# Draw the same scores as a heat map, with one panel for each stride. With strides of 2 the dense
# layer gets 2 x 2 pixels from the last convolution, instead of 22 x 22. Epochs are then cheaper,
# but you need more of them. You also need more epochs with dropout, because it slows learning down
# at first.

import pandas as pd

results = pd.DataFrame(search.cv_results_).rename(columns=lambda name: name.removeprefix("param_"))
score = "mean_test_accuracy"
# sphinx_gallery_thumbnail_number = 2
low, high = results[score].min(), results[score].max()

fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True, layout="constrained")
for ax, (strides, part) in zip(axes, results.groupby("cnn__strides"), strict=True):
    table = part.pivot_table(score, "cnn__dropout", "cnn__epochs")
    image = ax.imshow(table, vmin=low, vmax=high, cmap="cividis", aspect="auto")
    for row, accuracies in enumerate(table.to_numpy()):
        for column, accuracy in enumerate(accuracies):
            shade = "white" if accuracy < (low + high) / 2 else "black"
            ax.text(column, row, f"{accuracy:.3f}", ha="center", va="center", color=shade)
    ax.set(
        title=f"strides={strides}",
        xlabel="epochs",
        xticks=range(len(table.columns)),
        xticklabels=table.columns,
        yticks=range(len(table.index)),
        yticklabels=table.index,
    )
axes[0].set_ylabel("dropout")
fig.colorbar(image, ax=axes, label="mean accuracy over 3 folds")
fig.suptitle("GridSearchCV over FashionCNN: 800 bundled images")
plt.show()

folder.cleanup()
