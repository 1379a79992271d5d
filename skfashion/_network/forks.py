"""Detects processes that were forked after TensorFlow started.

TensorFlow cannot run there, because threads do not survive a fork. NumPy's BLAS may be locked there
as well, if another thread was multiplying; that is not detected.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_forked_from_tensorflow = False
_is_importing = False  # see `importing_tensorflow`


def register_fork_check() -> None:
    """Check this process, and every process forked from it later."""
    global _forked_from_tensorflow
    # TensorFlow always has several threads. If it was started but there is only one thread, this
    # process was forked.
    _forked_from_tensorflow = _has_one_thread() and _tensorflow_is_started(if_unknown=False)
    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(after_in_child=_check_parent)


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
