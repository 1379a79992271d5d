"""The layers of the network in Keras, a plain model of them, and compiled functions."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from skfashion._network.architecture import Architecture
from skfashion._network.tensorflow import computing_eagerly, keras, tf
from skfashion._utils.arrays import is_aligned
from skfashion._utils.types import AnyArray, FloatArray, ImageShape

Program: TypeAlias = Callable[..., Any]  # a compiled function


@contextmanager
def keep_name_counters() -> Iterator[None]:
    """Leave this thread's counters of Keras as they were: by them it names the user's models.

    A model that is built counts them up, whatever names it is given, and Keras has no public way
    to set them back.
    """
    from keras.src.backend.common import global_state

    before = dict(global_state.get_global_attribute("object_name_uids", {}))
    try:
        yield
    finally:
        counters = global_state.get_global_attribute("object_name_uids", {})
        counters.clear()
        counters.update(before)


# Keras saves a layer and an optimizer under the names of their classes: under those of Keras' own,
# which they stand for, they load without skfashion.


class Dropout(keras.layers.Dropout):
    """Keras' Dropout with 16 random bits for each activation instead of the 32 of a float.

    They take a quarter off a training step of version 2. The rate is rounded to 1/65536. Rate
    and seed are variables, so that networks that differ in them share one compiled program.

    Parameters
    ----------
    rate : float
        Share of the inputs that is set to zero in training, in [0, 1).
    **kwargs
        Further arguments of `keras.layers.Dropout`.
    """

    __module__ = "keras.layers"

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        # Plain variables: Keras would count its own among the weights of the model. int64,
        # because TensorFlow keeps int32 variables on the host even where there is a GPU.
        with tf.init_scope():
            self._threshold = tf.Variable(_to_threshold(rate), dtype=tf.int64, trainable=False)
            self._seed = tf.Variable([0, 0], dtype=tf.int64, trainable=False)

    @property
    def rate(self) -> float:
        """Share that is dropped. It may be set when the layer is compiled already."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        if hasattr(self, "_threshold"):  # not while Keras initialises the layer
            self._threshold.assign(_to_threshold(rate))

    def set_seed(self, seed: int) -> None:
        """Decide all masks that are drawn from now on."""
        self._seed.assign([seed, 0])

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Drop inputs in training, and scale up those that are kept."""
        if not training:
            return inputs
        size = tf.size(inputs)
        words = tf.random.stateless_uniform(
            [(size + 1) // 2], self._seed.assign_add([0, 1]), None, None, tf.int32, "philox"
        )
        halves = tf.reshape(tf.reshape(tf.bitcast(words, tf.uint16), [-1])[:size], tf.shape(inputs))
        kept = tf.cast(halves >= tf.cast(self._threshold, tf.uint16), inputs.dtype)
        # A product: the gradient of `tf.where` would cost 6 % of a step of version 2.
        return inputs * (kept * tf.cast(65536 / (65536 - self._threshold), inputs.dtype))


def _to_threshold(rate: float) -> int:
    """Below it lie the random numbers of 16 bits whose inputs are dropped."""
    return min(round(rate * 65536), 65535)


class Adam(keras.optimizers.Adam):
    """Keras' Adam, updating each array of weights by one operation of TensorFlow.

    That takes 8 % off a training step of version 1. The learning rate has the precision of the
    network, where Keras would take the user's global `floatx`.

    Parameters
    ----------
    learning_rate : float
    dtype : {"float32", "float64"} or None, default=None
        Of the learning rate. None is the user's `floatx`, as in Keras.
    **kwargs
        Further arguments of `keras.optimizers.Adam`.
    """

    __module__ = "keras.optimizers"
    _learning_rate: keras.Variable

    def __init__(self, learning_rate: float, dtype: str | None = None, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self._untrack_variable(self._learning_rate)
        self._learning_rate = keras.Variable(
            learning_rate, dtype=dtype, trainable=False, name="learning_rate"
        )

    def _backend_update_step(
        self, grads: list[tf.Tensor], trainable_variables: list[Any], learning_rate: tf.Tensor
    ) -> None:
        """Update all variables.

        Keras' way by `tf.distribute` keeps every graph that it was traced in until the process
        ends, and with it the weights and the optimizer.
        """
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, getattr(variable, "value", variable), learning_rate)

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Update a variable and its moments."""
        dtype = variable.dtype
        number = self._get_variable_index(variable)
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        step = tf.cast(self.iterations.value + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[number].value.handle,
            v=self._velocities[number].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.constant(self.epsilon, dtype),
            grad=gradient,
        )


