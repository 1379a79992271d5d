"""Measures skfashion on a graphics card beside Keras and PyTorch: ``make bench-gpu``.

Every library runs in a process of its own, one after the other, and does all the work there. The
columns are the work, the median seconds of skfashion, those of a peer, their ratio, and what was
asked. Peers are Keras without and with ``jit_compile``, with 1 and 20 training steps an execution,
and skorch without and with ``torch.compile``. The first two runs, which compile, do not count, but
they do in the grid. "first fit" is the first run of an epoch, with compilation, and for version 2
with the start of TensorFlow.

The last lines say, for all versions, whether equal seeds gave equal weights, bit for bit, in one
process and in two, and how far probabilities of one row differ from those of a batch. ``--smoke``
does everything on few rows, also without a card.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np
import peers
from contest import Contender, absent, heading, print_table
from run import NEEDS, duration, fraction


class Size(NamedTuple):
    """Rows of an epoch, a short fit and a prediction, runs that count, and the grid."""

    epoch: int
    short: int
    prediction: int
    runs: int
    grid: dict


GRID = {"dropout": peers.DROPOUTS, "strides": [1, 2], "epochs": [1, 2]}
FULL = Size(48_000, 1000, 10_000, 2, GRID)
SMOKE = Size(300, 200, 1500, 1, {"dropout": [0.0, 0.5], "strides": [2], "epochs": [1]})


def rows(n):
    """Training images as bytes, and their labels: the package's own, repeated."""
    X, y = map(np.asarray, peers.mini())
    times = -(-n // len(y))
    return np.tile(X, (times, 1))[:n], np.tile(y, times)[:n]


def channels_first(n):
    X, y = rows(n)
    return peers.scaled(X).reshape(-1, 1, 28, 28), y.astype(np.int64)


# What each library does: yield the name of a piece of work, and the work


def skfashion_work(version, size):
    def fit(X, y):
        return peers.fashion_cnn(version, epochs=1, random_state=0).fit(X, y)

    yield "epoch", partial(fit, *rows(size.epoch))
    yield "short fit", partial(fit, *rows(size.short))
    yield "prediction", partial(fit(*rows(size.short)).predict_proba, rows(size.prediction)[0])


def keras_work(version, size, jit_compile):
    X, y = rows(size.epoch)
    X = peers.scaled(X)
    how = {"batch_size": peers.BATCH_SIZE, "verbose": 0}
    for steps in (1, 20):
        model = peers.keras_network(
            **peers.VERSIONS[version], steps_per_execution=steps, jit_compile=jit_compile
        )
        yield f"epoch, {steps} a call", partial(model.fit, X, y, **how)
        yield (
            f"short fit, {steps} a call",
            partial(model.fit, X[: size.short], y[: size.short], **how),
        )
    X = peers.scaled(rows(size.prediction)[0])
    yield "prediction", partial(model.predict, X, batch_size=1000, verbose=0)


def skorch_work(version, size, compiled):
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = peers.skorch_classifier(
        version, max_epochs=1, device=device, compile=compiled, iterator_valid__batch_size=1000
    )
    net.initialize()
    yield "epoch", partial(net.partial_fit, *channels_first(size.epoch))
    yield "short fit", partial(net.partial_fit, *channels_first(size.short))
    yield "prediction", partial(net.predict_proba, channels_first(size.prediction)[0])


LIBRARIES = {
    "skfashion": skfashion_work,
    "Keras": partial(keras_work, jit_compile=False),
    "Keras, jit_compile": partial(keras_work, jit_compile=True),
    "skorch": partial(skorch_work, compiled=False),
    "skorch, torch.compile": partial(skorch_work, compiled=True),
}
ASKED = {"epoch": "<= 0.25 of Keras' best", "short fit": "<= 100 ms"}


def time_work(list_work, size):
    """Return a job for `Contender`: median seconds of each piece of work, and of first fits."""

    def run():
        figures = {}
        for version in ("v2", "v1"):
            for name, work in list_work(version, size):
                taken = [_time(work) for _ in range(2 + size.runs)]
                figures[version, name] = median(taken[2:])
                if name == "epoch":
                    figures[version, "first fit"] = taken[0]
        return figures

    return run


def _time(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def check_promises(size):
    """Return a job: hashes of the weights of two fits, and how far one row and a batch differ."""

    def run():
        figures = {}
        for version in peers.VERSIONS:
            X, y = rows(size.epoch // 8 + 7)  # with a short last batch
            fits = [peers.fashion_cnn(version, epochs=2, random_state=0).fit(X, y) for _ in "ab"]
            hashes = [
                hashlib.sha256(b"".join(weight.tobytes() for weight in clf.weights_)).hexdigest()
                for clf in fits
            ]
            X = rows(size.prediction)[0]
            alone = np.concatenate([fits[0].predict_proba(row[np.newaxis]) for row in X[:20]])
            apart = np.abs(fits[0].predict_proba(X)[:20] - alone).max()
            figures[version] = hashes, float(apart)
        return figures

    return run


# The driver


def run_once(job, *arguments, **keywords):
    """Run a job in a process of its own. Return its seconds and what it returned."""
    with Contender(job, *arguments, **keywords) as contender:
        return contender.run()


def compare_libraries(size):
    """Yield lines of the table: work, skfashion, peer, ratio, asked."""
    figures, failed = {}, {}
    for library, list_work in LIBRARIES.items():
        print(library, file=sys.stderr)
        failed[library] = absent(*NEEDS.get(library.partition(",")[0], ()))
        if not failed[library]:
            try:
                _, figures[library] = run_once(time_work, list_work, size)
            except RuntimeError as error:  # the others are worth having
                print(error, file=sys.stderr)
                failed[library] = "failed"
    ours = figures.pop("skfashion", {})
    n_rows = {"epoch": size.epoch, "short fit": size.short, "prediction": size.prediction}
    for (version, kind), seconds in ours.items():
        work = f"{kind}, {n_rows.get(kind, size.epoch):,} rows, {version}"
        if kind == "first fit":
            yield work, duration(seconds), "", "", ""
            continue
        for library, theirs in figures.items():
            for (their_version, name), peer in theirs.items():
                if their_version == version and name.partition(",")[0] == kind:
                    told = f"{library}{name.removeprefix(kind)}: {duration(peer)}"
                    yield (
                        work,
                        duration(seconds),
                        told,
                        fraction(seconds / peer),
                        ASKED.get(kind, ""),
                    )
    for library, reason in failed.items():
        if reason:
            yield "", "", f"{library}: {reason}", "", ""


def compare_grids(size):
    """Yield the line of a search. KerasClassifier trains only the largest number of epochs."""
    print("grid", file=sys.stderr)
    largest = {**size.grid, "epochs": [max(size.grid["epochs"])]}
    ours, _ = run_once(peers.grid_search, size.grid, folds=1)
    theirs, _ = run_once(peers.keras_grid_search, largest, folds=1)
    told = f"KerasClassifier, largest epochs alone: {duration(theirs)}"
    yield "grid dropout x strides x epochs, v2", duration(ours), told, fraction(ours / theirs), ""


def check(size):
    """Yield lines about promises."""
    print("promises", file=sys.stderr)
    one, other = (run_once(check_promises, size)[1] for _ in range(2))
    for version, (hashes, apart) in one.items():
        same = "equal" if len({*hashes, *other[version][0]}) == 1 else "unequal"
        yield f"equal seeds, bits of the weights, {version}", same, "", "", "equal"
        yield f"one row beside a batch, {version}", f"{apart:.1e}", "", "", "<= 1e-5"


def describe_card():
    """Return the name and the driver of the card."""
    if not shutil.which("nvidia-smi"):
        return "no graphics card"
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--smoke", action="store_true", help="few rows, also without a card")
    size = SMOKE if parser.parse_args().smoke else FULL
    # Otherwise the first process would take the whole card.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    begin, lines, failed = time.perf_counter(), [], False
    for part in (compare_libraries, compare_grids, check):
        try:
            lines += part(size)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            failed = True
    print(describe_card())
    print(heading("torch", "skorch"))
    print(f"{(time.perf_counter() - begin) / 60:.1f} minutes\n")
    print_table(("work", "skfashion", "peer", "ratio", "asked"), lines)
    return failed


if __name__ == "__main__":
    sys.exit(main())
