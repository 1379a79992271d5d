"""Measures skfashion on a graphics card beside Keras and PyTorch: ``make bench-gpu``.

Every library runs in a process of its own, one after the other, and does all the work there. The
columns are the work, the median seconds of skfashion, those of a peer, their ratio, and what was
asked. Peers are Keras without and with ``jit_compile``, with 1 and 20 training steps an execution,
and skorch without and with ``torch.compile``.

An epoch is one of a longer fit. The first one, which compiles, does not count. "first epoch" is its
time from the start of the fit, for version 2 with the start of TensorFlow. Of short fits and
predictions the first two do not count. In the grid everything counts.

The lines after the libraries say, for all versions, whether equal seeds gave equal weights, bit for
bit, in one process and in two, and how far probabilities of one row differ from those of a batch.
``--smoke`` does everything on few rows, also without a card. Ctrl-C ends the measurement and prints
the lines that are known.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
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
FULL = Size(48_000, 1000, 10_000, 3, GRID)
SMOKE = Size(300, 200, 1500, 1, {"dropout": [0.0, 0.5], "strides": [2], "epochs": [1]})


def rows(n):
    """Training images as bytes, and their labels: the package's own, repeated."""
    X, y = map(np.asarray, peers.mini())
    times = -(-n // len(y))
    return np.tile(X, (times, 1))[:n], np.tile(y, times)[:n]


def channels_first(n):
    X, y = rows(n)
    return peers.scaled(X).reshape(-1, 1, 28, 28), y.astype(np.int64)


# What each library does: yield the name of a piece of work, and its median seconds


def skfashion_work(version, size):
    def fit(X, y, **parameters):
        parameters = {"epochs": 1, "random_state": 0, **parameters}
        return peers.fashion_cnn(version, **parameters).fit(X, y)

    yield from time_epochs(partial(fit, *rows(size.epoch)), size)
    yield "short fit", time_runs(partial(fit, *rows(size.short)), size)
    predict = fit(*rows(size.short)).predict_proba
    yield "prediction", time_runs(partial(predict, rows(size.prediction)[0]), size)


def keras_work(version, size, jit_compile):
    X, y = rows(size.epoch)
    X = peers.scaled(X)
    for steps in (1, 20):
        model = peers.keras_network(
            **peers.VERSIONS[version], steps_per_execution=steps, jit_compile=jit_compile
        )
        fit = partial(model.fit, batch_size=peers.BATCH_SIZE, verbose=0)
        called = f", {steps} a call"
        for name, taken in time_epochs(partial(fit, X, y), size):
            yield name + called, taken
        short = partial(fit, X[: size.short], y[: size.short])
        yield "short fit" + called, time_runs(short, size)
    X = peers.scaled(rows(size.prediction)[0])
    predict = partial(model.predict, X, batch_size=1000, verbose=0)
    yield "prediction", time_runs(predict, size)


def skorch_work(version, size, compiled):
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = peers.skorch_classifier(
        version, max_epochs=1, device=device, compile=compiled, iterator_valid__batch_size=1000
    )
    net.initialize()
    train = partial(net.partial_fit, *channels_first(size.epoch))
    first, *others = (_time(train) for _ in range(1 + size.runs))
    yield "first epoch", first
    yield "epoch", median(others)
    yield "short fit", time_runs(partial(net.partial_fit, *channels_first(size.short)), size)
    X = channels_first(size.prediction)[0]
    yield "prediction", time_runs(partial(net.predict_proba, X), size)


def time_epochs(fit, size):
    """Time the epochs of a fit, by a callback of Keras."""
    import keras

    class Recorder(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            ends.append(time.perf_counter())

    ends = [time.perf_counter()]
    fit(epochs=1 + size.runs, callbacks=[Recorder()])
    first, *others = (end - begin for begin, end in pairwise(ends))
    yield "first epoch", first
    yield "epoch", median(others)


def time_runs(work, size):
    """Time work that is repeated."""
    return median([_time(work) for _ in range(2 + size.runs)][2:])


def _time(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


LIBRARIES = {
    "skfashion": skfashion_work,
    "Keras, jit_compile": partial(keras_work, jit_compile=True),
    "Keras": partial(keras_work, jit_compile=False),
    "skorch": partial(skorch_work, compiled=False),
    "skorch, torch.compile": partial(skorch_work, compiled=True),
}
ASKED = {("Keras", "epoch"): "<= 0.25 of Keras' best", ("Keras", "short fit"): "<= 100 ms"}


def time_work(list_work, size):
    """Return a job for `Contender`: the median seconds of each piece of work."""

    def run():
        return {
            (version, name): taken
            for version in ("v2", "v1")
            for name, taken in list_work(version, size)
        }

    return run


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


def measure(library, size):
    """Return the median seconds of a library, by version and name of the work."""
    return run_once(time_work, LIBRARIES[library], size)[1]


def compare_libraries(seconds, size):
    """Yield lines of the table: work, skfashion, peer, ratio, asked.

    `seconds` holds what `measure` returns for each library.
    """
    theirs = {**seconds}
    ours = theirs.pop("skfashion", {})
    n_rows = {"short fit": size.short, "prediction": size.prediction}
    for (version, kind), taken in ours.items():
        work = f"{kind}, {n_rows.get(kind, size.epoch):,} rows, {version}"
        lines = []
        for library, figures in theirs.items():
            asked = ASKED.get((library.partition(",")[0], kind), "")
            for (of_version, name), peer in figures.items():
                if of_version == version and name.partition(",")[0] == kind:
                    told = f"{library}{name.removeprefix(kind)}: {duration(peer)}"
                    lines.append((work, duration(taken), told, fraction(taken / peer), asked))
        yield from lines or [(work, duration(taken), "", "", "")]


def compare_grids(size):
    """Return the line of a search. KerasClassifier trains only the largest number of epochs."""
    largest = {**size.grid, "epochs": [max(size.grid["epochs"])]}
    ours, _ = run_once(peers.grid_search, size.grid, folds=1)
    theirs, _ = run_once(peers.keras_grid_search, largest, folds=1)
    told = f"KerasClassifier, largest epochs alone: {duration(theirs)}"
    work = "grid dropout x strides x epochs, v2"
    return [(work, duration(ours), told, fraction(ours / theirs), "")]


def check(size):
    """Return the lines about promises. Nothing is timed, so two processes run at a time."""
    with ExitStack() as running, ThreadPoolExecutor() as pool:
        processes = [running.enter_context(Contender(check_promises, size)) for _ in range(2)]
        one, other = (outcome for _, outcome in pool.map(Contender.run, processes))
    lines = []
    for version, (hashes, apart) in one.items():
        same = "equal" if len({*hashes, *other[version][0]}) == 1 else "unequal"
        lines += [
            (f"equal seeds, bits of the weights, {version}", same, "", "", "equal"),
            (f"one row beside a batch, {version}", f"{apart:.1e}", "", "", "<= 1e-5"),
        ]
    return lines


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
    # What is asked for comes first.
    first, rest = [*LIBRARIES][:2], [*LIBRARIES][2:]
    jobs = {name: partial(measure, name) for name in first}
    jobs |= {"promises": check, "grid": compare_grids}
    jobs |= {name: partial(measure, name) for name in rest}
    begin, done, missing = time.perf_counter(), {}, {}
    try:
        for name, job in jobs.items():
            print(f"{time.perf_counter() - begin:.0f} s: {name}", file=sys.stderr, flush=True)
            if reason := absent(*NEEDS.get(name.partition(",")[0], ())):
                missing[name] = reason
                continue
            try:
                done[name] = job(size)
            except RuntimeError as error:  # the others are worth having
                print(error, file=sys.stderr)
                missing[name] = "failed"
    except KeyboardInterrupt:
        others = [name for name in jobs if name not in done | missing]
        missing |= dict.fromkeys(others, "interrupted")
    lines = [*compare_libraries({name: done[name] for name in LIBRARIES if name in done}, size)]
    lines += done.get("grid", []) + done.get("promises", [])
    lines += [("", "", f"{name}: {reason}", "", "") for name, reason in missing.items()]
    print(describe_card())
    print(heading("torch", "skorch"))
    print(f"{(time.perf_counter() - begin) / 60:.1f} minutes\n")
    print_table(("work", "skfashion", "peer", "ratio", "asked"), lines)
    return not {"failed", "interrupted"}.isdisjoint(missing.values())


if __name__ == "__main__":
    sys.exit(main())
