"""An `Architecture` as a compiled Keras network, and the pool that lends such networks."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from skfashion._network.architecture import Architecture, TrainingState
from skfashion._network.graph import forward_pass, program, rows_at_a_time
from skfashion._network.operations import adam_step, relu_dropout
from skfashion._network.tensorflow import keras, tf
from skfashion._utils.types import AnyArray, History

_Tensors: TypeAlias = Sequence[tf.Tensor]  # images, class codes, weights

# Steps per call into TensorFlow at the most: the call's own millisecond does not show beside them.
_STEPS_PER_CALL = 16

# And their multiply-adds, half a second on two cores: between two calls Python sees a Ctrl-C.
_MULTIPLY_ADDS_PER_CALL = 30e9


class Network(keras.Model):
    """A compiled network whose whole training state can be overwritten.

    Weights, Adam's moments, rates and the pixel scale are variables, so that a network computes
    the same whatever it computed before.

    Parameters
    ----------
    architecture : Architecture
    pixel_dtype : {"uint8", "float32", "float64"}
        What the images come in.
    """

    def __init__(self, architecture: Architecture, pixel_dtype: str) -> None:
        dtype = architecture.dtype
        super().__init__(name="fashion_cnn", dtype=dtype)
        self.key = architecture, pixel_dtype
        self.strides = architecture.strides
        self.with_dropout = architecture.dropout
        self.multiply_adds = architecture.multiply_adds
        self.rows_per_step = rows_at_a_time(architecture)
        self.built = True
        self.parameters = [
            tf.Variable(tf.zeros(shape, dtype)) for shape in architecture.parameter_shapes
        ]
        self.momentums, self.velocities = (
            [tf.Variable(tf.zeros_like(parameter)) for parameter in self.parameters]
            for _ in range(2)
        )
        self.iterations = tf.Variable(0, dtype=tf.int64)
        self.learning_rate = tf.Variable(0, dtype=dtype)
        self.dropped_of_65536 = tf.Variable(0, dtype=tf.int32)
        self.pixel_max = tf.Variable(1, dtype=dtype)

        rows = [
            tf.TensorSpec([None, *architecture.image_shape, 1], pixel_dtype),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None], dtype),
        ]
        order, number = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)
        seed = tf.TensorSpec([], tf.int64)
        self._train_program = program(
            self._train_steps, [*rows, order, number, number, number, seed]
        )
        self._score_program = program(self._score_steps, [*rows, number, number])
        # The wrapper that calls `fit` compiles what is not compiled. The optimizer is named for it
        # and for readers; its step is `adam_step`, whose variables ignore the user's `floatx`.
        self.compile(
            optimizer=keras.optimizers.Adam(name="adam"), loss="sparse_categorical_crossentropy"
        )

    # What the network is told and asked.

    def prepare(
        self, state: TrainingState, *, learning_rate: float, dropout: float, pixel_max: float
    ) -> None:
        """Overwrite all that an earlier training may have left."""
        assert state.momentums is not None  # what goes on has them
        assert state.velocities is not None
        for variables, values in zip(
            (self.parameters, self.momentums, self.velocities),
            (state.weights, state.momentums, state.velocities),
            strict=True,
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        self.iterations.assign(state.iterations)
        self.learning_rate.assign(learning_rate)
        self.dropped_of_65536.assign(min(round(dropout * 65536), 65535))
        self.pixel_max.assign(pixel_max)

    def state(self) -> TrainingState:
        """A copy of the training state."""
        weights, momentums, velocities = (
            [variable.numpy().copy() for variable in variables]
            for variables in (self.parameters, self.momentums, self.velocities)
        )
        return TrainingState(weights, momentums, velocities, int(self.iterations.numpy()))

    def fit(
        self,
        x: AnyArray,
        y: AnyArray,
        *,
        run: Callable[["Network", AnyArray, AnyArray], History],
        **_: Any,
    ) -> keras.callbacks.History:
        """Hand the network and the rows to the epoch loop: one call for a whole training.

        Parameters
        ----------
        x, y : ndarray
        run : callable
            ``run(network, x, y)`` trains and returns a dict of per-epoch lists.
        **_
            Keras' own arguments, which a wrapper always passes; `run` knows them already.

        Returns
        -------
        keras.callbacks.History
        """
        history = keras.callbacks.History()
        history.history = run(self, x, y)
        return history

    def train_epoch(
        self, rows: _Tensors, order: AnyArray, batch_size: int, seed: int | np.integer
    ) -> dict[str, float]:
        """One pass over the rows in the given order.

        Parameters
        ----------
        rows : tuple of three tensors
            Images, class codes (int32), weights.
        order : ndarray of int32
        batch_size : int
        seed : int
            Of this epoch's dropout.

        Returns
        -------
        dict
            ``loss`` and ``accuracy``: weighted means over the rows, each as the network was when
            it met them.
        """
        # A step goes forwards and then backwards, for the weights and for the inputs.
        sums = [
            self._train_program(*rows, order, batch_size, first, last, seed).numpy()
            for first, last in self._calls(len(order), batch_size, 3)
        ]
        return _means(np.sum(sums, axis=0))

    def score_rows(self, rows: _Tensors) -> dict[str, float]:
        """The same means as `train_epoch`, learning nothing."""
        sums = [
            self._score_program(*rows, first, last).numpy()
            for first, last in self._calls(len(rows[1]), self.rows_per_step, 1)
        ]
        return _means(np.sum(sums, axis=0))

    def _calls(self, n_rows: int, rows_per_step: int, passes: int) -> Iterator[tuple[int, int]]:
        """First step and the one after the last, of each call into TensorFlow."""
        steps = -(-n_rows // rows_per_step)
        bearable = int(_MULTIPLY_ADDS_PER_CALL // (passes * self.multiply_adds * rows_per_step))
        stride = max(1, min(bearable, _STEPS_PER_CALL))
        for first in range(0, steps, stride):
            yield first, min(first + stride, steps)

    # What is traced: a program for training and one for scoring.

    def _train_steps(
        self,
        images: tf.Tensor,
        codes: tf.Tensor,
        weights: tf.Tensor,
        order: tf.Tensor,
        batch_size: tf.Tensor,
        first: tf.Tensor,
        last: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        def train_step(step: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            batch = order[step * batch_size : (step + 1) * batch_size]
            batch_weights = tf.gather(weights, batch)
            with tf.GradientTape() as tape:
                logits = self._logits(tf.gather(images, batch), (seed, step))
                batch_sums = _sums(logits, tf.gather(codes, batch), batch_weights)
                loss = tf.math.divide_no_nan(batch_sums[0], batch_sums[2])
            adam_step(
                self.parameters,
                self.momentums,
                self.velocities,
                tape.gradient(loss, self.parameters),
                iterations=self.iterations,
                learning_rate=self.learning_rate,
            )
            return step + 1, sums + tf.cast(batch_sums, tf.float64)

        return tf.while_loop(
            lambda step, _: step < last,
            train_step,
            (first, tf.zeros([3], tf.float64)),
            parallel_iterations=1,  # each step starts from the weights of the one before
        )[1]

    def _score_steps(
        self,
        images: tf.Tensor,
        codes: tf.Tensor,
        weights: tf.Tensor,
        first: tf.Tensor,
        last: tf.Tensor,
    ) -> tf.Tensor:
        def score_step(step: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            rows = slice(step * self.rows_per_step, (step + 1) * self.rows_per_step)
            batch_sums = _sums(self._logits(images[rows]), codes[rows], weights[rows])
            return step + 1, sums + tf.cast(batch_sums, tf.float64)

        return tf.while_loop(
            lambda step, _: step < last,
            score_step,
            (first, tf.zeros([3], tf.float64)),
            parallel_iterations=1,
        )[1]

    def _logits(self, images: tf.Tensor, dropout_seed: Any = None) -> tf.Tensor:
        def drop(x: tf.Tensor, number: int) -> tf.Tensor:
            seed, step = dropout_seed
            position = tf.cast(step * len(self.parameters) + number, tf.int64)
            return relu_dropout(x, self.dropped_of_65536, tf.stack([seed, position]))

        dropping = self.with_dropout and dropout_seed is not None
        return forward_pass(
            images, self.parameters, self.pixel_max, self.strides, drop if dropping else None
        )


def _sums(logits: tf.Tensor, codes: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Weighted sums of cross-entropy and of hits, and the sum of weights."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(codes, logits)
    hits = tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), codes), logits.dtype)
    return tf.stack(
        [tf.reduce_sum(weights * losses), tf.reduce_sum(weights * hits), tf.reduce_sum(weights)]
    )


def _means(sums: AnyArray) -> dict[str, float]:
    loss, hits, weight = sums
    return {"loss": loss / weight, "accuracy": hits / weight}


class NetworkPool:
    """Lends compiled networks and takes them back.

    Compiling costs seconds, and memory that TensorFlow never frees; overwriting costs neither.
    Threads get different networks. A pickled pool is empty when it is read.

    Parameters
    ----------
    capacity : int, default=16
        Networks kept while nobody uses them. The one least recently used goes first.
    """

    def __init__(self, capacity: int = 16) -> None:
        self.capacity = capacity
        self._idle: list[Network] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return NetworkPool, (self.capacity,)

    @contextmanager
    def lend(self, architecture: Architecture, pixel_dtype: str) -> Iterator[Network]:
        """A network that is the borrower's alone for as long as the context lasts."""
        network = self._take((architecture, pixel_dtype)) or Network(architecture, pixel_dtype)
        try:
            yield network
        finally:
            with self._lock:
                self._idle.append(network)
                del self._idle[: max(0, len(self._idle) - self.capacity)]

    def clear(self) -> None:
        """Forget the networks that nobody uses: their weights and Adam's moments are freed.

        What TensorFlow compiled for them stays with TensorFlow for as long as the process lives.
        """
        with self._lock:
            self._idle.clear()

    def _take(self, key: tuple[Architecture, str]) -> Network | None:
        with self._lock:
            for position in reversed(range(len(self._idle))):
                if self._idle[position].key == key:
                    return self._idle.pop(position)
        return None


pool = NetworkPool()
