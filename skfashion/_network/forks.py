"""Makes forked processes safe: they can predict, and they do not start TensorFlow if it would hang.

Threads do not survive a fork. So TensorFlow cannot run in a process that was forked after it
started. NumPy's BLAS takes a lock in every product. If a thread holds it when the process forks, it
is never released in the child. So a fork waits until no thread predicts.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_forked_from_tensorflow = False
_is_importing = False  # see `importing_tensorflow`

# How long a fork and a prediction wait for each other, in seconds. Only a fork in a signal handler
# that interrupts a prediction of the same thread waits that long.
_TIMEOUT = 5

_multiplying = threading.Condition()  # guards the next two
_n_multiplying = 0
_is_forking = False


def register_fork_handlers() -> None:
    """Check this process, and make every process forked from it later safe."""
    global _forked_from_tensorflow
    # TensorFlow always has several threads. If it was started but there is only one thread, this
    # process was forked.
    _forked_from_tensorflow = _has_one_thread() and _tensorflow_is_started(if_unknown=False)
    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(
            before=_wait_for_products,
            after_in_parent=_allow_products,
            after_in_child=_start_in_child,
        )


def was_forked_from_tensorflow() -> bool:
    """Return whether this process was forked from one that had started TensorFlow.

    One that was importing TensorFlow counts too.
    """
    return _forked_from_tensorflow


@contextmanager
def importing_tensorflow() -> Iterator[None]:
    """Import within this context all modules of skfashion that import TensorFlow.

    If a thread is importing one of them when the process forks, that import never ends in the
    child, which would wait for it forever. So the child is marked.

    Raises
    ------
    RuntimeError
        If `was_forked_from_tensorflow` returns True: TensorFlow would hang in this process.
    """
    global _is_importing
    if _forked_from_tensorflow:
        raise RuntimeError(
            "This process was forked from one that had started TensorFlow, whose threads do not "
            "survive a fork. It can predict, but cannot train or call to_keras. With joblib use "
            "backend='loky' (the default), 'dask' or 'threading' instead of 'multiprocessing'. For "
            "your own processes use the start method 'spawn' or 'forkserver' instead of 'fork'."
        )
    _is_importing = True
    try:
        yield
    finally:
        _is_importing = False  # from now on `sys.modules` says so, unless the import failed


@contextmanager
def multiplying() -> Iterator[None]:
    """Multiply matrices within this context, so that no fork happens meanwhile."""
    global _n_multiplying
    with _multiplying:
        if _is_forking:
            _multiplying.wait_for(lambda: not _is_forking, _TIMEOUT)
        _n_multiplying += 1
    try:
        yield
    finally:
        with _multiplying:
            _n_multiplying = max(0, _n_multiplying - 1)  # 0 if a signal handler forked meanwhile
            if _is_forking:
                _multiplying.notify_all()


def _wait_for_products() -> None:
    global _is_forking
    _multiplying.acquire()
    _is_forking = True
    _multiplying.wait_for(lambda: _n_multiplying == 0, _TIMEOUT)


def _allow_products() -> None:
    global _is_forking
    _is_forking = False
    _multiplying.notify_all()
    _multiplying.release()


def _start_in_child() -> None:
    global _multiplying, _n_multiplying, _is_forking
    _multiplying, _n_multiplying, _is_forking = threading.Condition(), 0, False
    _check_parent()


def _check_parent() -> None:
    """Check in a forked child whether its parent had started TensorFlow."""
    global _forked_from_tensorflow
    _forked_from_tensorflow = (
        _forked_from_tensorflow
        or _is_importing
        or "skfashion._network.tensorflow" in sys.modules
        or _tensorflow_is_started(if_unknown=True)  # an error is better than a process that hangs
    )


def _has_one_thread() -> bool:
    """Return whether the process has a single thread, native ones included. False if unknown."""
    try:
        return len([*Path("/proc/self/task").iterdir()]) == 1
    except OSError:  # only Linux has this folder
        return False


def _tensorflow_is_started(*, if_unknown: bool) -> bool:
    """Return whether TensorFlow is being imported or has started its threads.

    A completed import alone starts none. Return `if_unknown` if this version of TensorFlow does not
    expose that.
    """
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return False
    if getattr(tensorflow.__spec__, "_initializing", False):
        return True
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", False)
    return context is not None and bool(getattr(context, "_initialized", if_unknown))
