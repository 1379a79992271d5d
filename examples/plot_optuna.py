"""
================================
Optuna: prune unpromising trials
================================

In this example you tune version 2 with `Optuna <https://optuna.org>`__. Optuna draws settings at
random, learns from the results, and prunes trials: it stops those early that fall behind. For that
you report the validation accuracy after every epoch.

``partial_fit`` trains one epoch at a time. Training epoch by epoch gives exactly the same network
as one ``fit``. So the accuracy that you report after epoch 4 is the accuracy of ``fit`` with
``epochs=4``.
"""

# %%
# Load 2,000 of the images that come with the package, and hold out 500 of them for validation.

import optuna
from sklearn.model_selection import train_test_split

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(
    X[:2000], y[:2000], test_size=500, stratify=y[:2000], random_state=0
)

# %%
# Define the objective. It trains one network, reports the accuracy after each epoch and raises
# ``TrialPruned`` when Optuna asks it to stop. Run it for 16 trials.

MAX_EPOCHS = 12


def make_network(params):
    return FashionCNN.v2(random_state=0, **params)


def objective(trial):
    clf = make_network(
        {
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.6),
            "batch_size": trial.suggest_categorical("batch_size", [25, 50, 100]),
        }
    )
    for epoch in range(1, MAX_EPOCHS + 1):
        clf.partial_fit(X_train, y_train, classes=range(10))
        accuracy = clf.score(X_val, y_val)
        trial.report(accuracy, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return accuracy


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
)
study.optimize(objective, n_trials=16)

pruned = [trial for trial in study.trials if trial.state.name == "PRUNED"]
print(f"{len(study.trials)} trials, {len(pruned)} of them pruned")
print(f"best validation accuracy: {study.best_value:.3f}")
for name, value in study.best_params.items():
    print(f"{name}: {value:.3g}")

# %%
# Plot the trials. Each line is one of them, and pruned trials end early.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(layout="constrained")
for trial in study.trials:
    epochs, accuracies = zip(*sorted(trial.intermediate_values.items()), strict=True)
    best = trial.number == study.best_trial.number
    ax.plot(epochs, accuracies, color="tab:red" if best else "0.6", linewidth=2 if best else 1)
ax.set(xlabel="epoch", ylabel="validation accuracy", title="Trials; the best one in red")
plt.show()

# %%
# Train the best settings again, with one ``fit``. You get the same network, bit for bit.

clf = make_network({**study.best_params, "epochs": MAX_EPOCHS}).fit(X_train, y_train)
print(f"accuracy of one fit: {clf.score(X_val, y_val):.3f}")
assert clf.score(X_val, y_val) == study.best_value

# %%
# Score the network on the test images. The best of many trials looks better on its validation
# images, because it was chosen on them.

X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)
print(f"accuracy on the test images: {clf.score(X_test, y_test):.3f}")
