"""Every backend of joblib gives equal scores; what is forked too late says so, and never hangs."""

import io
import multiprocessing
import os
import signal
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from helpers import OLD_FILE, import_tensorflow, make_images, run_function, run_python
from joblib import parallel_config
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from skfashion import FashionCNN, compare
from skfashion.datasets import ImageFileReader, load_fashion_mini

# From Python 3.12 on, every fork of a process with threads is warned of.
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked on Windows"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]
QUIET = {"PYTHONWARNINGS": "ignore::DeprecationWarning", "TF_CPP_MIN_LOG_LEVEL": "3"}
REFUSED = r"was forked from one that had started TensorFlow.*backend='loky'.*'spawn'"


def network(**parameters):
    return FashionCNN(**{"filters": (8, 16), "epochs": 2, "random_state": 0, **parameters})


def bits_of_weights(clf, X, y):
    return float(zlib.crc32(b"".join(weight.tobytes() for weight in clf.weights_)))


def search(backend):
    """All results of a search that are no times: scores, and a sum over the bits of weights."""
    scoring = {"accuracy": "accuracy", "weights": bits_of_weights}
    grid = {"dropout": [0.2, 0.4]}  # of one structure, to be compiled once in each process
    with parallel_config(backend=backend, n_jobs=2):
        found = GridSearchCV(network(), grid, scoring=scoring, cv=2, refit=False).fit(
            *make_images(n=400, side=20)
        )
    return {
        name: np.asarray(values).tolist()
        for name, values in found.cv_results_.items()
        if "split" in name
    }


@contextmanager
def forked(act):
    """A forked child that does something; at the end it must have done so, and soon."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    yield
    deadline = time.monotonic() + 30
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError("the child hangs")
        time.sleep(0.01)
    assert ended[1] == 0


def refuses(train):
    with pytest.raises(RuntimeError, match=REFUSED):
        train()


def search_everywhere():
    """Results by backend, and what is said where TensorFlow was started before the fork."""
    tensorflow = import_tensorflow()  # so no worker needs to; it has no threads yet
    found = {"multiprocessing": search("multiprocessing")}
    assert tensorflow.constant(1) + 1 == 2  # now it has, of which skfashion was not told
    clf = FashionCNN.load(OLD_FILE)
    X = np.arange(3 * clf.n_features_in_, dtype=np.uint8).reshape(3, -1)
    expected = clf.predict_proba(X)

    def predict_and_refuse():
        assert_array_equal(clf.predict_proba(X), expected)
        refuses(lambda: network().fit(*make_images()))
        refuses(clf.to_keras)

    with forked(predict_and_refuse):
        pass
    with pytest.raises(ValueError, match="All the 4 fits failed") as error:
        search("multiprocessing")
    found["too late"] = str(error.value)
    return found | {backend: search(backend) for backend in ("sequential", "threading", "loky")}


@pytest.fixture(scope="module")
def found():
    """Of one process, whose workers have as many threads as itself."""
    one = dict.fromkeys(["TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS"], "1")
    return run_function(search_everywhere, **one, **QUIET)


class TestEqualScores:
    @pytest.mark.parametrize("backend", ["multiprocessing", "threading", "loky"])
    def test_and_weights_as_of_one_process(self, found, backend):
        assert found[backend] == found["sequential"]
        bits = [found[backend][f"split{fold}_test_weights"] for fold in (0, 1)]
        assert len(set(np.ravel(bits))) == 4  # of settings that differ

    def test_or_what_to_do_where_the_user_started_tensorflow_before_the_fork(self, found):
        assert "backend='loky' (the default), 'dask' or 'threading'" in found["too late"]


def test_comparisons_go_to_every_backend(images):
    X, y = images[0].reshape(120, -1), images[1]
    estimators = {"dummy": DummyClassifier(), "naive Bayes": GaussianNB()}
    found = []
    for backend in ("sequential", "multiprocessing", "threading", "loky"):
        with parallel_config(backend=backend, n_jobs=2):
            comparison = compare(estimators, X, y, cv=3, X_test=X[::2], y_test=y[::2])
        assert comparison.failures.empty
        found.append((comparison.scores["score"].tolist(), comparison.predictions.to_dict()))
    assert found == found[:1] * 4


def test_a_forked_pool_finds_what_is_stored_and_trains_no_more(tmp_path):
    X, y = make_images()
    clf = network(memory=tmp_path).fit(X, y)
    more = network(memory=tmp_path, epochs=3)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        stored = pool.apply_async(network(memory=tmp_path).fit, (X, y)).get(timeout=60)
        refuses(lambda: pool.apply_async(more.fit, (X, y)).get(timeout=60))
        refuses(lambda: pool.apply_async(clf.partial_fit, (X, y)).get(timeout=60))
    assert stored.n_epochs_trained_ == 0
    assert_array_equal(stored.predict_proba(X), clf.predict_proba(X))


@pytest.mark.slow
def test_forked_workers_start_tensorflow_themselves_if_nobody_has(found):
    again = run_function(search, "multiprocessing", OMP_NUM_THREADS="1", **QUIET)
    assert again == found["sequential"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_are_not_forked_from_here_train(method):
    X, y = make_images()
    clf = network().fit(X, y)
    with multiprocessing.get_context(method).Pool(1) as pool:
        other = pool.apply_async(network().fit, (X, y)).get(timeout=60)
    assert_array_equal(other.predict_proba(X), clf.predict_proba(X))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells of threads")
def test_where_skfashion_is_first_imported_in_the_child():
    run_python(
        """
        import os, sys
        from helpers import import_tensorflow
        import_tensorflow().constant(1) + 1
        assert "skfashion" not in sys.modules
        child = os.fork()
        if child == 0:
            import test_backends
            test_backends.refuses(lambda: test_backends.network().fit(*test_backends.make_images()))
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
        timeout=60,
        **QUIET,
    )


