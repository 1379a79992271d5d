"""
==========================================
Grid search over dropout, strides, epochs
==========================================

How much dropout, which strides, how many epochs? Ordinary questions for
:class:`~sklearn.model_selection.GridSearchCV`, and :class:`~skfashion.FashionCNN` is an ordinary
classifier: it stands in a :class:`~sklearn.pipeline.Pipeline`, its parameters are searched by
name, and the folds are stratified. Eight hundred of the images that come with the package are
enough to see a pattern.

``epochs`` need no training of their own: six epochs pass by one and three. With ``memory`` the
search finds them again, and its scores are the same, bit for bit.
"""

# %%
# The data: rows of 784 bytes, ten kinds of clothes. The leading rows are balanced.

from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:800], y[:800]

# %%
# The network scales pixels itself. Here a step in front of it gives every image the same exposure,
# and the search reaches through the Pipeline by the usual double underscore. Everything else is
# version 1.

from tempfile import TemporaryDirectory

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer

from skfashion import FashionCNN

folder = TemporaryDirectory()  # a directory of your own survives the night
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
print(f"{search.cv_results_['mean_test_trained'].sum():.0f} epochs trained a fold, of {asked}")

# %%
# The path of every setting, with a band of one standard deviation over the folds.

import matplotlib.pyplot as plt

from skfashion.plotting import HistoryDisplay

HistoryDisplay.from_search(search)
plt.show()

# %%
# The same as a heat map, one panel for each stride. Strides of 2 leave the dense layer 2 x 2
# pixels of the last convolution instead of 22 x 22: cheap epochs, but more of them are needed. So
# are they with dropout, which slows learning down before it can pay.

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
