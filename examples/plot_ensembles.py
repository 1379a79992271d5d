"""
===================================================
Combine networks and forests by voting and stacking
===================================================

In this example you combine classifiers with scikit-learn's ensembles. Networks with different seeds
make errors on different images, and a forest makes yet others. So an ensemble is often more
accurate than each member.
"""

# %%
# Use 1,200 of the images that come with the package.

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:1200], y[:1200]

# %%
# Define two votes and a stack. In the stack a logistic regression learns from out-of-fold
# probabilities how much to trust each member. Give each network a seed of its own, because networks
# with the same ``random_state`` are equal. These have two convolutions, so they are quick to train.

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
# Compare all of them on the same folds.

from skfashion import compare

comparison = compare(classifiers, X, y, cv=3)
comparison

# %%
# Plot the accuracies with their intervals. Three networks have a higher accuracy than one. But the
# intervals are wide, so you need more rows to be sure.

import matplotlib.pyplot as plt

from skfashion.plotting import ComparisonDisplay

ComparisonDisplay.from_comparison(comparison)
plt.show()

# %%
# Plot the accuracies against the fit time. An ensemble takes as long as all its members. The stack
# fits each of its members three times.

ComparisonDisplay.from_comparison(comparison, kind="fit_time")
plt.show()
