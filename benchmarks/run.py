"""Measures skfashion beside its peers and prints one table: ``make bench``.

Whatever is compared is run in turn, round after round, each in a process of its own, while nothing
else runs; seconds are medians over the rounds, ratios are medians of the rounds' ratios. The names
of rows, given as arguments, choose among them: ``python benchmarks/run.py epoch-v2 predict-one``.
"""

import argparse
import importlib.metadata
import platform
import sys
import time

import deployment_rows
import joblib
import peers
import search_rows
from contest import Contender, contest, seconds
from table import Line, print_table, ratios

from skfashion._network.architecture import Architecture
from skfashion._utils.environment import processor

LIBRARIES = ["numpy", "scikit-learn", "tensorflow", "keras", "scikeras", "torch", "skorch"]


# Fits


def short_fit():
    contenders = {"skfashion": Contender(peers.skfashion_fit, "v2", 1000)}
    for steps in (1, 10):
        contender = Contender(peers.keras_classifier_fit, "v2", 1000, steps)
        contenders[f"KerasClassifier, {steps} a call"] = contender
    results = contest(contenders, rounds=9, warmups=2)
    best = _keep_the_best(results, "KerasClassifier")
    yield from ratios("fit, 1,000 rows, 1 epoch, v2, from the third on", results, {best: 1 / 8})


def epoch_v2():
    yield from _epoch("v2", rounds=5, steps_per_execution=[1, 20, 120], keras=0.75, skorch=0.6)


def epoch_v1():
    # More steps a call gain nothing where a step takes 60 ms.
    yield from _epoch("v1", rounds=3, steps_per_execution=[1], keras=0.85, skorch=0.8)


def _epoch(version, *, rounds, steps_per_execution, keras, skorch):
    n = 48_000
    contenders = {"skfashion": Contender(peers.skfashion_fit, version, n)}
    for steps in steps_per_execution:
        contenders[f"Keras, {steps} a call"] = Contender(peers.keras_fit, version, n, steps)
    contenders["skorch"] = Contender(peers.skorch_fit, version, n)
    contenders["a matrix product"] = Contender(peers.gemm)
    results = contest(contenders, rounds=rounds)
    product = seconds({"gemm": results.pop("a matrix product")})["gemm"]
    best = _keep_the_best(results, "Keras")
    bars = {best: keras, "skorch": skorch}
    yield from ratios(f"epoch, 48,000 rows, {version}", results, bars)
    operations = 2 * n * _multiply_adds_of_a_step(version)
    yield Line(
        f"arithmetic of that epoch, {version}",
        f"{operations / seconds(results)['skfashion'] / 1e9:.0f} GFLOP/s",
        f"matrix product: {2 * peers.GEMM_SIDE**3 / product / 1e9:.0f} GFLOP/s",
        "",
        "",
    )


def _keep_the_best(results, library):
    """Of the settings of a library only the fastest is its peer."""
    taken = seconds(results)
    settings = [name for name in taken if name.startswith(library)]
    best = min(settings, key=taken.get)
    for name in settings:
        if name != best:
            del results[name]
    return best


def _multiply_adds_of_a_step(version):
    """Of one image: forwards, and backwards for weights and for inputs, but for the pixels."""
    clf = peers.fashion_cnn(version)
    architecture = Architecture.for_images(
        (28, 28), n_classes=10, **{n: getattr(clf, n) for n in peers.STRUCTURE}
    )
    first = architecture.feature_maps[0]
    pixels = first[0] * first[1] * first[2] * architecture.kernel_size**2
    return 3 * architecture.multiply_adds - pixels


# Predictions


def predict_one():
    results = contest(
        {
            "skfashion v2": Contender(peers.skfashion_predict, "v2", 1),
            "skfashion v1": Contender(peers.skfashion_predict, "v1", 1),
            "KerasClassifier v2": Contender(peers.keras_classifier_predict, "v2", 1),
            "KerasClassifier v1": Contender(peers.keras_classifier_predict, "v1", 1),
            "MLPClassifier(100)": Contender(peers.mlp_predict, 1),
        },
        rounds=7,
        repeats=30,
    )
    for version, bars in {
        "v2": {"KerasClassifier v2": 1 / 150, "MLPClassifier(100)": 3},
        "v1": {"KerasClassifier v1": 1 / 30},
    }.items():
        yield from ratios(
            f"predict_proba, 1 row, {version}", results, bars, ours=f"skfashion {version}"
        )


def predict_many():
    for version in ("v2", "v1"):
        results = contest(
            {
                "skfashion": Contender(peers.skfashion_predict, version, 10_000),
                "KerasClassifier": Contender(peers.keras_classifier_predict, version, 10_000),
            },
            rounds=9,
        )
        yield from ratios(
            f"predict_proba, 10,000 rows, {version}", results, {"KerasClassifier": 0.8}
        )


# Memory and the checks


def memory():
    (_, (growth, compiled)), *_ = contest(
        {"skfashion": Contender(peers.two_hundred_fits)}, rounds=1, warmups=0
    )["skfashion"]
    work = "200 fits, 2 structures, memory above the 10th"
    yield Line(work, f"{growth / 1e6:+.1f} MB", "", "", "<= 20 MB")
    yield Line("  programs compiled after the 10th", f"{compiled}", "", "", "0")


def peak():
    ((_, bytes_),) = contest({"skfashion": Contender(peers.fit_all)}, rounds=1, warmups=0)[
        "skfashion"
    ]
    yield Line(
        "peak memory, 60,000 images of bytes, v2", f"{bytes_ / 1e9:.2f} GB", "", "", "<= 1.2 GB"
    )


def checks():
    ((taken, number),) = contest(
        {"skfashion": Contender(peers.estimator_checks, threads=1)}, rounds=1, warmups=0
    )["skfashion"]
    yield Line(f"{number} estimator checks, one core", f"{taken:.0f} s", "", "", "<= 60 s")


ROWS = {
    "short-fit": short_fit,
    "memory": memory,
    "epoch-v2": epoch_v2,
    "epoch-v1": epoch_v1,
    "predict-one": predict_one,
    "predict-many": predict_many,
    "checks": checks,
    "peak": peak,
    **search_rows.ROWS,
    **deployment_rows.ROWS,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of {', '.join(ROWS)}; all")
    chosen = parser.parse_args().rows or list(ROWS)
    if unknown := set(chosen) - ROWS.keys():
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    begin = time.perf_counter()
    lines = []
    for name in chosen:
        print(name, file=sys.stderr)
        try:
            found = list(ROWS[name]())
        except RuntimeError as error:  # the other rows are worth having
            print(error, file=sys.stderr)
            found = [Line(name, "failed", "", "", "")]
        for line in found:
            print(*line, sep="  ", file=sys.stderr)
        lines += found
    print(f"{processor()}, {joblib.cpu_count()} cores; Python {platform.python_version()}")
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES))
    print(f"{(time.perf_counter() - begin) / 60:.0f} minutes\n")
    print_table(lines)
    return 1 if any(line.ours == "failed" for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
