"""
====================================
Ensembles of networks and forests
====================================

Networks that differ in nothing but their seed err on different images, and a forest errs on others
again: what most of them say is right more often than what one says. The network is an ordinary
classifier, so scikit-learn's ensembles take it.
"""

# %%
# Twelve hundred of the images that come with the package.

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:1200], y[:1200]

# %%
# A vote of networks alone, of both kinds, and a stack, where a logistic regression learns from
# out-of-fold probabilities whom to believe. Members of an ensemble with one ``random_state`` would
# all be equal: each gets a seed of its own. Two convolutions are quick to train.

from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression

networks = [
    (f"network {seed}", FashionCNN(filters=(8, 16), epochs=5, random_state=seed))
    for seed in range(3)
]
forest = RandomForestClassifier(random_state=0)
members = [networks[0], ("forest", forest)]
classifiers = {
    "one network": networks[0][1],
    "forest": forest,
    "3 networks": VotingClassifier(networks, voting="soft"),
    "3 networks, forest": VotingClassifier([*networks, ("forest", forest)], voting="soft"),
    "stack of network, forest": StackingClassifier(
        members, LogisticRegression(C=0.1, max_iter=1000), cv=2
    ),
}

# %%
# All on the same folds.

from skfashion import compare

comparison = compare(classifiers, X, y, cv=3)
comparison

# %%
# What an ensemble gains. The intervals say that it takes more rows to be sure of it.

import matplotlib.pyplot as plt

from skfashion.plotting import ComparisonDisplay

ComparisonDisplay.from_comparison(comparison)
plt.show()

# %%
# And what it costs. The first time to train a network includes TensorFlow's start.

ComparisonDisplay.from_comparison(comparison, kind="fit_time")
plt.show()
