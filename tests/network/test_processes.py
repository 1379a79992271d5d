"""Predictions in several processes and threads do not wait for each other, nor for BLAS."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product

import numpy as np
import pytest
from helpers import run_function
from numpy.testing import assert_allclose, assert_array_equal

from skfashion._network import numpy_model
from skfashion._network.architecture import Architecture

VERSIONS = {
    "v1": {"filters": (8, 24, 48), "strides": 1, "dense_units": 100},
    "v2": {"filters": (16, 48, 96), "strides": 2, "dense_units": 100},
    "v3": {"filters": (16, 32, 64, 96), "strides": 1, "pool_size": (1, 2, 2, 1)},
}
QUIET = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}  # of forks beside threads
FOUR_THREADS = {"OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "4"}


def make_network(version, dtype="float32", n=20, **changes):
    """Images, weights as before the first epoch, their architecture, and the largest pixel."""
    fields = {"kernel_size": 3, "dense_units": None, **VERSIONS[version], **changes}
    architecture = Architecture.for_images((28, 28), dropout=0, n_classes=10, dtype=dtype, **fields)
    images = np.random.default_rng(0).integers(0, 256, (n, 28, 28, 1), dtype=np.uint8)
    return images, architecture.initial_weights(0), architecture, 255.0


def seconds_busy():
    """Of this process and of this thread, for each version and precision."""
    time.sleep(0.5)  # until the threads of BLAS sleep after their start
    found = []
    for version, dtype in product(VERSIONS, ("float32", "float64")):
        network = make_network(version, dtype)
        one = network[0][:1], *network[1:]
        before = time.process_time(), time.thread_time()
        for _ in range(20):
            numpy_model.compute_outputs(*network)
            numpy_model.compute_outputs(*one)
        found.append([time.process_time() - before[0], time.thread_time() - before[1]])
    return found


def test_a_prediction_keeps_one_thread_busy():
    """However many BLAS has: with its own, two processes would wait for each other."""
    for of_process, of_this_thread in run_function(seconds_busy, **FOUR_THREADS):
        assert of_process < 1.1 * of_this_thread


@pytest.mark.parametrize("version", VERSIONS)
def test_every_product_is_small_enough_for_one_thread(monkeypatch, version):
    """Whether BLAS takes more for larger ones depends on the processor."""
    found, count_pieces = [], numpy_model._count_pieces
    monkeypatch.setattr(
        numpy_model, "_count_pieces", lambda *sizes: found.append(count_pieces(*sizes)) or found[-1]
    )
    numpy_model.compute_outputs(*make_network(version))
    assert 1 not in found  # in pieces, if it is large


@pytest.mark.parametrize(
    ("version", "changes"),
    [
        ("v1", {}),
        ("v2", {}),
        ("v1", {"dense_units": 1}),
        ("v1", {"dense_units": 301, "filters": (7, 13)}),
        ("v2", {"dense_units": 2000, "filters": (16, 30)}),
        ("v2", {"filters": (16, 32, 64, 128), "kernel_size": 2}),
        ("v1", {"filters": (16, 32, 64), "pool_size": (1, 2, 3), "dense_units": None}),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_in_pieces_are_those_of_the_whole(monkeypatch, version, changes, dtype):
    images, *network = make_network(version, dtype, n=23, **changes)
    in_pieces = numpy_model.compute_outputs(images, *network)
    for size in (1, 5):  # an image has the same bits alone and in any batch
        parts = [
            numpy_model.compute_outputs(images[i : i + size], *network) for i in range(0, 23, size)
        ]
        assert_array_equal(np.concatenate(parts), in_pieces)
    monkeypatch.setattr(numpy_model, "_count_pieces", lambda *arguments: 1)
    whole = numpy_model.compute_outputs(images, *network)
    assert_allclose(in_pieces, whole, rtol=0, atol=1e-5 if dtype == "float32" else 1e-13)


def test_threads_that_predict_at_once_agree_and_leave_blas_as_it_was(fitted, images):
    from threadpoolctl import threadpool_info

    X, _ = images
    expected, before = fitted.predict_proba(X), threadpool_info()
    with ThreadPoolExecutor(8) as threads:
        for probabilities in threads.map(fitted.predict_proba, [X] * 40):
            assert_array_equal(probabilities, expected)
    assert threadpool_info() == before


@contextmanager
def predicting_threads(network, n_threads):
    """Predict again and again in other threads."""
    stop = threading.Event()

    def predict():
        while not stop.is_set():
            numpy_model.compute_outputs(*network)

    threads = [threading.Thread(target=predict) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


def predict_in_a_child(network):
    """Return how a forked child ended, which predicts."""
    child = os.fork()
    if not child:
        signal.alarm(30)
        numpy_model.compute_outputs(*network)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def fork_while_a_thread_predicts():
    """Return how the children ended."""
    network, codes = make_network("v1"), []
    with predicting_threads(network, 1):
        for number in range(20):
            time.sleep(0.01 + number / 1000)
            codes.append(predict_in_a_child(network))
    return codes


def fork_in_the_middle_of_predictions():
    """Return a status for each child: not 0 if a thread was multiplying when it was forked."""
    network, inside, codes = make_network("v1", n=2), threading.Event(), []
    forward_pass = numpy_model._forward_pass

    def slow_forward_pass(*arguments):
        inside.set()
        time.sleep(0.2)
        inside.clear()
        return forward_pass(*arguments)

    numpy_model._forward_pass = slow_forward_pass
    with predicting_threads(network, 3):
        for _ in range(4):
            inside.wait()
            child = os.fork()
            if not child:
                os._exit(inside.is_set())
            codes.append(os.waitpid(child, 0)[1])
    return codes


def fork_in_a_signal_handler():
    """Fork while this very thread predicts. Return how the child ended."""
    from skfashion._network import forks

    forks._TIMEOUT = 0.5
    network, codes = make_network("v1"), []
    signal.signal(signal.SIGALRM, lambda *_: codes.append(predict_in_a_child(network)))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    while not codes:
        numpy_model.compute_outputs(*network)
    numpy_model.compute_outputs(*network)
    return codes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks")
class TestForks:
    def test_a_child_that_is_forked_while_a_thread_predicts_can_predict(self):
        codes = run_function(fork_while_a_thread_predicts, **FOUR_THREADS, **QUIET)
        assert codes == [0] * 20

    def test_a_fork_waits_until_no_thread_multiplies(self):
        """BLAS holds a lock in every product, which nobody would release in the child."""
        assert run_function(fork_in_the_middle_of_predictions, **QUIET) == [0] * 4

    def test_a_fork_in_the_middle_of_a_prediction_of_the_same_thread_does_not_hang(self):
        assert run_function(fork_in_a_signal_handler, **QUIET) == [0]
