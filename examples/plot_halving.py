"""
==============================
Successive halving over epochs
==============================

In this example you find good settings with few epochs of training. Most settings show after two
epochs that they are not the best. :class:`~sklearn.model_selection.HalvingGridSearchCV` trains all
of them for two epochs, keeps the best third, trains these for longer, and so on. It clones each
candidate and trains it from the start in every iteration. With ``memory`` you avoid that: training
resumes where the iteration before stopped.
"""

# %%
# Search over 12 settings of version 2, on 2,000 of the images that come with the package.

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
# Compare the epochs that the search requested with those stored: the longest path of each setting
# and fold, and the refit on all rows.

from skfashion.__main__ import main

rungs = dict(zip(search.n_resources_, search.n_candidates_, strict=True))
asked = sum(epochs * candidates for epochs, candidates in rungs.items())
print(f"candidates by epochs: {rungs}, {asked} epochs requested per fold")
exit_code = main(["cache", folder.name])  # in the shell: skfashion cache DIRECTORY

# %%
# Plot the search. Each line ends where its setting was dropped.

import matplotlib.pyplot as plt

from skfashion.plotting import HistoryDisplay

HistoryDisplay.from_search(search)
plt.show()

folder.cleanup()
