"""Imports TensorFlow and Keras without their log output, and checks the backend.

Other modules import them from here.
"""

import contextlib
import os
import random
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from importlib.util import find_spec

from skfashion._network.forks import was_forked_from_tensorflow
from skfashion._utils.environment import omp_num_threads

__all__ = [
    "chooses_onednn",
    "chosen_device",
    "compiles_with_xla",
    "computing_eagerly",
    "explaining_memory_errors",
    "forget_custom_gradients",
    "is_tracing_program",
    "keep_name_counters",
    "keras",
    "runs_here",
    "tf",
    "tracing_program",
]


def _check_installed() -> None:
    needed = [name for name in ("tensorflow", "keras") if sys.modules.get(name) is None]
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{' and '.join(missing)} must be installed for this. Without TensorFlow and Keras a "
            "FashionCNN can load, save and predict, but cannot train or call to_keras. The default "
            "installation of skfashion includes both."
        )


def _check_backend() -> None:
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise RuntimeError(
            f"FashionCNN trains on TensorFlow, but the environment variable KERAS_BACKEND is "
            f"{backend!r}. Unset it, or set it to 'tensorflow', before importing Keras."
        )


@contextlib.contextmanager
def _restore_environment() -> Iterator[None]:
    """Restore the environment and the state of `random`, which TensorFlow's import changes.

    The variables that TensorFlow sets are read only during its import.
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
    """Delay Ctrl-C until the import ends.

    An interrupted import of TensorFlow cannot be repeated in this process.
    """
    before = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or before is None:  # None: a handler that Python cannot restore
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
    """Suppress what TensorFlow's C++ code writes to stderr during its import.

    `TF_CPP_MIN_LOG_LEVEL` alone does not suppress the lines written before its logging starts.
    They go to file descriptor 2, not to `sys.stderr`. If the import fails, the suppressed text is
    written after all, since it may explain the failure. Output of other threads to stderr is
    suppressed too.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # stderr is closed, as in a daemon
        yield
        return
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except Exception:
            captured.seek(0)
            os.write(stderr, captured.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _limit_threads_and_gpu_memory() -> None:
    """Use only the threads this process was given, and allocate GPU memory as needed.

    By default every process uses a thread per core and all GPU memory.
    """
    threads = omp_num_threads()
    if threads is not None:
        # TensorFlow's own variables take precedence over OMP_NUM_THREADS.
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
    with _deferred_interrupt(), _restore_environment(), _silence():
        import keras
        import tensorflow as tf

        _limit_threads_and_gpu_memory()

if keras.config.backend() != "tensorflow":
    raise RuntimeError(
        f"FashionCNN trains on TensorFlow, but Keras runs on {keras.config.backend()!r} "
        "(KERAS_BACKEND or keras.json). Restart Python with KERAS_BACKEND=tensorflow."
    )


# What Keras stores while a thread is in one of its scopes, or in the call of a layer. In a
# StatelessScope variables keep their values, and a RematScope changes layers for good.
_KERAS_SCOPES = (
    "stateless_scope",
    "symbolic_scope",
    "autocast_scope",
    "name_scope_stack",
    "remat_scope_stack",
    "in_tf_graph_scope",
    "current_call_ctx",
)


@contextlib.contextmanager
def _outside_keras_scopes() -> Iterator[None]:
    """Leave the scopes of Keras that the caller may be in. Keras has no public way to do it."""
    from keras.src.backend.common import global_state

    before = {name: global_state.get_global_attribute(name) for name in _KERAS_SCOPES}
    for name in before:
        global_state.set_global_attribute(name, None)
    try:
        yield
    finally:
        for name, scope in before.items():
            global_state.set_global_attribute(name, scope)


@contextlib.contextmanager
def computing_eagerly() -> Iterator[None]:
    """Leave the contexts of TensorFlow and Keras that the caller may be in.

    These are a graph, a session, a function, a distribution strategy, and the scopes of Keras.
    Objects built in there could not be used outside. It also works if eager execution is switched
    off. `tf.init_scope` is not enough: it may stay in a graph, and it stops our own gradient tapes.
    """
    with (
        _outside_keras_scopes(),
        tf.Graph().as_default(),
        tf.__internal__.eager_context.eager_mode(),
    ):
        yield


@contextlib.contextmanager
def keep_name_counters() -> Iterator[None]:
    """Restore Keras' name counters of this thread, which number the user's models and layers.

    Building a model advances them even if all its parts have names. Keras has no public way to
    reset them.
    """
    from keras.src.backend.common import global_state

    before = dict(global_state.get_global_attribute("object_name_uids", {}))
    try:
        yield
    finally:
        counters = global_state.get_global_attribute("object_name_uids", {})
        counters.clear()
        counters.update(before)


# Whether XLA will compile the program that is being traced. None if none of our own is.
_jit_compile: ContextVar[bool | None] = ContextVar("jit_compile", default=None)


@contextlib.contextmanager
def tracing_program(*, jit_compile: bool = False) -> Iterator[None]:
    """Say that one of our own programs is traced, and not a function of the user or of Keras."""
    token = _jit_compile.set(jit_compile)
    try:
        yield
    finally:
        _jit_compile.reset(token)


def is_tracing_program(*, jit_compile: bool = False) -> bool:
    """Return whether one of our own programs is being traced, without or with XLA."""
    return _jit_compile.get() is jit_compile and not tf.executing_eagerly()


def forget_custom_gradients(graph: tf.Graph) -> None:
    """Let a traced graph be freed when nobody uses it any more. It has no gradient afterwards.

    TensorFlow keeps each use of `tf.custom_gradient` for good, with its graph. It needs them only
    while gradients are traced, and has no public way to remove them.
    """
    from tensorflow.python.framework import ops

    definition = graph.as_graph_def()
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    registered = getattr(ops.gradient_registry, "_registry", {})
    for name in {node.attr["_gradient_op_type"].s.decode() for node in nodes}:
        if name.startswith("CustomGradient-"):
            registered.pop(name, None)


def runs_here() -> bool:
    """Return whether TensorFlow can compute in this process."""
    return not was_forked_from_tensorflow()


def chooses_onednn() -> bool:
    """Return whether TensorFlow takes oneDNN's kernels by itself, as on many new processors."""
    from tensorflow.python.util import _pywrap_util_port  # TensorFlow has no public way to ask

    return bool(_pywrap_util_port.IsMklEnabled())


def compiles_with_xla() -> bool:
    """Return whether XLA compiles our programs: if TensorFlow computes on a graphics card.

    On processors XLA's convolutions are many times slower than TensorFlow's.
    """
    return "CPU" not in chosen_device() and bool(tf.config.list_logical_devices("GPU"))


def chosen_device() -> str:
    """Return the name of the device that the caller chose by `tf.device`, or an empty string."""
    return str(tf.__internal__.eager_context.get_device_name() or "")


# What errors other than ResourceExhaustedError say if a graphics card has no free memory.
_NO_MEMORY = re.compile(
    r"out.of.memory|failed to allocate|Dst tensor is not initialized|"
    r"CU\w+_(ALLOC_FAILED|NOT_INITIALIZED)|failed to create cu\w+ handle",
    re.IGNORECASE,
)


@contextlib.contextmanager
def explaining_memory_errors() -> Iterator[None]:
    """Raise a MemoryError that names the remedy if TensorFlow runs out of memory.

    TensorFlow has several exceptions for it, whose messages list what its allocator holds.
    """
    try:
        yield
    except tf.errors.OpError as error:
        is_exhausted = isinstance(error, tf.errors.ResourceExhaustedError)
        if not is_exhausted and not _NO_MEMORY.search(error.message):
            raise
        summary = error.message.strip().partition("\n")[0]
        if tf.config.list_physical_devices("GPU"):
            advice = (
                "By default, the first process that uses TensorFlow takes all memory of a graphics "
                "card, and leaves none to others, such as the workers of n_jobs. Call "
                "tf.config.experimental.set_memory_growth(gpu, True) for each gpu of "
                'tf.config.list_physical_devices("GPU") before you use TensorFlow, or set '
                "n_jobs=1. If the card is not shared, use a smaller batch_size or fewer filters."
            )
        else:
            advice = "Use a smaller batch_size, fewer filters or fewer rows."
        raise MemoryError(f"TensorFlow has too little memory ({summary}). {advice}") from error
