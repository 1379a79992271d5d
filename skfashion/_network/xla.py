"""Programs that XLA compiles, for graphics cards.

XLA compiles a program for fixed shapes, which takes seconds. So that few programs are needed, rows
are padded to a rounded number, and the last batch is padded to full length. Padding has weight 0.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from skfashion._network.programs import Program, Programs, Rows, sum_over_steps
from skfashion._network.tensorflow import tf
from skfashion._utils.types import AnyArray

# Whether equal seeds give equal weights, bit for bit. They do on an H200 with TensorFlow 2.21. What
# that costs was not measured. An earlier version without deterministic operations took 0.204 s
# (version 1) and 0.135 s (version 2) there for an epoch of 48,000 rows, and had unequal weights in
# version 2. This one takes 0.268 and 0.123 s.
DETERMINISTIC = True

# Whether training may use TensorFloat-32, unless the user has switched it off. The earlier version
# took 0.204 s instead of 0.334 s (version 1), and 0.135 s instead of 0.176 s (version 2).
# Predictions and scores never use it: probabilities would differ by 5e-4 from NumPy's.
TENSOR_FLOAT_32_IN_TRAINING = True

# TensorFlow's flags belong to the whole process.
_flags_lock = threading.RLock()


class XlaPrograms(Programs):
    """Programs that XLA compiles for one number of rows and one batch size each.

    Results differ from those of `Programs` by rounding only. Dropout draws the same masks.
    """

    # Longer calls gain nothing: on an H200 an epoch of version 1 took as long in 8 calls as in 2.
    # It trained version 1 at 4.5e12 multiply-adds per second, and took 0.25 ms for a step of
    # version 2. So a call takes at most a quarter of a second there. Smaller cards, which were not
    # measured, should take about a second.
    max_steps = 1000
    max_multiply_adds = 2e11

    def load_rows(self, data: Sequence[AnyArray]) -> Rows:
        # The copies are needed only until the device has them. int64, because TensorFlow keeps
        # int32 tensors on the host even if there is a GPU.
        images, labels, weights = data
        size = round_up(len(labels) + 1)  # the last row is always padding
        padded = [pad_rows(part, size) for part in (images, labels.astype(np.int64), weights)]
        return Rows([tf.constant(part) for part in padded], len(labels))

    def load_order(self, order: AnyArray, rows: Rows) -> tf.Tensor:
        size = len(rows.tensors[1])
        padded = pad_rows(order.astype(np.int64), size)
        padded[len(order) :, 0] = size - 1
        return tf.constant(padded)

    def train(
        self, rows: Rows, order: tf.Tensor, batch_size: int, first: int, last: int
    ) -> AnyArray:
        n_columns = order.shape.as_list()[1]
        program = self._get_program("train", rows, batch_size, n_columns)
        short = rows.n_rows % batch_size if self._architecture.batch_norm else 0
        if not short or last * batch_size <= rows.n_rows:
            return program(*rows.tensors, order, first, last).numpy()
        # Padding would change mean and variance of the last batch.
        sums = program(*rows.tensors, order, first, last - 1).numpy()
        program = self._get_program("train", rows, short, n_columns)
        order = tf.roll(order, -(rows.n_rows - short), axis=0)
        return sums + program(*rows.tensors, order, 0, 1).numpy()

    def score(self, rows: Rows, batch_size: int, first: int, last: int) -> AnyArray:
        program = self._get_program("score", rows, batch_size)
        return program(*rows.tensors, first, last).numpy()

    def _get_program(
        self, kind: Literal["train", "score"], rows: Rows, batch_size: int, n_columns: int = 0
    ) -> Program:
        size = len(rows.tensors[1])
        batch_size = min(batch_size, size)
        allowed = tf.config.experimental.tensor_float_32_execution_enabled()
        tensor_float_32 = kind == "train" and TENSOR_FLOAT_32_IN_TRAINING and allowed
        changes = self._describe_changes(n_columns)
        key = kind, rows.tensors[0].dtype, size, batch_size, changes, tensor_float_32
        if key not in self._compiled:
            signature = [tf.TensorSpec(part.shape, part.dtype) for part in rows.tensors]
            if kind == "train":
                signature.append(tf.TensorSpec([size, n_columns], tf.int64))
            signature += [tf.TensorSpec([], tf.int32)] * 2
            make_steps = self._make_train_steps if kind == "train" else self._make_test_steps
            steps = make_steps(size, batch_size)
            self._compiled[key] = XlaProgram(steps, signature, tensor_float_32=tensor_float_32)
        return self._compiled[key]

    def _make_train_steps(self, size: int, batch_size: int) -> Callable[..., tf.Tensor]:
        def steps(*arguments: tf.Tensor) -> tf.Tensor:
            *data, order, first, last = arguments

            def step(number: tf.Tensor) -> tf.Tensor:
                part = tf.gather(order, _positions(number, size, batch_size))
                n_rows = tf.math.count_nonzero(
                    part[:, 0] < size - 1, dtype=self._architecture.dtype
                )
                # The loss was divided by the number of rows with padding.
                return self._train_batch(self._take_batch(data, part), scale=batch_size / n_rows)

            return sum_over_steps(step, first, last)

        return steps

    def _make_test_steps(self, size: int, batch_size: int) -> Callable[..., tf.Tensor]:
        def steps(*arguments: tf.Tensor) -> tf.Tensor:
            *data, first, last = arguments

            def step(number: tf.Tensor) -> tf.Tensor:
                rows = _positions(number, size, batch_size)
                return self._score_batch([tf.gather(part, rows) for part in data])

            return sum_over_steps(step, first, last)

        return steps


class XlaProgram(Program):
    """A function of tensors that XLA compiles at its first call.

    Parameters
    ----------
    function : callable
    signature : list of tf.TensorSpec
        All shapes are known.
    tensor_float_32 : bool
        Whether it may use TensorFloat-32.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        signature: list[tf.TensorSpec],
        *,
        tensor_float_32: bool,
    ) -> None:
        super().__init__(function, signature, jit_compile=True)
        self._tensor_float_32 = tensor_float_32
        self._is_compiled = False

    def __call__(self, *arguments: Any) -> Any:
        if self._is_compiled:
            return super().__call__(*arguments)
        with _flags_lock:
            _ = self._traced  # under the user's flags: ours would change TensorFlow's graph
            with _set_flags(tensor_float_32=self._tensor_float_32):
                result = super().__call__(*arguments)
            self._is_compiled = True
        return result


