"""Searches go to a Dask cluster as they go to joblib's own workers, and outlive its failures."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster, Status
from distributed.security import Security
from helpers import ROOT, make_images, run_function
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.naive_bayes import GaussianNB

from skfashion import FashionCNN, compare
from skfashion._utils.environment import threads

X, Y = make_images(n=400)  # so many that folds are scattered as well
FOLDS = list(StratifiedKFold(3).split(X, Y))
DATA = [X, Y, *chain(*FOLDS)]


def network(**parameters):
    small = {"filters": (4, 6), "dense_units": 12, "epochs": 4, "batch_size": 20}
    return FashionCNN(**{**small, "random_state": 0, **parameters})


def search(scoring="accuracy"):
    """Of a grid search all that is not a time."""
    grid = {"dropout": [0.1, 0.3], "strides": [1, 2]}
    fitted = GridSearchCV(network(), grid, scoring=scoring, cv=FOLDS, refit=False).fit(X, Y)
    return {
        name: np.asarray(values).tolist()
        for name, values in fitted.cv_results_.items()
        if "time" not in name
    }


def cross_validation():
    """Scores and weights."""
    found = cross_validate(network(), X, Y, cv=FOLDS, return_estimator=True)
    weights = [[array.tolist() for array in clf.weights_] for clf in found["estimator"]]
    return [found["test_score"].tolist(), weights]


def comparison():
    """Scores, none of which is an error."""
    found = compare({"strides 1": network(), "strides 2": network(strides=2)}, X, Y, cv=FOLDS)
    assert found.failures.empty
    return found.scores["score"].tolist()


WORK = [search, cross_validation, comparison]


def do_all_work():
    return {work.__name__: work() for work in WORK}


@pytest.fixture(scope="module")
def serial():
    """Results of a process of one thread, which all workers have too."""
    return run_function(do_all_work, OMP_NUM_THREADS="1")


@pytest.fixture(scope="module")
def _environment():
    """As it was: a local cluster sets OMP_NUM_THREADS, which later tests would hand on."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def client(_environment):
    """Of two worker processes of one thread each."""
    settings = {
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
        "distributed.deploy.lost-worker-timeout": "1h",
    }
    size = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": "1.5GB"}
    with (
        dask.config.set(settings),
        LocalCluster(**size, dashboard_address=":0") as workers,
        Client(workers) as client,
    ):
        client.amm.stop()  # which drops what all but one worker can do without at present
        held = client.scatter(DATA, broadcast=True)  # as the guide says, for more than one `with`
        yield client
        del held


def on_dask():
    """Each worker has rows and folds: what one alone has would be lost with it."""
    return parallel_config(backend="dask", scatter=DATA)


def pids(client):
    """The processes of both workers, when both are there to stay.

    One that dies before its nanny has seen it start is not started again.
    """
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        started = [nanny.process for nanny in client.cluster.workers.values()]
        if all(process and process.status is Status.running for process in started):
            with suppress(OSError):  # one of them has just died, and nobody knows it yet
                found = list(client.run(os.getpid).values())
                if len(found) == 2:
                    return found
        time.sleep(0.1)
    raise AssertionError("a lost worker was not replaced")


@pytest.mark.parametrize("work", WORK)
def test_results_are_those_of_a_serial_run(client, serial, work):
    with on_dask():
        assert work() == serial[work.__name__]


def test_the_same_rows_can_be_given_again_and_again(client):
    """While the copies of the `with` before may still be on their way out."""
    for _ in range(50):
        with on_dask():
            pass
    with on_dask():
        sums = Parallel()(delayed(np.sum)(array) for array in DATA)
    assert sums == [array.sum() for array in DATA]


def test_workers_take_the_threads_that_they_were_given(client):
    with on_dask():
        comparison()  # which starts TensorFlow
    assert list(client.run(threads).values()) == [1, 1]


