"""The rows of the table about searches, and about the store of epochs that serves them."""

import joblib
import search_jobs
from contest import Contender, contest, ratio, seconds
from table import Line, duration, ratios


def grid_jobs():
    results = contest(
        {
            "n_jobs=2": Contender(search_jobs.candidates_search, 2),
            "n_jobs=1": Contender(search_jobs.candidates_search, 1),
            "as a worker": Contender(
                search_jobs.candidates_search, 1, threads=max(1, joblib.cpu_count() // 2)
            ),
        },
        rounds=3,
        warmups=0,
        afresh=True,
    )
    scores = {name: rounds[0][1] for name, rounds in results.items()}
    apart = max(abs(a - b) for a, b in zip(scores["n_jobs=2"], scores["n_jobs=1"], strict=True))
    equal = all(result == scores["as a worker"] for _, result in results["n_jobs=2"])
    faster = 1 / ratio(results, "n_jobs=2", "n_jobs=1")
    taken = {name: f"{value:.1f} s" for name, value in seconds(results).items()}
    work = "grid of 8 v2 x 3 folds, n_jobs=2 against 1"
    yield Line(work, taken["n_jobs=2"], taken["n_jobs=1"], f"{faster:.2f} x faster", ">= 1.4 x")
    yield Line("  its scores beside those of n_jobs=1", "", "", f"within {apart:.4f}", "<= .01")
    same = "equal" if equal else "NOT EQUAL"
    yield Line(
        "  its scores beside a serial run of as many threads",
        "",
        taken["as a worker"],
        same,
        "equal",
    )


def grid_peers():
    for strides, bar in {(2,): 0.45, (1, 2): 0.65}.items():
        grid = {"dropout": search_jobs.DROPOUTS, "strides": list(strides)}
        results = contest(
            {
                "skfashion": Contender(search_jobs.skfashion_search, grid, epochs=3),
                "KerasClassifier": Contender(search_jobs.keras_classifier_search, grid, epochs=3),
            },
            rounds=3 if strides == (2,) else 1,  # a round of both takes ten minutes
            warmups=0,
            afresh=True,
        )
        work = f"grid dropout {{0, .25, .5}} x strides {{{', '.join(map(str, strides))}}} x 3 folds"
        yield from ratios(work, results, {"KerasClassifier": bar})


def grid_epochs():
    results = contest(
        {
            "skfashion": Contender(search_jobs.epochs_search, True),
            "without memory": Contender(search_jobs.epochs_search, False),
            "again": Contender(search_jobs.epochs_search, True, again=True),
            "n_jobs=2": Contender(search_jobs.epochs_search, True, n_jobs=2),
        },
        rounds=3,
        warmups=0,
        afresh=True,
    )
    counts = {name: max(count for _, (_, count) in rounds) for name, rounds in results.items()}
    scores = {name: rounds[0][1][0] for name, rounds in results.items()}
    work = "grid of epochs 1..10 x 3 folds, v2, with memory"
    yield from ratios(work, results, {"without memory": 0.3})
    trained = f"  epochs trained, {_same(scores, 'skfashion', 'without memory')} scores"
    yield Line(trained, f"{counts['skfashion']}", f"{counts['without memory']}", "", "30")
    yield Line("  epochs trained with n_jobs=2", f"{counts['n_jobs=2']}", "", "", "<= 45")
    results["first run"] = results["skfashion"]
    yield from ratios("the same, second run", results, {"first run": 0.2}, ours="again")
    trained = f"  epochs trained, {_same(scores, 'skfashion', 'again')} scores"
    yield Line(trained, f"{counts['again']}", "", "", "0")


def halving():
    results = contest(
        {
            "skfashion": Contender(search_jobs.halving_search, True),
            "without memory": Contender(search_jobs.halving_search, False),
        },
        rounds=1,
        warmups=0,
        afresh=True,
    )
    taken = seconds(results)
    counts = {name: rounds[0][1][1] / 3 for name, rounds in results.items()}
    scores = {name: rounds[0][1][0] for name, rounds in results.items()}
    yield Line(
        "halving, 12 v2, epochs 2..18, with memory",
        duration(taken["skfashion"]),
        f"without memory: {duration(taken['without memory'])}",
        f"{ratio(results, 'skfashion', 'without memory'):.2f}",
        "",
    )
    yield Line(
        f"  epochs per fold, {_same(scores, 'skfashion', 'without memory')} scores",
        f"{counts['skfashion']:g}",
        f"{counts['without memory']:g}",
        "",
        "64, 84",
    )


def grid_all():
    grid = {"dropout": search_jobs.DROPOUTS, "strides": [1, 2], "epochs": [5, 10, 20]}
    third = {**grid, "epochs": [10]}
    results = contest(
        {
            "skfashion": Contender(search_jobs.skfashion_search, grid, folds=1, memory=True),
            "KerasClassifier": Contender(search_jobs.keras_classifier_search, third, folds=1),
        },
        rounds=1,
        warmups=0,
        afresh=True,
    )
    # It trains what it is asked for: 5 + 10 + 20 epochs cost what 10 cost three and a half times,
    # and take half an hour.
    peer = "KerasClassifier, from epochs=10"
    results[peer] = [(3.5 * taken, scores) for taken, scores in results["KerasClassifier"]]
    work = "grid dropout x strides x epochs {5, 10, 20}, 1 of 3 folds"
    yield from ratios(work, results, {peer: 0.5})


def memory_cost():
    results = contest(
        {
            "skfashion": Contender(search_jobs.memory_fit, True, 48_000, 2),
            "without memory": Contender(search_jobs.memory_fit, False, 48_000, 2),
        },
        rounds=9,
    )
    work = "2 epochs, 48,000 rows, v2, every epoch stored"
    yield from ratios(work, results, {"without memory": 1.05})


def compare_overhead():
    [(wall, measured)] = contest({"compare": Contender(search_jobs.league)}, rounds=1, warmups=0)[
        "compare"
    ]
    yield Line(
        "compare, 11 estimators x 3 folds, beyond fits and scores",
        f"{wall - measured:.1f} s",
        f"all: {wall:.0f} s",
        f"{(wall - measured) / wall:.1%}",
        "<= 3 %",
    )


def _same(scores, a, b):
    return "equal" if scores[a] == scores[b] else "OTHER"


ROWS = {
    "grid-jobs": grid_jobs,
    "grid-peers": grid_peers,
    "grid-epochs": grid_epochs,
    "halving": halving,
    "grid-all": grid_all,
    "memory-cost": memory_cost,
    "compare-overhead": compare_overhead,
}
