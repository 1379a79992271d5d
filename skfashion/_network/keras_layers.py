"""The Keras layers of the network."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from skfashion._network import onednn, patches, xla_operations
from skfashion._network.architecture import Architecture
from skfashion._network.tensorflow import is_tracing_program, keras, tf
from skfashion._network.training_state import EPSILON

# A shape. Its first number may be a tensor.
_Shape = Sequence[Any]

# Keras saves layers under the names of their modules and classes. The classes below have the names
# of the Keras classes that they replace, so they load without skfashion.


class Conv2D(keras.layers.Conv2D):
    """Keras' Conv2D, by oneDNN or matrix products where that is faster.

    See `onednn.is_needed`, `patches.are_faster` and `xla_operations.convolve` for where that is.
    With a bias it applies ReLU. Without one, batch normalization follows.

    Parameters
    ----------
    filters, kernel_size : int
    **kwargs
        Further arguments of `keras.layers.Conv2D`.
    """

    __module__ = "keras.layers"

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolve. With a bias, add it and apply ReLU."""
        kernel, strides = self.kernel.value, max(self.strides)
        bias = self.bias.value if self.use_bias else None
        if is_tracing_program(jit_compile=True):
            outputs = xla_operations.convolve(inputs, kernel, strides)
            return outputs if bias is None else tf.nn.relu(tf.nn.bias_add(outputs, bias))
        if patches.are_faster(inputs, kernel, strides):
            return patches.convolve(inputs, kernel, bias, strides)
        if onednn.is_needed(inputs, strides):
            return onednn.convolve(inputs, kernel, bias, strides)
        return super().call(inputs)


class MaxPooling2D(keras.layers.MaxPooling2D):
    """Keras' MaxPooling2D, by oneDNN where that is faster, and for programs that XLA compiles.

    XLA has no deterministic gradient of TensorFlow's operation. In the other form equal outputs
    share the gradient. In TensorFlow's the first one has it.

    Parameters
    ----------
    pool_size : int
    **kwargs
        Further arguments of `keras.layers.MaxPooling2D`.
    """

    __module__ = "keras.layers"

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Take the maximum of each square."""
        if not is_tracing_program(jit_compile=True):
            return onednn.max_pool(inputs, self.pool_size[0])
        size, (_, rows, columns, channels) = self.pool_size[0], inputs.shape.as_list()
        rows, columns = rows // size, columns // size
        kept = inputs[:, : rows * size, : columns * size]
        squares = tf.reshape(kept, [-1, rows, size, columns, size, channels])
        return tf.reduce_max(squares, axis=[2, 4])


class Dense(keras.layers.Dense):
    """Keras' Dense, with another matrix product for programs that XLA compiles.

    Parameters
    ----------
    units : int
    **kwargs
        Further arguments of `keras.layers.Dense`.
    """

    __module__ = "keras.layers"

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Multiply, add the bias and apply the activation."""
        if is_tracing_program(jit_compile=True):
            outputs = xla_operations.multiply(inputs, self.kernel.value)
            return self.activation(tf.nn.bias_add(outputs, self.bias.value))
        return super().call(inputs, training=training)


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' BatchNormalization in one TensorFlow operation, for float32.

    Keras' own takes several passes over the data. Other differences to it: the moving averages
    weigh each batch by 0.1 instead of 0.01, so that they suit trainings of few batches, and the
    variance is that of a sample (divided by n - 1).
    """

    __module__ = "keras.layers"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"momentum": 0.9, "scale": False, "epsilon": EPSILON, **kwargs})

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalize each channel, by the batch in training, else by the moving averages."""
        if not training or inputs.dtype != tf.float32:
            return super().call(inputs, training=training)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.ones_like(self.beta.value),
            offset=self.beta.value,
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.value.assign_sub((1 - self.momentum) * (moving.value - value))
        return outputs


class Dropout(keras.layers.Dropout):
    """Keras' Dropout with 1, 8 or 16 random bits per activation instead of the 32 of a float.

    With 8 bits this saved a quarter of a training step of version 2, and 1 bit saves more. The rate
    is rounded to 1/65536. 1 bit suffices for 0.5, and 8 bits for multiples of 1/256, such as 0.25.
    Rate and seed are variables, so that networks that differ in them share one compiled program.

    Parameters
    ----------
    rate : float
        Share of the inputs that are set to zero in training, in [0, 1).
    **kwargs
        Further arguments of `keras.layers.Dropout`.
    """

    __module__ = "keras.layers"

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        # TensorFlow's variables, because Keras would count its own as weights of the model. int64,
        # because TensorFlow keeps int32 variables on the host even if there is a GPU.
        with tf.init_scope():
            self._threshold = tf.Variable(_to_threshold(rate), dtype=tf.int64, trainable=False)
            self._seed = tf.Variable([0, 0], dtype=tf.int64, trainable=False)

    @property
    def rate(self) -> float:
        """Share of the inputs that are dropped. It can be set after compilation."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        if hasattr(self, "_threshold"):  # Keras' own __init__ sets the rate first
            self._threshold.assign(_to_threshold(rate))

    def set_seed(self, seed: int) -> None:
        """Set the seed of all masks that are drawn from now on."""
        self._seed.assign([seed, 0])

    def call(
        self, inputs: tf.Tensor, training: bool = False, n_rows: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Drop inputs in training, and scale up the others.

        With their number of rows given, the mask can be drawn before the inputs are known.
        """
        if not training:
            return inputs
        shape = [tf.shape(inputs)[0] if n_rows is None else n_rows, *inputs.shape.as_list()[1:]]
        seed = self._seed.assign_add([0, 1])
        is_half = tf.equal(self._threshold, 1 << 15)
        is_short = tf.equal(self._threshold % 256, 0)
        masks = [
            functools.partial(_draw_halves, inputs.dtype, shape, seed),
            functools.partial(self._draw_mask, tf.uint8, inputs.dtype, shape, seed),
            functools.partial(self._draw_mask, tf.uint16, inputs.dtype, shape, seed),
        ]
        if is_tracing_program(jit_compile=True):
            # Draw all three. At each branch the processor would wait for the card.
            half, short, long = (draw() for draw in masks)
            mask = tf.where(is_half, half, tf.where(is_short, short, long))
        else:
            mask = tf.switch_case(tf.where(is_half, 0, tf.where(is_short, 1, 2)), masks)
        # Not `tf.where`, whose gradient would take 6 % of a step of version 2.
        return inputs * mask

    def _draw_mask(
        self, drawn: tf.DType, dtype: tf.DType, shape: _Shape, seed: tf.Tensor
    ) -> tf.Tensor:
        """Draw zeros, and the scale where inputs are kept, by random integers of dtype `drawn`."""
        threshold = self._threshold // 2 ** (16 - 8 * drawn.size)
        kept = _draw(drawn, shape, seed) >= tf.cast(threshold, drawn)
        scale = tf.cast(65536 / (65536 - self._threshold), dtype)
        return tf.cast(kept, dtype) * scale


