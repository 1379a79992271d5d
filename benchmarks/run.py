"""Measures skfashion beside its peers and prints one table: ``make bench``.

Whatever is compared is run in turn, round after round, each in a process of its own, while nothing
else runs; seconds are medians over the rounds, ratios are medians of the rounds' ratios. Arguments
choose rows by the beginning of their names: ``python benchmarks/run.py epoch-v2 predict-one``.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import joblib
import peers
from contest import Contender, absent, contest, heading, print_table, ratio, seconds


class Peer(NamedTuple):
    """What skfashion is compared with, and the ratio of seconds that was asked for, if any.

    `times` multiplies the seconds of a peer that does a part of the work.
    """

    job: Callable
    asked: float | None = None
    times: float = 1
    threads: int | None = None


class Row(NamedTuple):
    """A row of the table: what is timed on our side and on that of each peer.

    `asked` holds what was asked of figures that the work returns, and of our ``"seconds"``;
    `operations` are those of the work, for a rate; `settings` are those of `contest`.
    """

    work: str
    ours: Callable
    peers: Mapping[str, Peer]
    asked: Mapping[str, str]
    operations: float
    threads: int | None
    settings: Mapping[str, Any]


def row(work, ours, peers=None, *, asked=None, operations=0, threads=None, **settings):
    return Row(work, ours, peers or {}, asked or {}, operations, threads, {"rounds": 3, **settings})


def peer(asked, function, *arguments, **keywords):
    return Peer(partial(function, *arguments, **keywords), asked)


NEEDS = {"skorch": ("skorch", "torch")}
FRESH = {"warmups": 0, "afresh": True}  # nothing is compiled beforehand
ONCE = {**FRESH, "rounds": 1}
CANDIDATES = {"dropout": [0.2, 0.3, 0.4, 0.5], "learning_rate": [5e-4, 1e-3]}
EPOCHS = {"epochs": list(range(1, 11))}
ONE_STRIDE = {"dropout": peers.DROPOUTS, "strides": [2]}
TWO_STRIDES = {"dropout": peers.DROPOUTS, "strides": [1, 2]}
THREE = {**TWO_STRIDES, "epochs": [5, 10, 20]}

in_a_grid = partial(partial, peers.grid_search)
EPOCH = {
    # More steps a call gain nothing where a step takes 60 ms.
    "v2": {"steps": (1, 20, 120), "keras": 0.6, "skorch": 0.6, "rounds": 4, "repeats": 3},
    "v1": {"steps": (1,), "keras": 0.8, "skorch": 0.8, "rounds": 3, "repeats": 1},
    "v3": {"steps": (1,), "keras": None, "skorch": None, "rounds": 3, "repeats": 1},
}
PREDICT_ONE = {"v1": 1 / 30, "v2": 1 / 150, "v3": 1 / 50}
LOAD = {"v1": 1 / 2, "v2": 1 / 10, "v3": None}
FILE_SIZE = {"v1": "<= 9.4", "v2": "<= 0.36", "v3": ""}


def of_version(v):
    """The rows that all networks have."""
    full, many = 48_000, 10_000
    keras = {
        f"Keras, {steps} a call": peer(EPOCH[v]["keras"], peers.keras_fit, v, full, steps)
        for steps in EPOCH[v]["steps"]
    }
    return {
        f"epoch-{v}": row(
            f"epoch, 48,000 rows, {v}",
            partial(peers.skfashion_fit, v, full),
            {**keras, "skorch": peer(EPOCH[v]["skorch"], peers.skorch_fit, v, full)},
            operations=full * peers.operations(v),
            rounds=EPOCH[v]["rounds"],
            repeats=EPOCH[v]["repeats"],
        ),
        f"predict-one-{v}": row(
            f"predict_proba, 1 row, {v}",
            partial(peers.skfashion_predict, v, 1),
            {
                "KerasClassifier": peer(PREDICT_ONE[v], peers.keras_classifier_predict, v, 1),
                "MLPClassifier(100)": peer({"v2": 3}.get(v), peers.mlp_predict, 1),
            },
            rounds=7,
            repeats=30,
        ),
        f"predict-many-{v}": row(
            f"predict_proba, 10,000 rows, {v}",
            partial(peers.skfashion_predict, v, many),
            {"KerasClassifier": peer(0.8, peers.keras_classifier_predict, v, many)},
            rounds=9,
        ),
        f"load-{v}": row(
            f"load a model, {v}",
            partial(peers.skfashion_load, v),
            {"Keras": peer(LOAD[v], peers.keras_load, v)},
            rounds=15,
            repeats=5,
        ),
        f"fresh-process-{v}": row(
            f"new process: load and predict 1 image, {v}",
            partial(peers.fresh_answer, v),
            {"imports": peer(1.5, peers.fresh_process, "import numpy, sklearn.base")},
            rounds=15,
        ),
        f"file-size-{v}": row(
            f"save a model, {v}",
            partial(peers.skfashion_save, v),
            asked={"size of the file, MB": FILE_SIZE[v]},
        ),
    }


ROWS = {
    "short-fit": row(
        "fit, 1,000 rows, 1 epoch, v2, from the third on",
        partial(peers.skfashion_fit, "v2", 1000),
        {
            f"KerasClassifier, {steps} a call": peer(
                1 / 8, peers.keras_classifier_fit, "v2", 1000, steps
            )
            for steps in (1, 10)
        },
        rounds=9,
        warmups=2,
    ),
    **of_version("v2"),
    **of_version("v1"),
    **of_version("v3"),
    "matrix-product": row(
        f"matrix product, {peers.GEMM_SIDE:,} x {peers.GEMM_SIDE:,}, float32",
        peers.gemm,
        operations=2 * peers.GEMM_SIDE**3,
    ),
    "memory": row(
        "200 fits, 2 structures, after the 10th",
        peers.two_hundred_fits,
        asked={"growth of memory, MB": "<= 20", "programs compiled": "0"},
        **ONCE,
    ),
    "peak": row(
        "fit of 60,000 images of bytes, v2",
        peers.fit_all,
        asked={"peak of memory, GB": "<= 1.2"},
        **ONCE,
    ),
    "checks": row(
        "estimator checks, one core",
        peers.estimator_checks,
        asked={"seconds": "<= 60 s"},
        threads=1,
        **ONCE,
    ),
    "grid-jobs": row(
        "grid of 8 v2 x 3 folds, n_jobs=2",
        in_a_grid(CANDIDATES, epochs=10, n_jobs=2),
        {
            "n_jobs=1": Peer(in_a_grid(CANDIDATES, epochs=10), 1 / 1.4),
            "n_jobs=1, threads of a worker": Peer(
                in_a_grid(CANDIDATES, epochs=10), threads=max(1, joblib.cpu_count() // 2)
            ),
        },
        asked={"scores": "<= .01, equal"},
        **FRESH,
    ),
    "grid-peers-2": row(
        "grid dropout {0, .25, .5} x strides {2} x 3 folds",
        in_a_grid(ONE_STRIDE, epochs=3),
        {"KerasClassifier": peer(0.45, peers.keras_grid_search, ONE_STRIDE, epochs=3)},
        **FRESH,
    ),
    "grid-peers-1-2": row(  # it takes ten minutes
        "grid dropout {0, .25, .5} x strides {1, 2} x 3 folds",
        in_a_grid(TWO_STRIDES, epochs=3),
        {"KerasClassifier": peer(0.65, peers.keras_grid_search, TWO_STRIDES, epochs=3)},
        **ONCE,
    ),
    "grid-epochs": row(
        "grid of epochs 1..10 x 3 folds, v2, with memory",
        in_a_grid(EPOCHS, memory=True),
        {"without memory": Peer(in_a_grid(EPOCHS), 0.3)},
        asked={"epochs trained": "30", "scores": "equal"},
        **FRESH,
    ),
    "grid-epochs-again": row(
        "the same, second run",
        in_a_grid(EPOCHS, memory=True, again=True),
        {"first run": Peer(in_a_grid(EPOCHS, memory=True), 0.2)},
        asked={"epochs trained": "0", "scores": "equal"},
        **FRESH,
    ),
    "grid-epochs-jobs": row(
        "the same, first run, n_jobs=2",
        in_a_grid(EPOCHS, memory=True, n_jobs=2),
        asked={"epochs trained": "<= 45"},
        **FRESH,
    ),
    "grid-epochs-v3": row(
        "grid of epochs 1..12 x 3 folds, v3, with memory",
        in_a_grid({"epochs": list(range(1, 13))}, version="v3", memory=True),
        asked={"epochs trained": "36"},
        **ONCE,
    ),
    "halving": row(
        "halving, 12 v2, epochs 2..18, 3 folds, with memory",
        partial(peers.halving_search, True),
        {"without memory": peer(1, peers.halving_search, False)},
        asked={"epochs trained": "192, 252", "scores": "equal"},
        **ONCE,
    ),
    # KerasClassifier trains what it is asked for: 5 + 10 + 20 epochs cost what 10 cost three and a
    # half times, and take half an hour.
    "grid-all": row(
        "grid dropout x strides x epochs {5, 10, 20}, 1 of 3 folds",
        in_a_grid(THREE, folds=1, memory=True),
        {
            "KerasClassifier, from epochs=10": peer(
                0.5, peers.keras_grid_search, {**THREE, "epochs": [10]}, folds=1
            )._replace(times=3.5)
        },
        **ONCE,
    ),
    "memory-cost": row(
        "2 epochs, 48,000 rows, v2, every epoch stored",
        partial(peers.memory_fit, True, 48_000, 2),
        {"without memory": peer(1.05, peers.memory_fit, False, 48_000, 2)},
        rounds=9,
    ),
    "compare-overhead": row(
        "compare, 12 estimators x 3 folds",
        peers.league,
        asked={"beyond fits and predictions, %": "<= 3"},
        **ONCE,
    ),
}


# The driver


def measure(row):
    """Lines of the table: work, ours, peer, ratio, asked."""
    missing = {name: absent(*NEEDS.get(name, ())) for name in row.peers}
    contenders = {"skfashion": Contender(row.ours, threads=row.threads)} | {
        name: Contender(peer.job, threads=peer.threads)
        for name, peer in row.peers.items()
        if not missing[name]
    }
    results = contest(contenders, **row.settings)
    for name, peer in row.peers.items():
        results[name] = [(peer.times * taken, told) for taken, told in results.get(name, [])]
    results = {name: rounds for name, rounds in results.items() if rounds}
    taken = seconds(results)
    ours = duration(taken["skfashion"])
    if not row.peers:
        yield row.work, ours, "", "", row.asked.get("seconds", "")
    for name, peer in row.peers.items():
        if missing[name]:
            yield row.work, ours, f"{name}: {missing[name]}", "", ""
            continue
        asked = f"<= {fraction(peer.asked)}" if peer.asked else ""
        value = fraction(ratio(results, "skfashion", name))
        yield row.work, ours, f"{name}: {duration(taken[name])}", value, asked
    if row.operations:
        yield (
            "  arithmetic, GFLOP/s",
            f"{row.operations / taken['skfashion'] / 1e9:.0f}",
            "",
            "",
            "",
        )
    # Of the rounds the greatest: a search whose workers meet may train an epoch twice.
    outcomes = {
        name: {figure: max(o[figure] for _, o in rounds) for figure in rounds[0][1] or {}}
        for name, rounds in results.items()
    }
    yield from figures(outcomes, row.asked)


def figures(outcomes, asked):
    """Lines of what the work returned, beside what a peer's did."""
    for figure, value in outcomes.pop("skfashion").items():
        others = {name: own[figure] for name, own in outcomes.items() if figure in own}
        if figure == "scores":
            for name, scores in others.items():
                apart = max(abs(a - b) for a, b in zip(value, scores, strict=True))
                told = f"within {apart:.4f}" if apart else "equal"
                yield f"  scores beside those of {name}", "", "", told, asked.get(figure, "")
        else:
            told = ", ".join(f"{name}: {other:.4g}" for name, other in others.items())
            yield f"  {figure}", f"{value:.4g}", told, "", asked.get(figure, "")


