"""The command ``skfashion train``."""

import argparse
from pathlib import Path

import numpy as np

from skfashion import FashionCNN
from skfashion._cli.options import add_data, add_seed, at_least, load_data
from skfashion._utils.files import make_folder
from skfashion.datasets import CLASS_NAMES

HELP = "train one of the two networks and save it to a file for `predict`"
# The original: no noticeable improvement of version 1 after the fifth epoch.
_EPOCHS = {"v1": 5, "v2": 20}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_data(command, default="full")
    command.add_argument("--output", type=Path, required=True, metavar="MODEL", help="model file")
    command.add_argument("--network", choices=sorted(_EPOCHS), default="v1", help="default: v1")
    command.add_argument("--epochs", type=at_least(1), help="default: 5 for v1, 20 for v2")
    command.add_argument(
        "--memory", metavar="DIR", help="store every epoch here; the same command then continues"
    )
    add_seed(command)


def run(arguments: argparse.Namespace) -> int:
    """Train a network, print a line for each epoch, and save the model."""
    # Without TensorFlow this raises an error before anything is downloaded.
    from skfashion._network import tensorflow  # noqa: F401

    _prepare(arguments.output)
    names = np.array(CLASS_NAMES)
    X, y = load_data(arguments.data, "train")
    configure = getattr(FashionCNN, arguments.network)
    clf = configure(
        epochs=arguments.epochs or _EPOCHS[arguments.network],
        memory=arguments.memory,
        verbose=1,
        random_state=arguments.seed,
    )
    # Train on class names: predictions are then readable without a list of classes.
    clf.fit(X, names[y]).set_params(memory=None, verbose=0)
    clf.save(arguments.output)  # save first: the next steps may fail
    if test := load_data(arguments.data, "test"):
        X, y = test
        print(f"test accuracy on {len(X)} images: {clf.score(X, names[y]):.4f}")
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB")
    return 0


def _prepare(path: Path) -> None:
    """Create the file's folder, and raise an error before the training if it is not writable."""
    if path.is_dir():
        raise IsADirectoryError(f"--output {path} is a folder: expected the name of a file.")
    try:
        make_folder(path.parent)
    except OSError as error:
        raise OSError(
            f"--output {path}: cannot write to the folder {path.parent} ({error.strerror})."
        ) from error
