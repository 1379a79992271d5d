"""The command ``skfashion train``."""

import argparse
import contextlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from skfashion import FashionCNN
from skfashion._cli.options import load_data, prepare_folder, report_interruption
from skfashion._cli.parser import EPOCHS
from skfashion._cli.terminal import show_progress
from skfashion._cli.text import clean_message, escape
from skfashion.datasets import CLASS_NAMES


def run(arguments: argparse.Namespace) -> int:
    """Train, print a line for each epoch, and save the model, even if printing fails."""
    if arguments.output.is_dir():
        raise IsADirectoryError(
            f"--output {arguments.output} is a folder: expected the name of a file."
        )
    # If TensorFlow is missing, this raises the error before a folder is made or data are loaded.
    from skfashion._network import tensorflow  # noqa: F401

    prepare_folder("the folder of --output,", arguments.output.parent)
    if arguments.memory:
        prepare_folder("--memory", arguments.memory)
    output = _Output(sys.stdout)
    with contextlib.redirect_stdout(output):
        _train(arguments)
    if output.error is None:
        return 0
    print(
        f"skfashion: standard output cannot be written ({clean_message(output.error)}). The model "
        f"was written into {escape(arguments.output)}.",
        file=sys.stderr,
    )
    return 1


class _Output:
    """Standard output. After it fails, further output is discarded and the error is stored."""

    error: OSError | None = None

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, function: Callable[..., Any], *arguments: str) -> None:
        if self.error is None:
            try:
                function(*arguments)
            except OSError as error:
                self.error = error


def _train(arguments: argparse.Namespace) -> None:
    """Train, save the model, and print its test accuracy and size."""
    names = np.array(CLASS_NAMES)
    X, y = load_data(arguments.data, "train")
    configure = getattr(FashionCNN, arguments.network)
    clf = configure(
        epochs=arguments.epochs or EPOCHS[arguments.network],
        memory=arguments.memory,
        verbose=1,
        random_state=arguments.seed,
    )
    # Train on class names, so that predictions are readable without a list of classes.
    try:
        with show_progress():
            clf.fit(X, names[y]).set_params(memory=None, verbose=0)
    except KeyboardInterrupt:
        report_interruption(arguments.memory)
        raise
    clf.save(arguments.output)  # save first: the next steps may fail
    if test := load_data(arguments.data, "test"):
        X, y = test
        print(f"test accuracy on {len(X)} images: {clf.score(X, names[y]):.4f}")
    size = arguments.output.stat().st_size / 1e6
    print(f"{escape(arguments.output)}: {size:.2f} MB", flush=True)