def duration(value):
    return f"{value * 1e3:.3g} ms" if value < 0.9995 else f"{value:.3g} s"


def fraction(value):
    return f"1/{1 / value:.3g}" if value < 0.2 else f"{value:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of {', '.join(ROWS)}; all")
    parser.add_argument(
        "--without-vnni",
        action="store_true",
        help="let TensorFlow choose its kernels as on a processor without VNNI",
    )
    arguments = parser.parse_args()
    wanted = arguments.rows
    if arguments.without_vnni:
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
    if unknown := [word for word in wanted if not any(name.startswith(word) for name in ROWS)]:
        parser.error(f"no such row: {', '.join(unknown)}")
    begin = time.perf_counter()
    lines, failed = [], False
    for name, row in ROWS.items():
        if wanted and not name.startswith(tuple(wanted)):
            continue
        print(name, file=sys.stderr)
        try:
            lines += measure(row)
        except RuntimeError as error:  # the other rows are worth having
            print(error, file=sys.stderr)
            lines.append((row.work, "failed", "", "", ""))
            failed = True
    print(heading("torch", "skorch"))
    print(f"{(time.perf_counter() - begin) / 60:.0f} minutes\n")
    print_table(("work", "skfashion", "peer", "ratio", "asked"), lines)
    return failed


if __name__ == "__main__":
    sys.exit(main())
