"""``skfashion reproduce``."""

import argparse

from skfashion._cli.options import add_data, add_seed, at_least, load_data
from skfashion._cli.reproduction import PUBLISHED, latest, train_epochs

HELP = "train as the original did; print our epochs beside the published ones"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    command.add_argument("version", choices=sorted(PUBLISHED))
    command.add_argument("--epochs", type=at_least(1), default=20, help="default: 20")
    add_data(command, default="full")
    add_seed(command)


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each epoch."""
    X, y = load_data(arguments.data, "train")
    print(f"{arguments.version}, {len(X)} images, the last 20 % for validation")
    print("         accuracy               validation accuracy")
    print("epoch    measured   published   measured   published", flush=True)
    published = PUBLISHED[arguments.version]
    for clf in train_epochs(
        arguments.version, X, y, epochs=arguments.epochs, random_state=arguments.seed
    ):
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
