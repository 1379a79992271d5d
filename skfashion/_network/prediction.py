"""Prediction with a trained network: in NumPy, or in TensorFlow if that is faster."""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skfashion._network import numpy_model
from skfashion._network.architecture import Architecture, LayerName
from skfashion._utils.types import AnyArray, FloatArray

# For more multiply-adds TensorFlow is faster, although it must be given the weights each time:
# about 60 images of version 1, or 1,000 of version 2.
_MULTIPLY_ADDS_WORTH_TENSORFLOW = 500e6

# Limit for the largest feature map of a batch, in bytes, by whether TensorFlow chooses oneDNN. If
# so, 10,000 images of version 1 take 1.2 s with 16e6 and 1.0 s with 48e6, and no less with more. If
# not, they take 1.2 to 1.3 s with 16e6 and 1.4 to 1.6 s with 48e6: large arrays are new memory.
_MAX_FEATURE_MAP_BYTES = {True: 48e6, False: 16e6}


def predict_outputs(
    images: AnyArray,
    weights: Sequence[FloatArray],
    architecture: Architecture,
    pixel_max: float,
    layer: LayerName = "output",
) -> FloatArray:
    """Compute the logits, or the inputs of the output layer.

    TensorFlow computes them if this process has started it, by `fit`, `partial_fit` or `to_keras`
    of a FashionCNN, if the process was not forked since, and if the images need more than 500
    million multiply-adds. Otherwise NumPy computes them, and an image has the same bits alone and
    in any batch. The probabilities differ by less than 1e-5.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns, 1)
        Bytes are divided by `pixel_max` here. Floats must have been divided already.
    weights : list of ndarray
        In the order of `architecture.parameter_shapes`.
    architecture : Architecture
    pixel_max : float
    layer : {"hidden", "output"}, default="output"
        As in `numpy_model.compute_outputs`.

    Returns
    -------
    outputs : ndarray of shape (n, units), in the dtype of `weights`
    """
    work = len(images) * architecture.n_multiply_adds
    if work > _MULTIPLY_ADDS_WORTH_TENSORFLOW and _tensorflow_runs_here():
        return _predict_with_tensorflow(images, weights, architecture, pixel_max, layer)
    with np.errstate(all="ignore"):  # the caller checks for non-finite values
        return numpy_model.compute_outputs(images, weights, architecture, pixel_max, layer)


def _tensorflow_runs_here() -> bool:
    # While another thread imports it, the module exists without its functions.
    runs_here = getattr(sys.modules.get("skfashion._network.tensorflow"), "runs_here", None)
    return runs_here is not None and runs_here()


def _predict_with_tensorflow(
    images: AnyArray,
    weights: Sequence[FloatArray],
    architecture: Architecture,
    pixel_max: float,
    layer: LayerName,
) -> FloatArray:
    from skfashion._network.tensorflow import (
        chooses_onednn,
        compiles_with_xla,
        computing_eagerly,
        explaining_memory_errors,
        tf,
    )
    from skfashion._network.xla import pad_rows

    rows = architecture.batch_size_within(_MAX_FEATURE_MAP_BYTES[chooses_onednn()])
    with explaining_memory_errors(), computing_eagerly():
        jit_compile = compiles_with_xla()
        predict = _compile_prediction(
            architecture, images.dtype.name, layer, rows if jit_compile else None
        )
        scale = tf.constant(pixel_max, architecture.dtype)
        tensors = [tf.constant(weight) for weight in weights]
        parts = []
        for first in range(0, len(images), rows):
            batch = images[first : first + rows]
            if jit_compile:
                batch = pad_rows(batch, rows)
            parts.append(predict(tf.constant(batch), scale, *tensors))
        return np.concatenate(parts)[: len(images)]


@functools.lru_cache(maxsize=16)
def _compile_prediction(
    architecture: Architecture, pixel_dtype: str, layer: LayerName, xla_batch_size: int | None
) -> Callable[..., Any]:
    """Compile a forward pass that takes the weights as arguments, so that all threads share it.

    XLA compiles it if its batch size is given. A Keras model would hold its own weights: 290 MB for
    version 1 on 128 x 128 pixels.
    """
    from skfashion._network import onednn, xla_operations
    from skfashion._network.programs import Program, scale_pixels
    from skfashion._network.tensorflow import tf
    from skfashion._network.xla import XlaProgram

    shape, dtype = (*architecture.image_shape, 1), architecture.dtype
    multiply = tf.matmul if xla_batch_size is None else xla_operations.multiply

    def predict(images: tf.Tensor, pixel_max: tf.Tensor, *weights: tf.Tensor) -> tf.Tensor:
        x = scale_pixels(images, pixel_max)
        convolutions, hidden, output = architecture.pair_by_layer(weights)
        for (kernel, bias), strides, pool in zip(
            convolutions, architecture.strides, architecture.pool_size, strict=True
        ):
            x = onednn.convolve(x, kernel, bias, strides)
            if pool > 1:
                x = onednn.max_pool(x, pool)
        x = tf.reshape(x, [-1, architecture.flattened_size])
        for kernel, bias in hidden:
            x = tf.nn.relu(multiply(x, kernel) + bias)
        if layer == "output":
            kernel, bias = output
            x = multiply(x, kernel) + bias
        return x

    signature = [tf.TensorSpec([xla_batch_size, *shape], pixel_dtype), tf.TensorSpec([], dtype)]
    signature += [tf.TensorSpec(shape, dtype) for shape in architecture.parameter_shapes]
    if xla_batch_size is not None:
        return XlaProgram(predict, signature, tensor_float_32=False)
    return Program(predict, signature)
