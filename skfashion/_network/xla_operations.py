"""Operations for programs that XLA compiles for a graphics card.

With deterministic operations XLA compares no algorithms, and its matrix products of long rows take
very long: the time grew with the number of terms, as if one core of the card added up all of them.
So long sums are computed in parts here.
"""

import math
from collections.abc import Callable

from skfashion._network.patches import output_shape
from skfashion._network.tensorflow import tf

# A sum of more terms is computed in parts. With 23,232 terms, as in version 1, the product took
# 1.0 ms for a batch of 100 rows on an H200, and 0.06 ms in 48 parts.
_MAX_TERMS = 512

# If the parts would be shorter, as with a prime number of terms, there are none.
_MIN_TERMS = 64

# Limit for the patches of a batch, in bytes. Those of the second convolution of version 1 take 17
# MB, and saved 7 % of an epoch on an H200. Those of the third one, with 42 MB, cost 17 %.
_MAX_PATCH_BYTES = 25e6

# Largest kernel, in pixels, whose patches are taken. Each pixel is an operation that XLA compiles:
# with 7 x 7 pixels a first fit took three times as long on a processor.
_MAX_KERNEL_PIXELS = 9


def multiply(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Multiply two matrices. The number of columns of `x` must be known."""
    n_terms = x.shape[1]
    length = max(n for n in range(1, _MAX_TERMS + 1) if n_terms % n == 0)
    if n_terms <= _MAX_TERMS or length < _MIN_TERMS:
        return x @ kernel
    parts = tf.transpose(tf.reshape(x, [-1, n_terms // length, length]), [1, 0, 2])
    return tf.reduce_sum(parts @ tf.reshape(kernel, [n_terms // length, length, -1]), axis=0)


def convolve(x: tf.Tensor, kernel: tf.Tensor, strides: int) -> tf.Tensor:
    """Convolve with padding="valid".

    If kernel and patches are small, the gradient of the kernel is computed by patches.

    Parameters
    ----------
    x : tensor of shape (n, rows, columns, channels)
        The whole shape must be known.
    kernel : tensor of shape (kernel rows, kernel columns, channels, filters)
    strides : int

    Returns
    -------
    tensor of shape (n, output rows, output columns, filters)
    """
    n_patches = x.shape[0] * math.prod(output_shape(x, kernel, strides))
    n_bytes = n_patches * math.prod(kernel.shape.as_list()[:3]) * x.dtype.size
    n_pixels = math.prod(kernel.shape.as_list()[:2])
    if n_bytes > _MAX_PATCH_BYTES or n_pixels > _MAX_KERNEL_PIXELS:
        return tf.nn.conv2d(x, kernel, strides, "VALID")
    return _convolve(x, kernel, strides)


def _convolve(x: tf.Tensor, kernel: tf.Tensor, strides: int) -> tf.Tensor:
    """Compute the gradient of the kernel for each image, by a product of patches, and add them up.

    If there is one channel, the outputs are a product of patches too.
    """
    rows, columns = output_shape(x, kernel, strides)
    *_, channels, filters = kernel.shape.as_list()

    @tf.custom_gradient
    def apply(
        x: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        if channels == 1:
            patches = _slice_patches(x, kernel, strides)
            weights = tf.reshape(kernel, [-1, filters])
            outputs = tf.reshape(patches, [-1, patches.shape[2]]) @ weights
            outputs = tf.reshape(outputs, [-1, rows, columns, filters])
        else:
            outputs = tf.nn.conv2d(x, kernel, strides, "VALID")

        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            of_x = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x),
                filter=kernel,
                out_backprop=upstream,
                strides=[1, strides, strides, 1],
                padding="VALID",
            )
            by_patch = tf.reshape(upstream, [-1, rows * columns, filters])
            patches = _slice_patches(x, kernel, strides)  # XLA reuses those of the outputs
            by_image = tf.matmul(patches, by_patch, transpose_a=True)
            return of_x, tf.reshape(tf.reduce_sum(by_image, axis=0), kernel.shape)

        return outputs, gradients

    return apply(x, kernel)


def _slice_patches(x: tf.Tensor, kernel: tf.Tensor, strides: int) -> tf.Tensor:
    """Return a row for each output, a tensor of shape (n, outputs, pixels * channels)."""
    rows, columns = output_shape(x, kernel, strides)
    height, width, channels, _ = kernel.shape.as_list()
    pixels = [
        x[:, row : row + strides * rows : strides, column : column + strides * columns : strides]
        for row in range(height)
        for column in range(width)
    ]
    patches = tf.concat(pixels, axis=3)
    return tf.reshape(patches, [-1, rows * columns, height * width * channels])
