"""Promise 6, constant memory: many fits, predictions and searches leave nothing behind.

A few fits every day; many, and predictions and searches, among the slow tests.
"""

import ctypes
import gc
import logging
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from helpers import make_images, run_function
from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts what Linux shows")


LOG = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def mini():
    return load_fashion_mini(return_X_y=True)


def memory():
    gc.collect()
    return psutil.Process().memory_info().rss


class Growth:
    """Of memory, native threads and open files, from the first look on."""

    def __init__(self):
        self.process = psutil.Process()
        self.memory = memory()
        self.counts = self.count()

    def count(self):
        return self.process.num_threads(), self.process.num_fds()

    def check(self, most):
        """Tell it, if it is no more than that."""
        grown = memory() - self.memory
        told = f"memory {grown / 1e6:+.2f} MB, threads and files {self.counts} {self.count()}"
        assert grown < most, told
        # TensorFlow ends and starts a thread as it likes.
        assert all(now <= before + 1 for before, now in zip(self.counts, self.count(), strict=True))
        return told


@pytest.mark.parametrize("n", [30, pytest.param(490, marks=pytest.mark.slow)])
def test_fits_need_no_more_and_compile_nothing_after_the_tenth(tmp_path, n):
    # In a process of its own: what other tests left in this one may grow by itself.
    LOG.info(run_function(fit_many, str(tmp_path), n, timeout=1200))


def fit_many(folder, n):
    X, y = (part[:120] for part in load_fashion_mini(return_X_y=True))
    rng = np.random.default_rng(0)

    def fit(number):
        """One of two structures, in one of five ways; no two are equal."""
        clf = FashionCNN.v2(
            kernel_size=3 + 2 * (number % 2),
            filters=(8, 16),
            epochs=1,
            batch_size=40,
            dropout=rng.uniform(0.1, 0.9),
            learning_rate=10 ** rng.uniform(-4, -2),
            random_state=number,
        )
        way = number % 5
        if way == 3:
            clf.partial_fit(X, y, classes=range(10))
        elif way == 4:
            with pytest.raises(ValueError, match="diverged"):
                clf.set_params(learning_rate=1e30, epochs=3).fit(X, y)
        else:
            stopping = {"early_stopping": True, "validation_fraction": 1 / 3}
            clf.set_params(**({}, stopping, {"memory": folder})[way]).fit(X, y)

    def programs():
        from tensorflow.python.eager.context import context  # a fit has started it, silently

        return set(context().list_function_names())

    for number in range(10):
        fit(number)
    growth, compiled = Growth(), programs()
    for number in range(10, 10 + n):
        fit(number)
    # A compiled network is 10 MB: if each fifth fit kept one, 30 would keep 60. For each of 490 it
    # is 16 kB, less than a tenth of the weights of one network, and a state has three times those.
    told = growth.check(8e6)
    for rows in range(100, 110):  # another number in the last batch
        clf = FashionCNN.v2(filters=(8, 16), kernel_size=3 + 2 * (rows % 2), epochs=1)
        clf.fit(X[:rows], y[:rows])
    assert programs() <= compiled
    return told


def fit_structures(n):
    """Bytes that each new structure keeps, once it is not among the networks that wait."""
    from skfashion._network.network_cache import network_cache as cache

    cache.capacity = 2
    X, y = make_images()
    trim = ctypes.CDLL(None).malloc_trim

    def fit(units):
        FashionCNN(filters=(4,), dense_units=units, epochs=1, random_state=0).fit(X, y)

    def look():
        gc.collect()
        trim(0)
        return psutil.Process().memory_info().rss

    for units in range(2, 10):
        fit(units)
    before = look()
    for units in range(10, 10 + n):
        fit(units)
    return (look() - before) / n


@pytest.mark.slow
def test_a_new_structure_keeps_no_more_than_the_guide_says():
    kept = run_function(fit_structures, 30, timeout=400)
    LOG.info("%.2f MB", kept / 1e6)
    assert kept < 3e6


