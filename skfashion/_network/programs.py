"""The compiled programs of a network: many training steps, or many test steps, in one call."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from skfashion._network.architecture import Architecture
from skfashion._network.augmentation import change_images
from skfashion._network.tensorflow import (
    forget_custom_gradients,
    keras,
    tf,
    tracing_program,
)
from skfashion._utils.arrays import is_aligned
from skfashion._utils.types import AnyArray, ImageShape

_THREE_NUMBERS = [tf.TensorSpec([], tf.int32)] * 3


class Program:
    """A function of tensors that is compiled at its first call.

    `tf.function` itself is not called repeatedly: it would count the functions of several networks
    as retracings of one, and warn.

    Parameters
    ----------
    function : callable
    signature : list of tf.TensorSpec
    jit_compile : bool, default=False
        Whether XLA compiles it.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        signature: list[tf.TensorSpec],
        jit_compile: bool = False,
    ) -> None:
        self._jit_compile = jit_compile
        self._function = tf.function(
            function, input_signature=signature, autograph=False, jit_compile=jit_compile or None
        )

    @functools.cached_property
    def _traced(self) -> Callable[..., Any]:
        with tracing_program(jit_compile=self._jit_compile):
            traced = self._function.get_concrete_function()
        forget_custom_gradients(traced.graph)
        return traced

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        traced = self._traced
        with tf.init_scope():  # a gradient tape of the caller must not record it
            return traced(*arguments)


@dataclass(frozen=True)
class Rows:
    """Rows on the device.

    Parameters
    ----------
    tensors : list of three tf.Tensor
        Images, encoded labels and weights.
    n_rows : int
    """

    tensors: list[tf.Tensor]
    n_rows: int


