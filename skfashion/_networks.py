"""An `Architecture` as a compiled Keras network, and the pool that lends such networks."""

import functools
import threading
from contextlib import contextmanager
from math import prod

import numpy as np

from skfashion._architecture import TrainingState
from skfashion._operations import adam_step, convolve, convolve_pixels, relu_dropout
from skfashion._tensorflow import keras, tf

# Steps per call into TensorFlow: the call's own millisecond does not show beside them, and
# between two calls Python sees a Ctrl-C.
_STEPS_PER_CALL = 16

# Bytes of the largest feature map at a time where nothing is learnt: many rows need no more memory,
# and what stays in the cache is faster (10,000 rows of v1: 1.5 instead of 2.1 s for 1,000 at once).
_FEATURE_BYTES = 16e6


def build_sequential(architecture, weights, *, image_shape, pixel_max, dropout):
    """A plain Keras model of a trained network: raw pixels in, class probabilities out.

    Parameters
    ----------
    architecture : Architecture
    weights : list of ndarray
    image_shape : tuple of two int
        Before zero-padding.
    pixel_max : float
    dropout : float

    Returns
    -------
    keras.Sequential
        Of Keras' own layers only, called once so that its exports work.
    """
    # Whatever Keras would otherwise take from its global settings is passed: the user's settings
    # are not ours. Names spare its counters of names, seeds its draws from the module `random`.
    dtype = architecture.dtype
    spatial = {"data_format": "channels_last", "dtype": dtype}
    with_parameters = {"kernel_initializer": keras.initializers.Zeros(), "dtype": dtype}
    layers = [
        keras.Input((*image_shape, 1), dtype=dtype, name="pixels"),
        keras.layers.Rescaling(1 / pixel_max, dtype=dtype, name="rescaling"),
    ]
    if image_shape != architecture.image_shape:
        bottom, right = np.subtract(architecture.image_shape, image_shape).tolist()
        padding = ((0, bottom), (0, right))
        layers.append(keras.layers.ZeroPadding2D(padding, name="zero_padding", **spatial))
    for number, filters in enumerate(architecture.filters, start=1):
        layers.append(
            keras.layers.Conv2D(
                filters,
                architecture.kernel_size,
                strides=architecture.strides,
                padding="valid",
                activation="relu",
                name=f"convolution_{number}",
                **with_parameters | spatial,
            )
        )
        if architecture.dropout:
            layers.append(
                keras.layers.Dropout(dropout, seed=number, dtype=dtype, name=f"dropout_{number}")
            )
    layers.append(keras.layers.Flatten(name="flatten", **spatial))
    for units, activation, name in (
        (architecture.dense_units, "relu", "hidden"),
        (architecture.n_classes, "softmax", "output"),
    ):
        layers.append(
            keras.layers.Dense(units, activation=activation, name=name, **with_parameters)
        )
    model = keras.Sequential(layers, name="fashion_cnn")
    model.set_weights(weights)
    model(np.zeros((1, *image_shape, 1), dtype))
    return model


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

    def __init__(self, architecture, pixel_dtype):
        dtype = architecture.dtype
        super().__init__(name="fashion_cnn", dtype=dtype)
        self.key = architecture, pixel_dtype
        self.strides = architecture.strides
        self.with_dropout = architecture.dropout
        self.rows_per_step = _rows_at_a_time(architecture)
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
        self._train_steps = _program(
            self._train_steps, [*rows, order, number, number, number, seed]
        )
        self._score_rows = _program(self._score_rows, rows)
        # The wrapper that calls `fit` compiles what is not compiled. The optimizer is named for it
        # and for readers; its step is `adam_step`, whose variables ignore the user's `floatx`.
        self.compile(
            optimizer=keras.optimizers.Adam(name="adam"), loss="sparse_categorical_crossentropy"
        )

    # What the network is told and asked.

    def prepare(self, state, *, learning_rate, dropout, pixel_max):
        """Overwrite all that an earlier training may have left."""
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

    def state(self):
        """A copy of the training state."""
        weights, momentums, velocities = (
            [variable.numpy().copy() for variable in variables]
            for variables in (self.parameters, self.momentums, self.velocities)
        )
        return TrainingState(weights, momentums, velocities, int(self.iterations.numpy()))

    def fit(self, x, y, *, run, **_):
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

    def train_epoch(self, rows, order, batch_size, seed):
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
        steps = -(-len(order) // batch_size)
        sums = np.zeros(3)
        for first in range(0, steps, _STEPS_PER_CALL):
            last = min(first + _STEPS_PER_CALL, steps)
            sums += self._train_steps(*rows, order, batch_size, first, last, seed).numpy()
        return _means(sums)

    def score_rows(self, rows):
        """The same means as `train_epoch`, learning nothing."""
        return _means(self._score_rows(*rows).numpy())

    # What is traced: a program for training and one for scoring.

    def _train_steps(self, images, codes, weights, order, batch_size, first, last, seed):
        def train_step(step, sums):
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

    def _score_rows(self, images, codes, weights):
        def score_step(first, sums):
            rows = slice(first, first + self.rows_per_step)
            batch_sums = _sums(self._logits(images[rows]), codes[rows], weights[rows])
            return first + self.rows_per_step, sums + tf.cast(batch_sums, tf.float64)

        return tf.while_loop(
            lambda first, _: first < tf.size(codes),
            score_step,
            (0, tf.zeros([3], tf.float64)),
            parallel_iterations=1,
        )[1]

    def _logits(self, images, dropout_seed=None):
        def drop(x, number):
            seed, step = dropout_seed
            position = tf.cast(step * len(self.parameters) + number, tf.int64)
            return relu_dropout(x, self.dropped_of_65536, tf.stack([seed, position]))

        dropping = self.with_dropout and dropout_seed is not None
        return _forward_pass(
            images, self.parameters, self.pixel_max, self.strides, drop if dropping else None
        )


def _forward_pass(images, parameters, pixel_max, strides, drop=None):
    """Outputs of the last layer; `drop` rectifies in place of relu, given the layer's number."""
    *convolutions, hidden, output = zip(parameters[::2], parameters[1::2], strict=True)
    x = images
    if x.dtype == tf.uint8:
        x = tf.cast(x, pixel_max.dtype) / pixel_max
    for number, (kernel, bias) in enumerate(convolutions):
        layer = convolve if number else convolve_pixels
        # A custom gradient takes tensors, not variables.
        x = tf.nn.bias_add(layer(x, tf.convert_to_tensor(kernel), strides), bias)
        x = drop(x, number) if drop else tf.nn.relu(x)
    x = tf.reshape(x, [tf.shape(x)[0], -1])
    x = tf.nn.relu(x @ hidden[0] + hidden[1])
    return x @ output[0] + output[1]


def _rows_at_a_time(architecture):
    largest = max(map(prod, architecture.feature_maps)) * np.dtype(architecture.dtype).itemsize
    return max(1, int(_FEATURE_BYTES // largest))


def logits(architecture, images, weights, pixel_max):
    """Outputs of the last layer, by a program that holds no weights: all threads share it.

    Parameters
    ----------
    architecture : Architecture
    images : ndarray of shape (n, rows, columns, 1)
    weights : list of ndarray
    pixel_max : float

    Returns
    -------
    ndarray of shape (n, n_classes)
    """
    program = _prediction_program(architecture, images.dtype.name)
    pixel_max = tf.constant(pixel_max, architecture.dtype)
    weights = [tf.constant(weight) for weight in weights]
    rows = _rows_at_a_time(architecture)
    parts = [
        program(tf.constant(images[first : first + rows]), pixel_max, *weights)
        for first in range(0, len(images), rows)
    ]
    return np.concatenate(parts)


@functools.lru_cache(maxsize=16)
def _prediction_program(architecture, pixel_dtype):
    def predict(images, pixel_max, *weights):
        return _forward_pass(images, weights, pixel_max, architecture.strides)

    shapes = [[], *architecture.parameter_shapes]
    signature = [tf.TensorSpec([None, *architecture.image_shape, 1], pixel_dtype)]
    signature += [tf.TensorSpec(shape, architecture.dtype) for shape in shapes]
    return _program(predict, signature)


def _program(function, signature):
    """A function traced at its first call.

    Not called by way of `tf.function`, which takes the programs of several networks for one that
    is traced again and again, and warns.
    """

    @functools.cache
    def trace():
        traced = tf.function(function, input_signature=signature, autograph=False)
        return traced.get_concrete_function()

    return lambda *arguments: trace()(*arguments)


def _sums(logits, codes, weights):
    """Weighted sums of cross-entropy and of hits, and the sum of weights."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(codes, logits)
    hits = tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), codes), logits.dtype)
    return tf.stack(
        [tf.reduce_sum(weights * losses), tf.reduce_sum(weights * hits), tf.reduce_sum(weights)]
    )


def _means(sums):
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

    def __init__(self, capacity=16):
        self.capacity = capacity
        self._idle = []
        self._lock = threading.Lock()

    def __reduce__(self):
        return NetworkPool, (self.capacity,)

    @contextmanager
    def lend(self, architecture, pixel_dtype):
        """A network that is the borrower's alone for as long as the context lasts."""
        network = self._take((architecture, pixel_dtype)) or Network(architecture, pixel_dtype)
        try:
            yield network
        finally:
            with self._lock:
                self._idle.append(network)
                del self._idle[: max(0, len(self._idle) - self.capacity)]

    def clear(self):
        """Forget the networks that nobody uses: their weights and Adam's moments are freed.

        What TensorFlow compiled for them stays with TensorFlow for as long as the process lives.
        """
        with self._lock:
            self._idle.clear()

    def _take(self, key):
        with self._lock:
            for position in reversed(range(len(self._idle))):
                if self._idle[position].key == key:
                    return self._idle.pop(position)
        return None


pool = NetworkPool()
