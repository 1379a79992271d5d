"""Whether TensorFlow can run in this process: its threads do not outlive a fork.

Nothing is known here of NumPy's BLAS, which a fork beside a thread that multiplies leaves locked.
"""

import os
import sys
from pathlib import Path

# Who imports these starts TensorFlow. A thread that was at it when the process was forked never
# ends its import, and whoever imports the same in the child waits for it for ever.
_STARTERS = (
    "skfashion._training.loop",
    "skfashion._network.keras_layers",
    "skfashion._network.tensorflow",
)

_lost = False


def watch() -> None:
    """See to it that this process and all forked from now on know what they came from."""
    global _lost
    # A process that runs TensorFlow has more than one thread, unless it was forked.
    _lost = _has_one_thread() and _started_by_others(if_unknown=False)
    if hasattr(os, "register_at_fork"):  # Windows forks nothing
        os.register_at_fork(after_in_child=_look_back)


def tensorflow_was_lost() -> bool:
    """Whether this process was forked from one that ran TensorFlow, or was about to."""
    return _lost


def check_not_forked() -> None:
    """Refuse what would hang; to be asked before TensorFlow is imported.

    Raises
    ------
    RuntimeError
        If `tensorflow_was_lost`.
    """
    if _lost:
        raise RuntimeError(
            "This process was forked from one in which TensorFlow was started, and has none of "
            "its threads: it can predict, but not train, nor make a Keras model. With joblib use "
            "backend='loky' (the default), 'dask' or 'threading' instead of 'multiprocessing'; "
            "start processes of your own by 'spawn' or 'forkserver' instead of 'fork'."
        )


def _look_back() -> None:
    """In a child that is still as its parent was."""
    global _lost
    _lost = (
        _lost
        or any(name in sys.modules for name in _STARTERS)
        or _started_by_others(if_unknown=True)  # better an error too many than a process that hangs
    )


def _has_one_thread() -> bool:
    """Whether there is no other, not even outside Python."""
    try:
        return len([*Path("/proc/self/task").iterdir()]) == 1
    except OSError:  # only Linux tells
        return False


def _started_by_others(*, if_unknown: bool) -> bool:
    """Whether TensorFlow is half imported or has threads; imported whole it has none at first.

    A later version of it may be one that cannot be asked.
    """
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return False
    if getattr(tensorflow.__spec__, "_initializing", False):
        return True
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", False)
    return context is not None and bool(getattr(context, "_initialized", if_unknown))
