"""TensorFlow takes the threads that a worker was given, only where we are the first to start it."""

import sys
from types import ModuleType

import joblib
import pytest
from helpers import make_images, run_python
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from skfashion import FashionCNN
from skfashion._utils.environment import fingerprint, omp_num_threads, threads

THREADS = """
    from skfashion._utils.environment import threads
    before = threads()
    from skfashion._network.tensorflow import tf
    threading = tf.config.threading
    print(threading.get_inter_op_parallelism_threads(), end=" ")
    print(threading.get_intra_op_parallelism_threads())
    assert threads() == before, "a training is named by its threads before TensorFlow starts"
"""


def threads_after_a_fit():
    from skfashion._network.tensorflow import tf

    FashionCNN(filters=(4,), epochs=1, random_state=0).fit(*make_images())
    return tf.config.threading.get_intra_op_parallelism_threads()


@pytest.mark.parametrize(
    ("value", "threads"),
    [
        ("1", 1),
        (" 3 ", 3),
        ("2,1", 2),
        ("", None),
        ("0", None),
        ("-1", None),
        ("two", None),
        ("1.5", None),
        (",4", None),
        ("²", None),
    ],
)
def test_what_openmp_would_not_take_is_not_taken(monkeypatch, value, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert omp_num_threads() == threads


def test_nothing_is_set_where_nobody_says(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert run_python(THREADS) == "0 0\n"


def test_the_given_threads_are_taken():
    assert run_python(THREADS, OMP_NUM_THREADS="3") == "3 3\n"


def test_tensorflows_own_variable_is_more_to_the_point():
    own = {"OMP_NUM_THREADS": "3", "TF_NUM_INTRAOP_THREADS": "2"}
    assert run_python(THREADS, **own) == "3 0\n"


@pytest.mark.parametrize("name", ["TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA"])
def test_what_onednn_is_told_names_another_training(monkeypatch, name):
    monkeypatch.delenv(name, raising=False)
    before = fingerprint()
    monkeypatch.setenv(name, "0")
    assert fingerprint() != before


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
    assert Parallel(n_jobs=2)(delayed(threads_after_a_fit)() for _ in range(2)) == [each] * 2


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