def build_layers(
    architecture: Architecture,
    dropout: float,
    dropout_layer: type[keras.layers.Dropout],
) -> list[keras.layers.Layer]:
    """Make the layers of a network, without weights yet.

    Parameters
    ----------
    architecture : Architecture
    dropout : float
        The rate.
    dropout_layer : type
        `Dropout`, or Keras' own.

    Returns
    -------
    list of keras.layers.Layer
    """
    # Whatever Keras would take from its global settings is given: those are the user's. Seeds spare
    # it draws from the module `random`.
    dtype = architecture.dtype
    weights = {"kernel_initializer": keras.initializers.Zeros(), "dtype": dtype}
    layers = []
    for number, filters in enumerate(architecture.filters, start=1):
        layers.append(
            keras.layers.Conv2D(
                filters,
                architecture.kernel_size,
                strides=architecture.strides,
                padding="valid",
                activation="relu",
                data_format="channels_last",
                name=f"convolution_{number}",
                **weights,
            )
        )
        if architecture.dropout:
            layers.append(
                dropout_layer(dropout, seed=number, dtype=dtype, name=f"dropout_{number}")
            )
    return [
        *layers,
        keras.layers.Flatten(data_format="channels_last", dtype=dtype, name="flatten"),
        keras.layers.Dense(architecture.dense_units, activation="relu", name="hidden", **weights),
        keras.layers.Dense(architecture.n_classes, activation="softmax", name="output", **weights),
    ]


@computing_eagerly()
@keep_name_counters()
def build_sequential(
    architecture: Architecture,
    weights: Sequence[FloatArray],
    *,
    image_shape: ImageShape,
    pixel_max: float,
    dropout: float,
) -> keras.Sequential:
    """Make a plain Keras model of a trained network, from raw pixels to probabilities.

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
    dtype = architecture.dtype
    layers = [
        keras.Input((*image_shape, 1), dtype=dtype, name="pixels"),
        keras.layers.Rescaling(1 / pixel_max, dtype=dtype, name="rescaling"),
    ]
    if image_shape != architecture.image_shape:
        bottom, right = np.subtract(architecture.image_shape, image_shape).tolist()
        layers.append(
            keras.layers.ZeroPadding2D(
                ((0, bottom), (0, right)),
                data_format="channels_last",
                dtype=dtype,
                name="zero_padding",
            )
        )
    layers += build_layers(architecture, dropout, keras.layers.Dropout)
    model = keras.Sequential(layers, name="fashion_cnn")
    model.set_weights(weights)
    model(np.zeros((1, *image_shape, 1), dtype))
    return model


def scale_pixels(images: tf.Tensor, pixel_max: tf.Tensor) -> tf.Tensor:
    """Divide bytes by the largest pixel value; floats were divided before."""
    return tf.cast(images, pixel_max.dtype) / pixel_max if images.dtype == tf.uint8 else images


def share_array(array: AnyArray) -> tf.Tensor:
    """Make a tensor that shares the memory of an array, which must not change any more.

    Of an array whose memory TensorFlow cannot take it makes a copy, as of what is for a GPU.
    """
    if not (is_aligned(array) and array.flags.writeable):  # others cannot be handed over
        return tf.constant(array)
    return tf.identity(tf.experimental.dlpack.from_dlpack(array.__dlpack__()))


def compile_function(function: Callable[..., Any], signature: list[tf.TensorSpec]) -> Program:
    """Compile a function of tensors at its first call.

    Not called by way of `tf.function`, which would take functions of several networks for one
    that is traced again and again, and warn.
    """

    @functools.cache
    def trace() -> Program:
        traced = tf.function(function, input_signature=signature, autograph=False)
        return traced.get_concrete_function()

    def call(*arguments: Any) -> Any:
        program = trace()
        with tf.init_scope():  # for no tape of the caller
            return program(*arguments)

    return call