class Programs:
    """The compiled programs of a network.

    Parameters
    ----------
    network : Network
        Its optimizer must have been built before the first call.
    architecture : Architecture

    Attributes
    ----------
    pixel_max : tf.Variable
        Bytes are divided by it on the device, where they take a quarter of the memory of floats.
    image_shape : tuple of two int
        Rows and columns of the images before padding, which flips and shifts leave in its place.
    """

    # Maximum number of training steps per call, like Keras' `steps_per_execution`. More steps are
    # not faster, and callbacks run only between calls.
    max_steps = 16

    # Maximum number of multiply-adds per call: about half a second on two cores. Python handles
    # Ctrl-C only between calls.
    max_multiply_adds = 30e9

    def __init__(self, network: keras.Model, architecture: Architecture) -> None:
        self._network = network
        self._architecture = architecture
        with tf.init_scope():
            self.pixel_max = tf.Variable(1, dtype=architecture.dtype, trainable=False)
        self.image_shape = architecture.image_shape
        self._compiled: dict[Any, Any] = {}

    def load_rows(self, data: Sequence[AnyArray]) -> Rows:
        """Bring images, encoded labels and weights to the device."""
        return Rows([share_array(part) for part in data], len(data[1]))

    def load_order(self, order: AnyArray, rows: Rows) -> tf.Tensor:
        """Bring the order in which an epoch takes the rows to the device.

        Parameters
        ----------
        order : ndarray of int of shape (n_rows, 1 + k)
            Row numbers, and in k columns how the images are changed. See `change_images`.
        rows : Rows
        """
        return tf.constant(order, tf.int32)

    def train(
        self, rows: Rows, order: tf.Tensor, batch_size: int, first: int, last: int
    ) -> AnyArray:
        """Take the training steps from `first` to `last - 1` of an epoch.

        Returns
        -------
        ndarray of shape (3,)
            Weighted sum of the losses, weighted number of correct predictions, sum of weights.
        """
        train = self._get_train_program(rows, order.shape.as_list()[1])
        return train(*rows.tensors, order, batch_size, first, last).numpy()

    def score(self, rows: Rows, batch_size: int, first: int, last: int) -> AnyArray:
        """Evaluate the batches from `first` to `last - 1`. Return the same sums as `train`."""
        score = self._get_score_program(rows)
        return score(*rows.tensors, batch_size, first, last).numpy()

    def split_training(
        self, ends: Sequence[int], batch_size: int, max_steps: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """Yield the first step of each call of `train` in an epoch, and the step after its last.

        A call ends at each of the `ends`, the last of which is the number of steps.
        """
        # Backward a step computes two gradients, each with as many multiply-adds as forward.
        n_multiply_adds = 3 * self._architecture.n_multiply_adds * batch_size
        return self._split(ends, n_multiply_adds, max_steps or self.max_steps)

    def split_scoring(self, steps: int, batch_size: int) -> Iterator[tuple[int, int]]:
        """Yield the first step of each call of `score`, and the step after its last."""
        n_multiply_adds = self._architecture.n_multiply_adds * batch_size
        return self._split([steps], n_multiply_adds, self.max_steps)

    def _split(
        self, ends: Sequence[int], n_multiply_adds: int, max_steps: int
    ) -> Iterator[tuple[int, int]]:
        stride = max(1, min(int(self.max_multiply_adds // n_multiply_adds), max_steps))
        for begin, end in itertools.pairwise([0, *ends]):
            for first in range(begin, end, stride):
                yield first, min(first + stride, end)

    def _get_train_program(self, rows: Rows, n_columns: int) -> Program:
        """Return the compiled function that runs many training steps."""
        key = "train", rows.tensors[0].dtype, self._describe_changes(n_columns)
        if key not in self._compiled:
            order = tf.TensorSpec([None, n_columns], tf.int32)
            self._compiled[key] = Program(
                self._train_steps, [*self._specify_rows(rows), order, *_THREE_NUMBERS]
            )
        return self._compiled[key]

    def _describe_changes(self, n_columns: int) -> tuple[int, ImageShape | None]:
        """Describe how a program changes images, as a part of its key."""
        return n_columns, self.image_shape if n_columns > 1 else None

    def _get_score_program(self, rows: Rows) -> Program:
        """Return the compiled function that runs many test steps."""
        key = "score", rows.tensors[0].dtype
        if key not in self._compiled:
            self._compiled[key] = Program(
                self._test_steps, [*self._specify_rows(rows), *_THREE_NUMBERS]
            )
        return self._compiled[key]

    @staticmethod
    def _specify_rows(rows: Rows) -> list[tf.TensorSpec]:
        """Return the signature of rows, for any number of them."""
        return [
            tf.TensorSpec([None, *part.shape.as_list()[1:]], part.dtype) for part in rows.tensors
        ]

    def _train_steps(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        order: tf.Tensor,
        batch_size: tf.Tensor,
        first: tf.Tensor,
        last: tf.Tensor,
    ) -> tf.Tensor:
        def step(number: tf.Tensor) -> tf.Tensor:
            rows = order[number * batch_size : (number + 1) * batch_size]
            return self._train_batch(self._take_batch((images, labels, weights), rows))

        return sum_over_steps(step, first, last)

    def _test_steps(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        n_rows: tf.Tensor,
        first: tf.Tensor,
        last: tf.Tensor,
    ) -> tf.Tensor:
        def step(number: tf.Tensor) -> tf.Tensor:
            rows = slice(number * n_rows, (number + 1) * n_rows)
            return self._score_batch([part[rows] for part in (images, labels, weights)])

        return sum_over_steps(step, first, last)

    def _take_batch(self, data: Sequence[tf.Tensor], order: tf.Tensor) -> list[tf.Tensor]:
        """Gather the rows of a part of an epoch's order, and change their images."""
        images, *others = (tf.gather(part, order[:, 0]) for part in data)
        return [change_images(images, order[:, 1:], self.image_shape), *others]

    def _train_batch(self, batch: Sequence[tf.Tensor], scale: Any = None) -> tf.Tensor:
        """Take a step of the optimizer on a batch. Return the sums of `train`.

        The gradients are multiplied by `scale`.
        """
        images, labels, weights = batch
        network = self._network
        with tf.GradientTape() as tape:
            probabilities = network.apply_in_training(scale_pixels(images, self.pixel_max))
            # The sum of the weighted losses divided by the number of rows, as in Keras. Not by
            # `compute_loss`, which would round it to the user's global `floatx`.
            loss = network.loss(labels, probabilities, weights)
        gradients = tape.gradient(loss, network.trainable_variables, output_gradients=scale)
        network.optimizer.apply(gradients, network.trainable_variables)
        return self._compute_sums(loss, labels, probabilities, weights)

    def _score_batch(self, batch: Sequence[tf.Tensor]) -> tf.Tensor:
        """Evaluate a batch. Return the sums of `train`."""
        images, labels, weights = batch
        probabilities = self._network(scale_pixels(images, self.pixel_max), training=False)
        loss = self._network.loss(labels, probabilities, weights)
        return self._compute_sums(loss, labels, probabilities, weights)

    @staticmethod
    def _compute_sums(
        loss: tf.Tensor, labels: tf.Tensor, probabilities: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        n_rows = tf.cast(tf.size(labels), loss.dtype)
        best = tf.argmax(probabilities, axis=1, output_type=labels.dtype)
        hits = tf.cast(tf.equal(best, labels), weights.dtype)
        sums = [loss * n_rows, tf.reduce_sum(hits * weights), tf.reduce_sum(weights)]
        return tf.cast(tf.stack(sums), tf.float64)


def sum_over_steps(
    step: Callable[[tf.Tensor], tf.Tensor], first: tf.Tensor, last: tf.Tensor
) -> tf.Tensor:
    """Call `step` with each number from `first` to `last - 1`. Return the sum of the results.

    It has no gradient. TensorFlow would trace one if the caller has a persistent tape.
    """
    return tf.while_loop(
        lambda number, _: number < last,
        lambda number, sums: (number + 1, sums + tf.stop_gradient(step(number))),
        (first, tf.zeros([3], tf.float64)),
        parallel_iterations=1,  # each step starts from the weights of the one before
    )[1]


def scale_pixels(images: tf.Tensor, pixel_max: tf.Tensor) -> tf.Tensor:
    """Divide bytes by `pixel_max`. Floats must have been divided already."""
    return tf.cast(images, pixel_max.dtype) / pixel_max if images.dtype == tf.uint8 else images


def share_array(array: AnyArray) -> tf.Tensor:
    """Make a tensor that shares the memory of an array. The array must not change afterwards.

    Arrays whose memory TensorFlow cannot use are copied. Tensors for a GPU are copies too.
    """
    if not (is_aligned(array) and array.flags.writeable):  # DLPack needs writeable arrays
        return tf.constant(array)
    return tf.identity(tf.experimental.dlpack.from_dlpack(array.__dlpack__()))
