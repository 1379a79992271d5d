"""The costly operations of a training step, each in the cheapest form found for a CPU.

Convolutions and Adam differ from Keras' own in the order of their sums alone, dropout in how its
random numbers are drawn. The figures are of one
step of a batch of 100 on two cores, beside Keras' form in the same run.
"""

import functools
import os
import platform
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skfashion._network.tensorflow import tf

# Adam's defaults in Keras (Kingma, Ba: Adam, ICLR 2015, algorithm 1, with Keras' epsilon).
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7


def convolve_pixels(images: tf.Tensor, kernel: tf.Tensor, strides: int) -> tf.Tensor:
    """A valid convolution of images with one channel.

    One matrix product, forwards and backwards, once the patches are gathered; pixel by pixel
    from all images at once they cost next to nothing (v1: 0.9 instead of 3.4 ms).

    Parameters
    ----------
    images : tensor of shape (n, rows, columns, 1)
    kernel : tensor of shape (kernel rows, kernel columns, 1, filters)
    strides : int

    Returns
    -------
    tensor of shape (n, rows, columns, filters)
    """
    size, _, _, filters = kernel.shape
    # As many patches of a large kernel would need more than twice the memory of the output.
    if size**2 > 2 * filters:
        return convolve(images, kernel, strides)
    rows, columns = images.shape[1:3]
    pixels = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    patches = np.lib.stride_tricks.sliding_window_view(pixels, (size, size))[::strides, ::strides]
    height, width = patches.shape[:2]
    n = tf.shape(images)[0]
    by_pixel = tf.transpose(tf.reshape(images, [n, rows * columns]))
    gathered = tf.gather(by_pixel, patches.reshape(-1, size**2).T.ravel())
    outputs = tf.matmul(
        tf.reshape(gathered, [size**2, height * width * n]),
        tf.reshape(kernel, [size**2, filters]),
        transpose_a=True,
    )
    outputs = tf.transpose(tf.reshape(outputs, [height * width, n, filters]), [1, 0, 2])
    return tf.reshape(outputs, [n, height, width, filters])


def convolve(x: tf.Tensor, kernel: tf.Tensor, strides: int) -> tf.Tensor:
    """A valid convolution.

    At strides 1 by oneDNN's kernels, which TensorFlow by itself takes only where the processor has
    instructions for neural networks (AVX-512 VNNI, say), but which are faster with AVX2 too (a
    step of v1 takes a fifth less time). At larger strides they are slower there (v2's step: 10.2
    instead of 7.3 ms) and the choice stays TensorFlow's.

    Parameters
    ----------
    x : tensor of shape (n, rows, columns, channels)
    kernel : tensor of shape (kernel rows, kernel columns, channels, filters)
    strides : int

    Returns
    -------
    tensor of shape (n, rows, columns, filters)
    """
    if strides == 1 and x.dtype == tf.float32 and _onednn_convolves():
        return _onednn_convolution(x, kernel)
    return tf.nn.conv2d(x, kernel, strides, "VALID")


@tf.custom_gradient
def _onednn_convolution(
    x: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable[..., tuple[tf.Tensor, tf.Tensor]]]:
    rows, columns, _, filters = kernel.shape
    shape = [None, x.shape[1] - rows + 1, x.shape[2] - columns + 1, filters]

    def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return (
            _onednn("Conv2DBackpropInput", [tf.shape(x), kernel, upstream], x.shape),
            _onednn("Conv2DBackpropFilter", [x, tf.shape(kernel), upstream], kernel.shape),
        )

    return _onednn("Conv2D", [x, kernel], shape), gradients


def _onednn(operation: str, inputs: Sequence[tf.Tensor], shape: Any) -> tf.Tensor:
    """A node of the graph being traced for which TensorFlow may not choose the kernel.

    Python has no function that makes it: it is read as part of a graph.
    """
    graph = tf.compat.v1.GraphDef()
    names = [f"input_{number}" for number in range(len(inputs))]
    for name, tensor in zip(names, inputs, strict=True):
        placeholder = graph.node.add(name=name, op="Placeholder")
        placeholder.attr["dtype"].type = tensor.dtype.as_datatype_enum
    node = graph.node.add(name="output", op=f"_MklNative{operation}", input=names)
    node.attr["T"].type = tf.float32.as_datatype_enum
    node.attr["strides"].list.i.extend([1, 1, 1, 1])
    node.attr["padding"].s = b"VALID"
    node.attr["_kernel"].s = b"MklNameChangeOp"
    (output,) = tf.graph_util.import_graph_def(
        graph, dict(zip(names, inputs, strict=True)), ["output:0"], name="onednn"
    )
    return tf.ensure_shape(output, shape)


