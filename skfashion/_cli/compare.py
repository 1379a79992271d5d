"""The command ``skfashion compare``."""

import argparse
import json
import shlex
import sys
import warnings
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import numpy as np

from skfashion import FashionCNN, compare, make_baselines
from skfashion._cli import report
from skfashion._cli.options import load_data, prepare_folder, report_interruption
from skfashion._cli.parser import EPOCHS
from skfashion._cli.terminal import print_comparison, show_progress
from skfashion._cli.text import escape, name_in_unicode
from skfashion._utils.environment import describe
from skfashion.comparison import Comparison
from skfashion.datasets import CLASS_NAMES


def run(arguments: argparse.Namespace) -> int:
    """Print the table. Return 1 if an estimator failed, 130 after Ctrl-C."""
    if arguments.output:
        report.check_libraries()
        prepare_folder("--output", arguments.output)
    if arguments.memory:
        prepare_folder("--memory", arguments.memory)
    estimators = _make_estimators(arguments)
    X, y = load_data(arguments.data, "train")
    largest = int(np.unique_counts(y).counts.max())
    if arguments.folds > largest:  # scikit-learn's rule, which names n_splits
        raise ValueError(
            f"--folds {arguments.folds}: no class has more than {largest} images. Give at most as "
            "many folds."
        )
    X_test = y_test = None
    if arguments.test:
        if (test := load_data(arguments.data, "test")) is None:
            raise ValueError(f"--test: {arguments.data} has no test images.")
        X_test, y_test = test
    if not arguments.quiet:
        print(f"{len(X)} images, {arguments.folds} stratified folds", file=sys.stderr)
    with warnings.catch_warnings(), nullcontext() if arguments.quiet else show_progress():
        warnings.filterwarnings("ignore", "compare was interrupted")  # the exit status shows it
        comparison = compare(
            estimators,
            X,
            y,
            cv=arguments.folds,
            scoring=arguments.scoring,
            n_jobs=arguments.n_jobs,
            X_test=X_test,
            y_test=y_test,
            timeout=arguments.timeout,
            # The networks have no memory of their own: resumed fits would seem too fast.
            memory=arguments.memory,
            verbose=0 if arguments.quiet else 1,
        )
    facts = _collect_facts(arguments, len(X))
    if arguments.json:
        print(_to_json(comparison, facts), flush=True)
    else:
        print_comparison(comparison)  # before the report, which may fail
    if arguments.output:
        page = report.write(
            comparison,
            X,
            y,
            arguments.output,
            title="Fashion-MNIST: networks beside classical baselines",
            display_labels=[CLASS_NAMES[label] for label in np.unique(y)],
            facts=facts,
        )
        if not arguments.json:
            print(f"Report: {escape(page)}")
    if comparison.interrupted:
        report_interruption(arguments.memory)
        return 130
    return 1 if len(comparison.failures) else 0


def _make_estimators(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make the networks and baselines that were asked for, or all."""
    estimators: dict[str, Any] = {}
    for version, epochs in EPOCHS.items():
        if arguments.networks is None or version in arguments.networks:
            configure = getattr(FashionCNN, version)
            estimators[f"FashionCNN {version}"] = configure(
                epochs=arguments.epochs or epochs, random_state=arguments.seed
            )
    estimators |= {
        name: baseline
        for name, baseline in make_baselines(random_state=arguments.seed).items()
        if arguments.baselines is None or name in arguments.baselines
    }
    if not estimators:
        raise ValueError("--networks none --baselines none: there is nothing to compare.")
    return estimators


def _to_json(comparison: Comparison, facts: dict[str, str]) -> str:
    """Return the tables as a JSON object. What is missing is null."""
    tables = {"table": comparison.table.reset_index(), "scores": comparison.scores}
    records = {
        name: json.loads(table.to_json(orient="records", double_precision=15))
        for name, table in tables.items()
    }
    return json.dumps({**records, "interrupted": comparison.interrupted, "facts": facts}, indent=1)


def _collect_facts(arguments: argparse.Namespace, n_images: int) -> dict[str, str]:
    """Return what the report says about how the comparison was made."""
    return {
        "command": name_in_unicode(shlex.join(["skfashion", *arguments.argv])),
        "data": name_in_unicode(f"{arguments.data}: {n_images} images"),
        "folds": f"{arguments.folds}, stratified",
        "seed": str(arguments.seed),
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        **describe(),
    }
