"""The one door to TensorFlow and Keras: starts them silently, and only on the right backend."""

import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from importlib.util import find_spec

from skfashion._network.forks import tensorflow_was_lost
from skfashion._utils.environment import threads_given

__all__ = ["computing_eagerly", "keras", "runs_here", "tf"]


def _check_installed() -> None:
    needed = [name for name in ("tensorflow", "keras") if sys.modules.get(name) is None]
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{' and '.join(missing)} must be installed for this: without them a FashionCNN can be "
            "loaded, saved and asked for predictions, but neither trained nor turned into a Keras "
            "model. A usual installation of skfashion brings both."
        )


def _check_backend() -> None:
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise RuntimeError(
            f"FashionCNN trains on TensorFlow, but the environment variable KERAS_BACKEND is "
            f"{backend!r}. Unset it, or set it to 'tensorflow', before Keras is imported."
        )


@contextlib.contextmanager
def _kept_settings() -> Iterator[None]:
    """Keep the environment and the state of `random`, both of which TensorFlow's import changes.

    What it sets in the environment has been read by the time its import ends.
    """
    environment = dict(os.environ)
    generator = random.getstate()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        yield
    finally:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        random.setstate(generator)


@contextlib.contextmanager
def _deferred_interrupt() -> Iterator[None]:
    """Hold a Ctrl-C back until the import ends: TensorFlow, half imported, never recovers."""
    before = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or before is None:  # None: a handler that Python could not put back
        yield
        return
    received = []
    signal.signal(signal.SIGINT, lambda *signal_and_frame: received.append(signal_and_frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if received:
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Hold back what TensorFlow's C++ side says while it is imported.

    `TF_CPP_MIN_LOG_LEVEL` alone does not silence the lines written before its logging starts,
    and they go to file descriptor 2 past `sys.stderr`. They come out after all if the import
    fails: then they may be the reason. What other threads write there meanwhile is lost with them.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # A daemon has nobody to hear it.
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except Exception:
            said.seek(0)
            os.write(stderr, said.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _share_the_machine() -> None:
    """Take no more threads than given, and of a GPU's memory only what is needed.

    By itself TensorFlow takes a thread for every core and all the memory, in every process.
    """
    threads = threads_given()
    if threads is not None:
        # Operations at once, and threads within one. TensorFlow's own variables are more to the
        # point than OpenMP's.
        if "TF_NUM_INTEROP_THREADS" not in os.environ:
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        if "TF_NUM_INTRAOP_THREADS" not in os.environ:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


_check_installed()
_check_backend()
if "tensorflow" in sys.modules:
    import keras
    import tensorflow as tf
else:
    with _deferred_interrupt(), _kept_settings(), _silence():
        import keras
        import tensorflow as tf

        _share_the_machine()

if keras.config.backend() != "tensorflow":
    raise RuntimeError(
        f"FashionCNN trains on TensorFlow, but Keras runs on {keras.config.backend()!r} "
        "(KERAS_BACKEND or keras.json). Start Python anew with KERAS_BACKEND=tensorflow."
    )


@contextlib.contextmanager
def computing_eagerly() -> Iterator[None]:
    """Leave whatever graph, session, function or distribution strategy the caller is in.

    What is built there could not be used outside. It does so as well where eager execution is
    switched off. `tf.init_scope` would stay in a graph, and let no tape record, not even ours.
    """
    with tf.Graph().as_default(), tf.__internal__.eager_context.eager_mode():
        yield


def runs_here() -> bool:
    """Whether TensorFlow can compute: not in a process forked from where it was started."""
    return not tensorflow_was_lost()
