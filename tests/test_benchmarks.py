"""Benchmarks time contenders in turn, each in a process of its own, and tell what went wrong."""

import os
import sys
import time

import numpy as np
import pytest
from helpers import ROOT
from sklearn.dummy import DummyClassifier

from skfashion import compare
from skfashion._utils.environment import threads

sys.path.append(str(ROOT / "benchmarks"))

from contest import Contender, contest, ratio, seconds
from gpu import SMOKE, compare_libraries, time_epochs
from peers import grid_search, measured_seconds
from run import duration


def sleeper(duration):
    done = []

    def work():
        time.sleep(duration)
        done.append(time.monotonic())
        return os.getpid(), len(done), done[-1]

    return work


def failing(at_once):
    def work():
        raise LookupError("while it ran")

    if at_once:
        raise LookupError("while it was prepared")
    return work


def dying():
    return lambda: os._exit(3)


def prepared_search():
    grid_search({"dropout": [0.5]}, epochs=1)
    return threads


def test_a_search_has_the_threads_that_its_row_asks_for():
    with Contender(prepared_search, threads=1) as contender:
        assert contender.run()[1] == 1


def test_contenders_run_in_turn_each_in_a_process_of_its_own():
    results = contest(
        {"long": Contender(sleeper, 0.2), "short": Contender(sleeper, 0.05)}, rounds=2, repeats=2
    )
    long, short = ([outcome for _, outcome in results[name]] for name in ("long", "short"))
    assert len({os.getpid(), long[0][0], short[0][0]}) == 3
    # Once for the warm-up, twice a round.
    assert [runs for _, runs, _ in long] == [4, 6]
    assert long[0][2] < short[0][2] < long[1][2] < short[1][2]
    assert seconds(results)["long"] >= 0.2
    assert ratio(results, "short", "long") < 1


def test_afresh_every_round_has_a_process_of_its_own():
    results = contest({"it": Contender(sleeper, 0)}, rounds=2, warmups=0, afresh=True)
    (first, runs, _), (second, runs_of_the_second, _) = (outcome for _, outcome in results["it"])
    assert first != second
    assert (runs, runs_of_the_second) == (1, 1)


@pytest.mark.parametrize(("at_once", "when"), [(True, "prepared"), (False, "ran")])
def test_a_job_that_fails_tells_why(at_once, when):
    with pytest.raises(RuntimeError, match=rf"(?s)failing.*LookupError: while it (was )?{when}"):
        contest({"it": Contender(failing, at_once)}, rounds=1)


def test_a_job_that_dies_is_named():
    with pytest.raises(RuntimeError, match=r"dying.*died"):
        contest({"it": Contender(dying)}, rounds=1)


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0123, "12.3 ms"), (0.9994, "999 ms"), (0.9996, "1 s"), (2.345, "2.35 s")],
)
def test_durations_have_three_digits(value, told):
    assert duration(value) == told


def test_on_a_card_the_first_epoch_of_a_fit_does_not_count():
    def fit(epochs, callbacks):
        for epoch in range(epochs):
            time.sleep(0.05 if epoch else 1)
            for callback in callbacks:
                callback.on_epoch_end(epoch, {})

    taken = dict(time_epochs(fit, SMOKE._replace(runs=1)))
    assert list(taken) == ["first epoch", "epoch"]
    assert 0.05 <= taken["epoch"] < taken["first epoch"] / 2  # with both it would be more


def test_on_a_card_equal_work_stands_side_by_side():
    ours = {("v2", "epoch"): 0.5, ("v1", "epoch"): 2.0}
    keras = {("v2", "epoch, 1 a call"): 2.0, ("v2", "epoch, 20 a call"): 1.0, ("v1", "other"): 9.0}
    lines = [*compare_libraries({"skfashion": ours, "Keras": keras}, SMOKE)]
    work, taken, asked = "epoch, 300 rows, v2", "500 ms", "<= 0.25 of Keras' best"
    assert lines == [
        (work, taken, "Keras, 1 a call: 2 s", "0.25", asked),
        (work, taken, "Keras, 20 a call: 1 s", "0.50", asked),
        ("epoch, 300 rows, v1", "2 s", "", "", ""),  # no peer did the same
    ]
    assert [*compare_libraries({"Keras": keras}, SMOKE)] == []  # skfashion failed


class Slow(DummyClassifier):
    def fit(self, X, y):
        time.sleep(0.3)
        return super().fit(X, y)


def test_the_time_beyond_fits_and_predictions_counts_each_fit_once():
    X, y = np.zeros((30, 4)), np.repeat(["a", "b"], 15)
    begin = time.perf_counter()
    comparison = compare({"slow": Slow()}, X, y, cv=3, scoring=["accuracy", "f1_macro"])
    assert 0.9 <= measured_seconds(comparison) <= time.perf_counter() - begin