@pytest.mark.slow
def test_predictions_of_single_images_need_no_more(mini, tmp_path):
    X, y = mini
    for name, images in (("clf", X), ("bright", X / 255)):
        clf = FashionCNN.v2(epochs=1, random_state=0)
        clf.fit(images[:500], y[:500]).save(tmp_path / name)
    # In a process of its own: what other tests left in this one may grow by itself.
    LOG.info(run_function(predict_many, str(tmp_path), timeout=1200))


def predict_many(folder, n=100_000):
    clf, bright = (FashionCNN.load(Path(folder, name)) for name in ("clf", "bright"))
    X, _ = load_fashion_mini(return_X_y=True)
    floats, square, frame = X[:500] / 255, X.reshape(-1, 28, 28), pd.DataFrame(X[:500])

    def predict(number):
        """In one of four ways; now and then, one that is refused besides."""
        way, row = number % 4, slice(number % 500, number % 500 + 1)
        if way == 0:
            clf.predict(X[row])
        elif way == 1:
            clf.predict_proba(square[row])
        elif way == 2:
            clf.decision_function(frame[row])
        else:
            bright.predict_log_proba(floats[row])
        if number % 10 == 0:
            with pytest.raises(ValueError, match="NaN"):
                clf.predict(np.full((1, 784), np.nan))

    for number in range(500):
        predict(number)
    growth = Growth()
    for number in range(n):
        predict(number)
    # The smallest Python object takes 16 bytes: of 100,000, 1.6 MB.
    return growth.check(1.5e6)


def held():
    """What this process and its workers hold; joblib's watchers of both are left out."""
    own = psutil.Process()
    workers = [
        child
        for child in own.children(recursive=True)
        if not any("resource_tracker" in part for part in child.cmdline())
    ]
    name = re.compile(rf"[-_]{own.pid}[-_]")
    named = [path for path in Path("/dev/shm").iterdir() if name.search(path.name)]
    return {
        "workers": len(workers),
        "threads": sum(process.num_threads() for process in (own, *workers)),
        "files": sum(process.num_fds() for process in (own, *workers)),
        "semaphores": sum(path.name.startswith("sem.") for path in named),
        # joblib leaves an empty folder for each search until the process ends, ours or not.
        "shared files": sum(path.is_file() for folder in named for path in folder.rglob("*")),
        "memory": sum(process.memory_info().rss for process in (own, *workers)),
    }


def search_and_look(n):
    """What is held before, after each of some searches, and without their workers."""
    X, y = (part[:1600] for part in load_fashion_mini(return_X_y=True))
    assert X.nbytes > 2**20  # joblib hands such data to the workers in shared files
    clf = FashionCNN(filters=(4, 6), strides=2, dense_units=12, epochs=1, random_state=0).fit(X, y)
    found = [held()]
    for _ in range(n):
        GridSearchCV(clf, {"dropout": [0.0, 0.3]}, cv=2, n_jobs=2).fit(X, y)
        found.append(held())
    get_reusable_executor().shutdown(wait=True)
    found.append(held())
    return found


@pytest.mark.slow
def test_searches_of_two_workers_need_no_more_and_leave_nothing():
    before, _, second, *rest, after = run_function(search_and_look, 50, timeout=400)
    LOG.info("before %s\nsecond %s\nlast %s\nafter %s", before, second, rest[-1], after)
    for later in rest:
        assert later["workers"] == second["workers"] == 2
        assert later["semaphores"] == second["semaphores"]
        assert later["shared files"] == 0
        # As they are when all have computed; a thread more or less is TensorFlow's affair.
        assert later["threads"] <= second["threads"] + 3
        assert later["files"] <= second["files"] + 3
    # A search that left its data would leave 1.3 MB, one that left a compiled network 10.
    assert rest[-1]["memory"] - second["memory"] < 40e6
    assert (after["workers"], after["semaphores"], after["shared files"]) == (0, 0, 0)
    assert after["threads"] <= before["threads"] + 1
    assert after["files"] <= before["files"] + 2  # to the watchers