def _draw_halves(dtype: tf.DType, shape: _Shape, seed: tf.Tensor) -> tf.Tensor:
    """Draw zeros and twos, with a random bit for each."""
    size = tf.reduce_prod(shape)
    numbers = _draw(tf.uint8, [-(-size // 8)], seed)
    bits_of_numbers = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1)
    # Look up 8 numbers at a time. Operations on single bits take longer.
    mask = tf.gather(tf.constant(2 * bits_of_numbers, dtype), tf.cast(numbers, tf.int32))
    return tf.reshape(tf.reshape(mask, [-1])[:size], shape)


def _draw(dtype: tf.DType, shape: _Shape, seed: tf.Tensor) -> tf.Tensor:
    """Draw integers uniformly from all values of an unsigned dtype."""
    size = tf.reduce_prod(shape)
    per_word = 4 // dtype.size
    words = _draw_words(-(-size // per_word), seed)
    return tf.reshape(tf.reshape(tf.bitcast(words, dtype), [-1])[:size], shape)


def _draw_words(n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw 32-bit words, with the same bits as `tf.random.stateless_uniform(alg="philox")`.

    XLA would use only the lower half of each number of the seed there.
    """
    draw, philox = tf.raw_ops.StatelessRandomUniformFullIntV2, 1
    # TensorFlow mixes the seed by the same generator, with a key of its own.
    own_key, counter = tf.constant([0x02461E293EC8F720], tf.uint64), tf.bitcast(seed, tf.uint64)
    mixed = draw(shape=[2], key=own_key, counter=counter, alg=philox, dtype=tf.uint64)
    counter = mixed * tf.constant([0, 1], tf.uint64)
    return draw(shape=[n], key=mixed[:1], counter=counter, alg=philox, dtype=tf.int32)


def _to_threshold(rate: float) -> int:
    """Return the threshold: inputs whose 16-bit random number is below it are dropped."""
    return min(round(rate * 65536), 65535)


def build_layers(
    architecture: Architecture, dropout: float, *, plain: bool
) -> list[keras.layers.Layer]:
    """Make the layers of a network. They are not built, so they have no weights.

    Parameters
    ----------
    architecture : Architecture
    dropout : float
        The dropout rate.
    plain : bool
        Whether to make the network for prediction, of Keras' own layers alone. Batch normalization
        is folded into its weights then.

    Returns
    -------
    list of keras.layers.Layer
    """
    # Set everything for which Keras would use global settings, which are the user's. Without seeds
    # Keras would draw them from the module `random`.
    dtype = architecture.dtype
    weights = {"kernel_initializer": keras.initializers.Zeros(), "dtype": dtype}
    convolution: Any = keras.layers.Conv2D
    pooling: Any = keras.layers.MaxPooling2D
    dropping: Any = keras.layers.Dropout
    dense: Any = keras.layers.Dense
    if not plain:
        convolution, pooling, dropping, dense = Conv2D, MaxPooling2D, Dropout, Dense
    layers = []
    normalizes = architecture.batch_norm and not plain
    shapes = zip(architecture.filters, architecture.strides, architecture.pool_size, strict=True)
    for number, (filters, strides, pool) in enumerate(shapes, start=1):
        layers.append(
            convolution(
                filters,
                architecture.kernel_size,
                strides=strides,
                padding="valid",
                activation=None if normalizes else "relu",
                use_bias=not normalizes,
                data_format="channels_last",
                name=f"convolution_{number}",
                **weights,
            )
        )
        if pool > 1:
            layers.append(
                pooling(pool, data_format="channels_last", dtype=dtype, name=f"pooling_{number}")
            )
        if normalizes:
            layers.append(BatchNormalization(dtype=dtype, name=f"normalization_{number}"))
            layers.append(keras.layers.ReLU(dtype=dtype, name=f"relu_{number}"))
        if architecture.dropout:
            layers.append(dropping(dropout, seed=number, dtype=dtype, name=f"dropout_{number}"))
    layers.append(keras.layers.Flatten(data_format="channels_last", dtype=dtype, name="flatten"))
    if architecture.dense_units is not None:
        units = architecture.dense_units
        layers.append(dense(units, activation="relu", name="hidden", **weights))
    n_classes = architecture.n_classes
    layers.append(dense(n_classes, activation="softmax", name="output", **weights))
    return layers
