"""The network as TensorFlow computes it: its operations, and programs that predict by them."""

import functools
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from skfashion._network.architecture import Architecture
from skfashion._network.operations import convolve, convolve_pixels
from skfashion._network.tensorflow import tf
from skfashion._utils.types import AnyArray, FloatArray

# Bytes of the largest feature map at a time where nothing is learnt: many rows need no more memory,
# and what stays in the cache is faster (10,000 rows of v1: 1.5 instead of 2.1 s for 1,000 at once).
_FEATURE_BYTES = 16e6


def forward_pass(
    images: tf.Tensor,
    parameters: Sequence[tf.Tensor],
    pixel_max: tf.Tensor,
    strides: int,
    drop: Callable[[tf.Tensor, int], tf.Tensor] | None = None,
) -> tf.Tensor:
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


def rows_at_a_time(architecture: Architecture) -> int:
    """How many images are best predicted together."""
    largest = max(map(prod, architecture.feature_maps)) * np.dtype(architecture.dtype).itemsize
    return max(1, int(_FEATURE_BYTES // largest))


def logits(
    architecture: Architecture,
    images: AnyArray,
    weights: Sequence[FloatArray],
    pixel_max: float,
) -> FloatArray:
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
    predict = _prediction_program(architecture, images.dtype.name)
    pixel_max = tf.constant(pixel_max, architecture.dtype)
    weights = [tf.constant(weight) for weight in weights]
    rows = rows_at_a_time(architecture)
    parts = [
        predict(tf.constant(images[first : first + rows]), pixel_max, *weights)
        for first in range(0, len(images), rows)
    ]
    return np.concatenate(parts)


@functools.lru_cache(maxsize=16)
def _prediction_program(architecture: Architecture, pixel_dtype: str) -> Callable[..., Any]:
    def predict(images: tf.Tensor, pixel_max: tf.Tensor, *weights: tf.Tensor) -> tf.Tensor:
        return forward_pass(images, weights, pixel_max, architecture.strides)

    shapes = [[], *architecture.parameter_shapes]
    signature = [tf.TensorSpec([None, *architecture.image_shape, 1], pixel_dtype)]
    signature += [tf.TensorSpec(shape, architecture.dtype) for shape in shapes]
    return program(predict, signature)


def program(function: Callable[..., Any], signature: list[tf.TensorSpec]) -> Callable[..., Any]:
    """A function traced at its first call.

    Not called by way of `tf.function`, which takes the programs of several networks for one that
    is traced again and again, and warns.
    """

    @functools.cache
    def trace() -> Callable[..., Any]:
        traced = tf.function(function, input_signature=signature, autograph=False)
        return traced.get_concrete_function()

    return lambda *arguments: trace()(*arguments)
