"""
===============================
Successive halving over epochs
===============================

Most settings show after two epochs that they will not win.
:class:`~sklearn.model_selection.HalvingGridSearchCV` trains all for a short time, keeps the better
third, trains these for longer, and so on. It clones and trains from the beginning on every rung;
with ``memory`` a network goes on where the rung before has left it.
"""

# %%
# Twelve settings of version 2, on two thousand of the images that come with the package.

from tempfile import TemporaryDirectory

from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:2000], y[:2000]

folder = TemporaryDirectory()
search = HalvingGridSearchCV(
    FashionCNN.v2(memory=folder.name, random_state=0),
    {"dropout": [0.1, 0.2, 0.35, 0.5], "learning_rate": [5e-4, 1e-3, 3e-3]},
    resource="epochs",
    factor=3,
    min_resources=2,
    max_resources=18,
    cv=3,
    random_state=0,
).fit(X, y)
print(search.best_params_)
print(f"accuracy over three folds: {search.best_score_:.3f}")

# %%
# What was asked for and what had to be trained: the longest stored path of each setting and fold.
# The refit on all rows is one more.

from skfashion.__main__ import main

rungs = dict(zip(search.n_resources_, search.n_candidates_, strict=True))
asked = sum(epochs * candidates for epochs, candidates in rungs.items())
print(f"settings by epochs: {rungs}, {asked} epochs a fold")
exit_code = main(["cache", folder.name])  # in the shell: skfashion cache DIRECTORY

# %%
# Each line ends on the rung where its setting was given up.

import matplotlib.pyplot as plt

from skfashion.plotting import HistoryDisplay

HistoryDisplay.from_search(search)
plt.show()

folder.cleanup()