@contextmanager
def _set_flags(*, tensor_float_32: bool) -> Iterator[None]:
    """Set the flags of TensorFlow that XLA reads when it compiles, and restore the user's.

    They belong to the whole process: other threads see them for the seconds of a compilation.
    """
    from tensorflow.python.framework import config  # the public one cannot restore determinism

    deterministic = config.is_op_determinism_enabled()
    allowed = config.tensor_float_32_execution_enabled()
    try:
        if DETERMINISTIC:
            config.enable_op_determinism()
        config.enable_tensor_float_32_execution(tensor_float_32)
        yield
    finally:
        if not deterministic:
            config.disable_op_determinism()
        config.enable_tensor_float_32_execution(allowed)


def pad_rows(array: AnyArray, size: int, value: float = 0) -> AnyArray:
    """Append rows of `value`, so that the array has `size` rows."""
    widths = [(0, size - len(array)), *[(0, 0)] * (array.ndim - 1)]
    return np.pad(array, widths, constant_values=value)


def round_up(n: int) -> int:
    """Round up to a number of three significant bits: by a quarter at most."""
    unit = 1 << max(0, n.bit_length() - 3)
    return -(-n // unit) * unit


def _positions(number: tf.Tensor, size: int, batch_size: int) -> tf.Tensor:
    """Return the positions of a batch. Beyond the end they are the last one."""
    return tf.minimum(number * batch_size + tf.range(batch_size), size - 1)