@functools.cache
def _onednn_convolves() -> bool:
    """Whether the kernels are there, are wanted, and compute what TensorFlow's own do."""
    elsewhere = platform.machine() not in ("x86_64", "AMD64")  # where nothing was measured
    switched_off = os.environ.get("TF_ENABLE_ONEDNN_OPTS") in ("0", "false")
    if elsewhere or switched_off or tf.config.get_visible_devices("GPU"):
        return False

    @tf.function(autograph=False)
    def difference(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        ours, theirs = _onednn_convolution(x, kernel), tf.nn.conv2d(x, kernel, 1, "VALID")
        pairs = zip(
            [ours, *tf.gradients(ours, [x, kernel])],
            [theirs, *tf.gradients(theirs, [x, kernel])],
            strict=True,
        )
        return tf.reduce_max([tf.reduce_max(tf.abs(a - b)) for a, b in pairs])

    rng = np.random.default_rng(0)
    x, kernel = (rng.random(shape, np.float32) for shape in ((2, 5, 4, 3), (3, 3, 3, 4)))
    try:
        with tf.init_scope():  # out of the graph being traced
            x, kernel = tf.constant(x), tf.constant(kernel)
            # Not by a call, which `tf.config.run_functions_eagerly` would make eager.
            return bool(difference.get_concrete_function(x, kernel)(x, kernel) < 1e-4)
    except (ValueError, tf.errors.OpError):  # no such operation, or no kernel for it
        return False


def relu_dropout(x: tf.Tensor, dropped_of_65536: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Inverted dropout of the rectified input.

    Each activation has a random number of its own, of 8 bits where they give the rate exactly,
    else of 16, instead of the 32 of a float (v2: 1.1 and 1.4 instead of 2.3 ms for all layers).
    What is kept is scaled by just that rate, which is rounded to 1/65536.

    Parameters
    ----------
    x : tensor
    dropped_of_65536 : int32 tensor, 0 to 65535
        The rate of dropout, times 65536.
    seed : int64 tensor of shape (2,)

    Returns
    -------
    tensor of the shape of `x`
    """
    kept = tf.cond(
        tf.equal(dropped_of_65536 % 256, 0),
        lambda: _random(tf.shape(x), tf.uint8, seed) >= tf.cast(dropped_of_65536 // 256, tf.uint8),
        lambda: _random(tf.shape(x), tf.uint16, seed) >= tf.cast(dropped_of_65536, tf.uint16),
    )
    scale = 65536 / tf.cast(65536 - dropped_of_65536, x.dtype)

    @tf.custom_gradient
    def drop(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        y = tf.where(kept, tf.nn.relu(x) * scale, tf.zeros([], x.dtype))
        # Not zero is what was kept and positive: the one mask is both masks.
        return y, lambda upstream: tf.raw_ops.ReluGrad(gradients=upstream * scale, features=y)

    return drop(x)


def _random(shape: tf.Tensor, dtype: tf.DType, seed: tf.Tensor) -> tf.Tensor:
    """Uniform integers over all values of an unsigned type."""
    size = tf.reduce_prod(shape)
    per_word = 4 // dtype.size
    words = tf.random.stateless_uniform(
        [(size + per_word - 1) // per_word],
        seed,
        minval=None,
        maxval=None,
        dtype=tf.int32,
        alg="philox",
    )
    return tf.reshape(tf.reshape(tf.bitcast(words, dtype), [-1])[:size], shape)


def adam_step(
    parameters: Sequence[tf.Variable],
    momentums: Sequence[tf.Variable],
    velocities: Sequence[tf.Variable],
    gradients: Sequence[tf.Tensor],
    *,
    iterations: tf.Variable,
    learning_rate: tf.Variable,
) -> None:
    """Keras' Adam, a single kernel for each parameter (v1: 2 instead of 12 ms).

    Parameters
    ----------
    parameters, momentums, velocities : list of tf.Variable
        Overwritten.
    gradients : list of tensor
    iterations : int64 tf.Variable
        Steps taken; one is added.
    learning_rate : tf.Variable
    """
    dtype = learning_rate.dtype
    t = tf.cast(iterations.assign_add(1), dtype)
    beta_1, beta_2, epsilon = (tf.constant(c, dtype) for c in (_BETA_1, _BETA_2, _EPSILON))
    powers = tf.pow(beta_1, t), tf.pow(beta_2, t)
    for parameter, momentum, velocity, gradient in zip(
        parameters, momentums, velocities, gradients, strict=True
    ):
        tf.raw_ops.ResourceApplyAdam(
            var=parameter.handle,
            m=momentum.handle,
            v=velocity.handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=learning_rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=epsilon,
            grad=gradient,
        )