def test_while_another_thread_imports_tensorflow(tmp_path):
    network().fit(*make_images()).save(tmp_path / "model")
    run_python(
        f"""
        import sys
        from test_backends import *
        X, y = make_images()
        clf = FashionCNN.load({str(tmp_path / "model")!r})
        labels = clf.predict(X)

        def predict_and_refuse():
            assert (clf.predict(X) == labels).all()
            refuses(lambda: network().fit(X, y))

        threading.Thread(target=lambda: network().fit(X, y), daemon=True).start()
        while "tensorflow" not in sys.modules:
            time.sleep(0.001)
        with forked(predict_and_refuse):
            pass
        assert not hasattr(sys.modules["skfashion._network.tensorflow"], "runs_here")
        os._exit(0)  # nobody waits for the thread
        """,
        **QUIET,
    )


def test_while_threads_train_predict_and_read_pictures():
    """What they hold at that moment is held for ever in the child."""
    X, y = load_fashion_mini(return_X_y=True)
    clf = FashionCNN.v2(epochs=1, random_state=0).fit(X[:300], y[:300])
    file = io.BytesIO()
    picture = np.pad(255 - X[0].reshape(28, 28), 200, constant_values=255)
    Image.fromarray(picture).save(file, "png")
    photos = make_pipeline(ImageFileReader(), clf)

    def read():
        return photos.predict_proba([io.BytesIO(file.getvalue())])

    few, photo = clf.predict_proba(X[:50]), read()
    stop = threading.Event()

    def again_and_again(act):
        while not stop.is_set():
            act()

    def predict_and_refuse():
        assert_array_equal(clf.predict_proba(X[:50]), few)
        assert_array_equal(read(), photo)
        refuses(lambda: clf.fit(X, y))

    acts = (
        lambda: FashionCNN.v2(epochs=1, random_state=0).fit(X[:300], y[:300]),
        lambda: clf.predict(X[:1500]),  # by TensorFlow
        lambda: clf.predict(X[:100]),  # by NumPy
        read,
    )
    with ThreadPoolExecutor(len(acts)) as threads:
        running = [threads.submit(again_and_again, act) for act in acts]
        try:
            for _ in range(8):
                with forked(predict_and_refuse):
                    time.sleep(0.05)
        finally:
            stop.set()
        for act in running:
            act.result()
