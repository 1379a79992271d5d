"""The shell: ``skfashion`` or ``python -m skfashion``."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, overload

import numpy as np

from skfashion import FashionCNN, __version__, _report, compare, make_baselines
from skfashion._epochs import clear, usage
from skfashion._machine import describe
from skfashion._reproduction import PUBLISHED, latest, train_epochs
from skfashion.datasets import (
    CLASS_NAMES,
    fetch_fashion_mnist,
    load_fashion_csv,
    load_fashion_mini,
)
from skfashion.datasets._bunch import Arrays
from skfashion.datasets._fetch import read_folder

_DESCRIPTION = "Convolutional networks for Fashion-MNIST beside classical classifiers."
_DATA_HELP = (
    "mini (the 7,000 images of the package), full (Fashion-MNIST: a copy on this machine, else a "
    "download), or the path of a folder with its four files or of Kaggle's CSV or zip"
)


@overload
def _load(data: str, subset: Literal["train"]) -> Arrays: ...
@overload
def _load(data: str, subset: Literal["test"]) -> Arrays | None: ...
def _load(data: str, subset: Literal["train", "test"]) -> Arrays | None:
    """X and y of a subset; None for the test images of a CSV, which has none."""
    if data == "mini":
        return load_fashion_mini(subset=subset, return_X_y=True)
    if data == "full":
        return fetch_fashion_mnist(subset=subset, return_X_y=True, progress=True)
    if Path(data).is_dir():
        return read_folder(data, subset=subset)
    return load_fashion_csv(data, return_X_y=True) if subset == "train" else None


def _compare(arguments: argparse.Namespace) -> int:
    if arguments.output:
        _report.prepare(arguments.output)
    X, y = _load(arguments.data, "train")
    X_test = y_test = None
    if arguments.test:
        if (test := _load(arguments.data, "test")) is None:
            raise ValueError(f"--test: {arguments.data} has no test images.")
        X_test, y_test = test
    seed = arguments.seed
    estimators = {
        # The original: no noticeable improvement of version 1 after the fifth epoch.
        "FashionCNN v1": FashionCNN.v1(epochs=5, random_state=seed),
        "FashionCNN v2": FashionCNN.v2(random_state=seed),
        **make_baselines(random_state=seed),
    }
    print(f"{len(X)} images, {arguments.cv} stratified folds", file=sys.stderr)
    comparison = compare(
        estimators,
        X,
        y,
        cv=arguments.cv,
        n_jobs=arguments.n_jobs,
        X_test=X_test,
        y_test=y_test,
        timeout=arguments.timeout,
        verbose=1,
    )
    print(comparison)
    if arguments.output:
        facts = {
            "command": shlex.join(["skfashion", *arguments.argv]),
            "data": f"{arguments.data}: {len(X)} images",
            "folds": f"{arguments.cv}, stratified",
            "seed": str(seed),
            "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            **describe(),
        }
        page = _report.write(
            comparison,
            X,
            y,
            arguments.output,
            title="Fashion-MNIST: two networks beside classical baselines",
            display_labels=[CLASS_NAMES[label] for label in np.unique(y)],
            facts=facts,
        )
        print(f"Report: {page}")
    return 1 if len(comparison.failures) else 0


def _reproduce(arguments: argparse.Namespace) -> int:
    X, y = _load(arguments.data, "train")
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
    test = _load(arguments.data, "test")
    if test:
        print(f"test accuracy on {len(test[0])} images: {clf.score(*test):.4f}")
    return 0


def _cache(arguments: argparse.Namespace) -> int:
    if not arguments.path.is_dir():
        raise ValueError(f"{arguments.path} is no directory: nothing is stored there.")
    found = clear(arguments.path) if arguments.clear else usage(arguments.path)
    print(
        f"{arguments.path}: {found.runs} trainings, {found.epochs} epochs, "
        f"{found.bytes / 1e6:.1f} MB{' removed' if arguments.clear else ''}"
    )
    return 0


def _at_least(minimum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {minimum} upwards")
        return value

    return parse


def build_parser() -> argparse.ArgumentParser:
    """What each command takes."""
    parser = argparse.ArgumentParser(prog="skfashion", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="command")

    compare_command = commands.add_parser(
        "compare", help="cross-validate both networks and the classical baselines; print a table"
    )
    compare_command.add_argument("--data", default="mini", help=f"{_DATA_HELP}; default: mini")
    compare_command.add_argument("--cv", type=_at_least(2), default=3, help="folds; default: 3")
    compare_command.add_argument("--n-jobs", type=int, help="fits at a time; default: 1")
    compare_command.add_argument(
        "--test", action="store_true", help="train on all images too and score the test images"
    )
    compare_command.add_argument(
        "--timeout", type=float, help="seconds for one fit and its scores; default: no limit"
    )
    compare_command.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="write table.csv, scores.csv and report.html into this folder",
    )
    compare_command.set_defaults(run=_compare)

    reproduce_command = commands.add_parser(
        "reproduce", help="train as the original did; print our epochs beside the published ones"
    )
    reproduce_command.add_argument("version", choices=sorted(PUBLISHED))
    reproduce_command.add_argument("--epochs", type=_at_least(1), default=20, help="default: 20")
    reproduce_command.add_argument("--data", default="full", help=f"{_DATA_HELP}; default: full")
    reproduce_command.set_defaults(run=_reproduce)

    cache_command = commands.add_parser(
        "cache", help="show or clear what memory=PATH of FashionCNN has stored"
    )
    cache_command.add_argument("path", type=Path, help="the directory given as memory")
    cache_command.add_argument("--clear", action="store_true", help="remove it")
    cache_command.set_defaults(run=_cache)

    for command in (compare_command, reproduce_command):
        command.add_argument(
            "--seed", type=_at_least(0), default=0, help="random_state; default: 0"
        )

    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command of the shell.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    int
        0; 1 when the data cannot be read or trained on, or an estimator failed; 130 after Ctrl-C.
    """
    arguments = build_parser().parse_args(argv)
    arguments.argv = sys.argv[1:] if argv is None else argv
    try:
        return arguments.run(arguments)
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError, RuntimeError, ImportError) as error:  # DatasetError is an OSError
        print(f"skfashion: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