@pytest.mark.parametrize(
    ("size", "n_jobs", "processes"), [(1, 2, 2), pytest.param(4, None, 1, marks=pytest.mark.slow)]
)
def test_processes_of_a_comparison_with_a_timeout_are_as_many_as_asked_for(size, n_jobs, processes):
    """They are of this machine, however large the cluster is."""
    naive = {"naive Bayes": GaussianNB()}
    with (
        Client(processes=False, n_workers=1, threads_per_worker=size, dashboard_address=":0"),
        parallel_config(backend="dask"),
    ):
        found = compare(naive, X[:, 0], Y, cv=6, scoring=process, n_jobs=n_jobs, timeout=60)
    assert found.failures.empty
    assert found.scores["score"].nunique() == processes


def test_memory_is_shared_by_the_workers(client, tmp_path):
    scoring = {"accuracy": "accuracy", "trained": lambda clf, X, y: clf.n_epochs_trained_}
    how = {"cv": FOLDS, "scoring": scoring, "refit": False}

    def search(memory):
        with on_dask():
            found = GridSearchCV(network(memory=memory), {"epochs": [2, 4, 6]}, **how).fit(X, Y)
        return [found.cv_results_[f"mean_test_{name}"].tolist() for name in scoring]

    accuracy, trained = search(None)
    assert trained == [2, 4, 6]
    assert search(tmp_path)[0] == accuracy
    assert search(tmp_path) == [accuracy, [0, 0, 0]]


@pytest.mark.parametrize("fault", ["killed", pytest.param("out of memory", marks=pytest.mark.slow)])
def test_a_worker_that_is_lost_in_the_middle_changes_nothing(client, serial, tmp_path, fault):
    before = pids(client)
    with on_dask():
        assert search(Failing(tmp_path, fault)) == serial["search"]
    assert (tmp_path / fault).exists()
    assert len(set(before) & set(pids(client))) == 1


def process(clf, X, y):
    """A scorer that tells where it was, for a while."""
    time.sleep(0.5)
    return os.getpid()


class Failing:
    """A scorer that once, and no more, is killed or takes more memory than there is."""

    def __init__(self, folder, fault):
        self.folder, self.fault = folder, fault

    def __call__(self, clf, X, y):
        try:
            (self.folder / self.fault).touch(exist_ok=False)
        except FileExistsError:
            return clf.score(X, y)
        if self.fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        taken = [np.ones(2**24)]  # 128 MB, written to
        while len(taken) < 12:
            taken.append(taken[0] + 1)
            time.sleep(0.05)
        time.sleep(60)  # until somebody sees it
        raise AssertionError


@contextmanager
def running(command, folder, until):
    """Run a command of the shell in a folder, from when it has said something to the end."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    modules = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    with subprocess.Popen(
        ["env", f"PATH={programs}", f"PYTHONPATH={modules}", *command, "--no-dashboard"],
        stderr=subprocess.PIPE,
        cwd=folder,
        text=True,
    ) as process:
        try:
            line = next(line for line in process.stderr if until in line)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield line
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_commands_of_the_guide_make_a_cluster(serial, tmp_path, protocol):
    """On this machine, on a free port, with two workers."""
    page = (ROOT / "docs/user_guide/cluster.rst").read_text("utf-8")
    commands = [shlex.split(line) for line in page.splitlines() if line.startswith("   ")]
    security = None
    if protocol == "tls":
        certify = next(command for command in commands if command[0] == "openssl")
        subprocess.run(certify, cwd=tmp_path, check=True, capture_output=True)
        cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
        security = Security(
            require_encryption=True, tls_ca_file=cert, tls_client_cert=cert, tls_client_key=key
        )
    scheduler, worker = (
        next(
            command
            for command in commands
            if {"dask", what} <= {*command} and ("--tls-cert" in command) == (protocol == "tls")
        )
        for what in ("scheduler", "worker")
    )
    worker[worker.index("--nworkers") + 1] = "2"
    scheduler += ["--host", "127.0.0.1", "--port", "0"]
    with running(scheduler, tmp_path, until="Scheduler at:") as line:
        address = line.split()[-1]
        worker = [address if "://" in word else word for word in worker]
        assert address.startswith(protocol)
        with (
            running(worker, tmp_path, until="Registered to"),
            Client(address, security=security) as client,
        ):
            client.wait_for_workers(2, timeout=60)
            if protocol == "tcp":
                kept = client.run(os.getenv, "MALLOC_TRIM_THRESHOLD_")
                assert list(kept.values()) == ["268435456"] * 2
            with on_dask():
                assert search() == serial["search"]
