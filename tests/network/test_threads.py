"""TensorFlow takes the threads that a worker was given, only where we are the first to start it."""

import sys
from types import ModuleType

import joblib
import pytest
from helpers import make_images, run_python
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from skfashion import FashionCNN
from skfashion._utils.environment import omp_num_threads, threads

THREADS = """
    from skfashion._utils.environment import fingerprint
    before = fingerprint()
    from skfashion._network.tensorflow import tf
    assert fingerprint() == before
    threading = tf.config.threading
    print(threading.get_inter_op_parallelism_threads(), end=" ")
    print(threading.get_intra_op_parallelism_threads())
    tf.constant(1) + 1
    assert fingerprint() == before, "a training is named the same before TensorFlow starts"
"""


def threads_after_a_fit():
    from skfashion._network.tensorflow import tf

    FashionCNN(filters=(4,), epochs=1, random_state=0).fit(*make_images())
    return tf.config.threading.get_intra_op_parallelism_threads()


@pytest.mark.parametrize(("value", "threads"), [("1", 1), (" 3 ", 3), ("2,1", 2)])
def test_what_openmp_takes_is_taken(monkeypatch, value, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert omp_num_threads() == threads


@pytest.mark.parametrize("value", ["", "0", "-1", "two", "1.5", ",4", "²"])
def test_what_openmp_would_not_take_is_not_taken(monkeypatch, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert omp_num_threads() is None


def test_given_threads_are_taken_and_settings_are_known_before_tensorflow_starts():
    assert run_python(THREADS, OMP_NUM_THREADS="3", TF_DETERMINISTIC_OPS="1") == "3 3\n"


@pytest.mark.slow
def test_tensorflows_own_variable_is_more_to_the_point():
    own = {"OMP_NUM_THREADS": "3", "TF_NUM_INTRAOP_THREADS": "2"}
    assert run_python(THREADS, **own) == "3 0\n"


def test_a_half_imported_tensorflow_is_passed_over(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    assert threads() == 3


def test_a_tensorflow_that_the_user_started_is_left_alone():
    # Started by the user, TensorFlow says what it likes; only Python's own words are of interest.
    started = """
    import os, sys
    sys.stderr = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    import tensorflow
    """
    assert run_python(started + THREADS, OMP_NUM_THREADS="3") == "0 0\n"


def test_workers_share_the_cores_without_a_word_from_the_user(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    get_reusable_executor().shutdown()  # workers of other tests may have started TensorFlow
    each = max(joblib.cpu_count() // 2, 1)
    assert Parallel(n_jobs=2)([delayed(threads_after_a_fit)()]) == [each]


def test_a_gpu_is_asked_for_no_more_memory_than_needed(monkeypatch):
    """No GPU is at hand: what TensorFlow is told is all that can be seen."""
    from skfashion._network import tensorflow as _tensorflow

    told = []
    config = _tensorflow.tf.config
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: [f"{kind} 0", f"{kind} 1"])
    monkeypatch.setattr(config.experimental, "set_memory_growth", lambda *said: told.append(said))
    _tensorflow._limit_threads_and_gpu_memory()
    assert told == [("GPU 0", True), ("GPU 1", True)]
