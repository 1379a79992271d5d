"""The command ``skfashion reproduce``, which compares a training with the published one."""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from skfashion import FashionCNN
from skfashion._cli.options import load_data
from skfashion._cli.terminal import show_progress
from skfashion._utils.steps import listen, report_step
from skfashion._utils.types import AnyArray


class EpochMetrics(NamedTuple):
    """The metrics of an epoch, with the names of Keras."""

    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


# Source: "Deep Learning - Convolutional Neural Network Classifier for Fashion MNIST Images", the
# README from which this project started, section "Model Performance per Epoch". It lacks the same
# epochs.
PUBLISHED = {
    "v1": {
        1: EpochMetrics(0.4561, 0.8356, 0.3404, 0.8741),
        2: EpochMetrics(0.2905, 0.8942, 0.3002, 0.8895),
        3: EpochMetrics(0.2272, 0.9156, 0.2836, 0.8984),
        4: EpochMetrics(0.1836, 0.9327, 0.2564, 0.9103),
        5: EpochMetrics(0.1417, 0.9478, 0.2521, 0.9167),
    },
    "v2": {
        1: EpochMetrics(0.9591, 0.6518, 0.5913, 0.7870),
        2: EpochMetrics(0.6604, 0.7585, 0.5247, 0.8083),
        3: EpochMetrics(0.6056, 0.7774, 0.4946, 0.8150),
        4: EpochMetrics(0.5706, 0.7910, 0.4598, 0.8338),
        5: EpochMetrics(0.5471, 0.7979, 0.4456, 0.8375),
        15: EpochMetrics(0.4566, 0.8296, 0.3745, 0.8622),
        16: EpochMetrics(0.4507, 0.8310, 0.3689, 0.8638),
        17: EpochMetrics(0.4487, 0.8322, 0.3633, 0.8673),
        18: EpochMetrics(0.4430, 0.8340, 0.3675, 0.8640),
        19: EpochMetrics(0.4403, 0.8362, 0.3616, 0.8671),
        20: EpochMetrics(0.4430, 0.8345, 0.3597, 0.8672),
    },
}


def run(arguments: argparse.Namespace) -> int:
    """Train and print a line for each epoch."""
    X, y = load_data(arguments.data, "train")
    print(f"{arguments.version}, {len(X)} images, the last 20 % for validation")
    print("         accuracy               validation accuracy")
    print("epoch    measured   published   measured   published", flush=True)
    published = PUBLISHED[arguments.version]
    with show_progress():
        for clf in train_epochs(
            arguments.version, X, y, epochs=arguments.epochs, random_state=arguments.seed
        ):
            report_step("epochs", clf.n_iter_, arguments.epochs)
            ours, theirs = latest(clf), published.get(clf.n_iter_)
            row = [f"{clf.n_iter_:5d}"]
            for name in ("accuracy", "val_accuracy"):
                row += [
                    f"{getattr(ours, name):11.4f}",
                    f"{getattr(theirs, name):12.4f}" if theirs else f"{'-':>12}",
                ]
            print("".join(row), flush=True)
    test = load_data(arguments.data, "test")
    if test:
        print(f"test accuracy on {len(test[0])} images: {clf.score(*test):.4f}")
    return 0


def train_epochs(
    version: str, X: AnyArray, y: AnyArray, *, epochs: int = 20, random_state: int = 0
) -> Iterator[FashionCNN]:
    """Train like the original, with the last 20 % of the rows for validation.

    Parameters
    ----------
    version : {"v1", "v2"}
    X : array-like of shape (n, features)
    y : array-like of shape (n,)
    epochs : int, default=20
    random_state : int, default=0

    Yields
    ------
    clf : FashionCNN
        The same object after each epoch.
    """
    n_training = len(X) - len(X) // 5
    make = {"v1": FashionCNN.v1, "v2": FashionCNN.v2}[version]
    clf = make(epochs=1, warm_start=True, random_state=random_state)
    for _ in range(epochs):
        with listen(None):  # here an epoch is a whole fit, but not for who waits for all epochs
            clf.fit(X[:n_training], y[:n_training], X_val=X[n_training:], y_val=y[n_training:])
        yield clf


def latest(clf: FashionCNN) -> EpochMetrics:
    """Return the metrics of the last epoch."""
    return EpochMetrics(*(clf.history_[name][-1] for name in EpochMetrics._fields))
