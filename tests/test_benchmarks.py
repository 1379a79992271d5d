"""Benchmarks time contenders in turn, each in a process of its own, and tell what went wrong."""

import os
import sys
import time

import pytest
from helpers import ROOT

sys.path.append(str(ROOT / "benchmarks"))

from contest import Contender, contest, ratio, seconds
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
