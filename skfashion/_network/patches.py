"""Convolutions with small outputs, as matrix products of patches."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from skfashion._network.tensorflow import chooses_onednn, is_tracing_program, tf

# Largest output, in pixels. With 9, a step of version 3 would take only 3 % less time.
_MAX_OUTPUT_PIXELS = 4


def are_faster(x: tf.Tensor, kernel: tf.Tensor, strides: int) -> bool:
    """Return whether to convolve by patches, because convolutions would take longer.

    If the output has few pixels, oneDNN's convolutions take about twice the processor time of
    matrix products. TensorFlow's own convolutions are as fast as matrix products. With fewer
    filters than input pixels, the gradient of the patches would have more multiplications than
    the product of the forward pass.
    """
    if not (x.dtype == tf.float32 and is_tracing_program() and chooses_onednn()):
        return False
    n_outputs = math.prod(output_shape(x, kernel, strides))
    n_pixels = math.prod(x.shape.as_list()[1:3])
    return n_outputs <= _MAX_OUTPUT_PIXELS and n_pixels <= kernel.shape[3]


def convolve(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | None, strides: int) -> tf.Tensor:
    """Return what `onednn.convolve` returns for the same arguments, up to rounding."""
    patches = _take_patches(x, _list_pixels(x, kernel, strides))
    outputs = _multiply(patches, tf.reshape(kernel, [-1, kernel.shape[3]]))
    if bias is not None:
        outputs = tf.nn.relu(tf.nn.bias_add(outputs, bias))
    return tf.reshape(outputs, [-1, *output_shape(x, kernel, strides), kernel.shape[3]])


def output_shape(x: tf.Tensor, kernel: tf.Tensor, strides: int) -> list[int]:
    """Return rows and columns of the output."""
    sizes = zip(x.shape.as_list()[1:3], kernel.shape.as_list()[:2], strict=True)
    return [(size - kernel_size) // strides + 1 for size, kernel_size in sizes]


def _list_pixels(x: tf.Tensor, kernel: tf.Tensor, strides: int) -> NDArray[np.int64]:
    """Return the numbers of the pixels of each patch, an array of shape (outputs, pixels)."""
    rows, columns = x.shape.as_list()[1:3]
    pixels = np.arange(rows * columns).reshape(rows, columns)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, kernel.shape.as_list()[:2])
    windows = windows[::strides, ::strides]
    return windows.reshape(windows.shape[0] * windows.shape[1], -1)


def _take_patches(x: tf.Tensor, pixels: NDArray[np.int64]) -> tf.Tensor:
    """Return a row for each patch, a tensor of shape (n * outputs, pixels * channels)."""
    _, rows, columns, channels = x.shape.as_list()

    @tf.custom_gradient
    def take(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        images = tf.reshape(x, [-1, rows * columns, channels])
        patches = tf.gather(images, pixels.ravel(), axis=1)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            # Add up patches that overlap. Faster than the gradient of `tf.gather`.
            places = tf.one_hot(pixels.ravel(), rows * columns, axis=0, dtype=x.dtype)
            sums = places[None] @ tf.reshape(upstream, [-1, pixels.size, channels])
            return tf.reshape(sums, tf.shape(x))

        return tf.reshape(patches, [-1, pixels.shape[1] * channels]), gradient

    return take(x)


@tf.custom_gradient
def _multiply(
    patches: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    # TensorFlow computes a product of this size with one thread. Two halves take two.
    n_parts = 2 - tf.shape(patches)[0] % 2
    parts = tf.reshape(patches, [n_parts, -1, patches.shape[1]])
    outputs = tf.reshape(parts @ kernel[None], [-1, kernel.shape[1]])

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # These two run at the same time.
        return (
            tf.matmul(upstream, kernel, transpose_b=True),
            tf.matmul(patches, upstream, transpose_a=True),
        )

    return outputs, gradient
