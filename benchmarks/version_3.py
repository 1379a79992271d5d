"""What the parts of version 3 contribute, and averaging beside a schedule: `make results`.

Both tables come from the training images alone: 48,000 to train, the other 12,000 to score.
As in results.py, each training is kept in a file, so that an interrupted run goes on.
"""

import time

import keras
import numpy as np
import pandas as pd
from results import keep, of_seed, read_arguments, write

from skfashion import FashionCNN
from skfashion.datasets import fetch_fashion_mnist

SEEDS = (0, 1)
N_TRAINING = 48_000
N_TIMED = 12_000  # rows of the epochs that are timed
ROUNDS = 5

WHOLE = "version 3"
# Strides in the place of pooling give feature maps of the same size.
VARIANTS = {
    WHOLE: {},
    "without pooling": {"pool_size": 1, "strides": FashionCNN.v3().pool_size},
    "without batch normalization": {"batch_norm": False},
    "without flips": {"flip": False},
    "without averaging": {"averaging": 0},
}
SCHEDULED = (3, 5, 7, 12)  # epochs of the trainings with a schedule


class OneCycle(keras.callbacks.Callback):
    """The learning rate rises linearly for a quarter of the steps, and falls to 0 (Smith 2018)."""

    def __init__(self, peak, epochs):
        super().__init__()
        self.peak, self.epochs = peak, epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Count the steps of the epochs before."""
        self.steps_before = epoch * self.params["steps"]

    def on_train_batch_begin(self, batch, logs=None):
        """Set the rate. Keras calls this once per call of several steps."""
        done = (self.steps_before + batch) / (self.epochs * self.params["steps"])
        share = min(0.1 + 0.9 * done / 0.25, (1 - done) / 0.75)
        self.model.optimizer.learning_rate = self.peak * share


def time_epochs(X, y):
    """Seconds of an epoch of 12,000 rows of each variant, measured in turn."""
    measured = {name: [] for name in VARIANTS}
    for _ in range(1 + ROUNDS):
        for name, changes in VARIANTS.items():
            network = FashionCNN.v3(**changes, epochs=1, random_state=0)
            begin = time.perf_counter()
            network.fit(X[:N_TIMED], y[:N_TIMED])
            measured[name].append(time.perf_counter() - begin)
    # The first round compiles.
    return {name: np.median(seconds[1:]) for name, seconds in measured.items()}


def train(network, X, y):
    """Accuracy on the validation images after each epoch."""
    parts = {"X": X[:N_TRAINING], "y": y[:N_TRAINING]}
    network.fit(**parts, X_val=X[N_TRAINING:], y_val=y[N_TRAINING:])
    return {"accuracy": network.history_["val_accuracy"]}


def ablations(seconds, accuracy):
    """Version 3, and what it is without each of its parts in the same time."""
    rows = []
    for name, path in accuracy.items():
        rows.append(
            {
                "network": name,
                "an epoch": f"{seconds[name] / seconds[WHOLE]:.2f}",
                "epochs": path.shape[1],
                "accuracy": f"{path[:, -1].mean():.4f}",
                "difference": ""
                if name == WHOLE
                else f"{path[:, -1].mean() - accuracy[WHOLE][:, -1].mean():+.4f}",
            }
        )
    return pd.DataFrame(rows)


def schedules(path, scheduled):
    """The epochs of one averaged training beside a training with a schedule for each length."""
    rows = []
    for epochs, accuracy in scheduled.items():
        averaged = path[:, epochs - 1].mean()
        rows.append(
            {
                "epochs": epochs,
                "one training, averaged": f"{averaged:.4f}",
                "one-cycle, trained for each": f"{accuracy.mean():.4f}",
                "difference": f"{averaged - accuracy.mean():+.4f}",
            }
        )
    return pd.DataFrame(rows)


def main():
    arguments = read_arguments(__doc__)
    X, y = fetch_fashion_mnist(return_X_y=True)

    def over_seeds(name, **changes):
        paths = []
        for seed in SEEDS:
            network = FashionCNN.v3(**changes, random_state=seed)
            kept = keep(arguments.kept, of_seed(name, seed), train, network, X, y)
            paths.append(kept["accuracy"])
            print(f"{of_seed(name, seed)}: {paths[-1][-1]:.4f}", flush=True)
        return np.array(paths)

    seconds = keep(arguments.kept, "seconds an epoch", time_epochs, X, y)
    budget = FashionCNN.v3().epochs * seconds[WHOLE]
    accuracy = {
        name: over_seeds(name, **changes, epochs=round(budget / seconds[name]))
        for name, changes in VARIANTS.items()
    }
    rate = FashionCNN.v3().learning_rate
    scheduled = {
        epochs: over_seeds(
            f"one-cycle, {epochs} epochs",
            epochs=epochs,
            averaging=0,
            callbacks=[OneCycle(rate, epochs)],
        )[:, -1]
        for epochs in SCHEDULED
    }
    tables = {
        "ablations": ablations(seconds, accuracy),
        "schedules": schedules(accuracy[WHOLE], scheduled),
    }
    write(tables, arguments.tables)


if __name__ == "__main__":
    main()
