"""The command ``skfashion compare``."""

import argparse
import shlex
import sys
import warnings
from datetime import UTC, datetime

import numpy as np

from skfashion._cli.options import load_data, prepare_folder
from skfashion._cli.parser import EPOCHS
from skfashion._cli.text import escape, name_in_unicode
from skfashion._utils.environment import describe
from skfashion.datasets import CLASS_NAMES


def run(arguments: argparse.Namespace) -> int:
    """Print the table. Return 1 if an estimator failed, 130 after Ctrl-C."""
    # Import pandas only here: the other commands do not need it.
    from skfashion import FashionCNN, compare, make_baselines
    from skfashion._cli import report

    if arguments.output:
        report.check_libraries()
        prepare_folder("--output", arguments.output)
    if arguments.memory:
        prepare_folder("--memory", arguments.memory)
    X, y = load_data(arguments.data, "train")
    largest = int(np.unique_counts(y).counts.max())
    if arguments.cv > largest:  # scikit-learn's rule, which names n_splits
        raise ValueError(
            f"--cv {arguments.cv}: no class has more than {largest} images. Give at most as many "
            "folds."
        )
    X_test = y_test = None
    if arguments.test:
        if (test := load_data(arguments.data, "test")) is None:
            raise ValueError(f"--test: {arguments.data} has no test images.")
        X_test, y_test = test
    seed = arguments.seed
    estimators = {
        "FashionCNN v1": FashionCNN.v1(epochs=EPOCHS["v1"], random_state=seed),
        "FashionCNN v2": FashionCNN.v2(epochs=EPOCHS["v2"], random_state=seed),
        **make_baselines(random_state=seed),
    }
    print(f"{len(X)} images, {arguments.cv} stratified folds", file=sys.stderr)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "compare was interrupted")  # the exit status shows it
        comparison = compare(
            estimators,
            X,
            y,
            cv=arguments.cv,
            n_jobs=arguments.n_jobs,
            X_test=X_test,
            y_test=y_test,
            timeout=arguments.timeout,
            # The networks have no memory of their own: resumed fits would seem too fast.
            memory=arguments.memory,
            verbose=1,
        )
    print(comparison, flush=True)  # before the report, which may fail
    if arguments.output:
        page = report.write(
            comparison,
            X,
            y,
            arguments.output,
            title="Fashion-MNIST: two networks beside classical baselines",
            display_labels=[CLASS_NAMES[label] for label in np.unique(y)],
            facts=_collect_facts(arguments, len(X)),
        )
        print(f"Report: {escape(page)}")
    if comparison.interrupted:
        return 130
    return 1 if len(comparison.failures) else 0


def _collect_facts(arguments: argparse.Namespace, n_images: int) -> dict[str, str]:
    """Return what the report says about how the comparison was made."""
    return {
        "command": name_in_unicode(shlex.join(["skfashion", *arguments.argv])),
        "data": name_in_unicode(f"{arguments.data}: {n_images} images"),
        "folds": f"{arguments.cv}, stratified",
        "seed": str(arguments.seed),
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        **describe(),
    }
