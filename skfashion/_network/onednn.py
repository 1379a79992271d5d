"""Convolutions by oneDNN, also on processors where TensorFlow would not choose it by itself."""

import functools
import os
import platform
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from skfashion._network.tensorflow import chooses_onednn, tf

_Gradients: TypeAlias = tuple[tf.Tensor, tf.Tensor, tf.Tensor]

# Largest difference to TensorFlow's own convolution in the check of `is_needed`.
_TOLERANCE = 1e-4


def convolve(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, strides: int) -> tf.Tensor:
    """Convolve with padding="valid", add the bias and apply ReLU.

    Parameters
    ----------
    x : tensor of shape (n, rows, columns, channels)
    kernel : tensor of shape (kernel rows, kernel columns, channels, filters)
    bias : tensor of shape (filters,)
    strides : int

    Returns
    -------
    tensor of shape (n, output rows, output columns, filters)
    """
    if is_needed(x, strides):
        return _convolve(x, kernel, bias)
    return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides, "VALID"), bias))


def is_needed(x: tf.Tensor, strides: int) -> bool:
    """Return whether to add nodes of oneDNN, because TensorFlow would take slower kernels.

    By itself TensorFlow takes oneDNN's kernels only if the processor has instructions for neural
    networks (AVX-512 VNNI, for example). Without them a training step of version 1 takes a quarter
    less time by oneDNN. At larger strides TensorFlow's own kernels are faster.
    """
    fits = strides == 1 and x.dtype == tf.float32 and not tf.executing_eagerly()
    return fits and not chooses_onednn() and _is_available()


@functools.cache
def _is_available() -> bool:
    """Return whether oneDNN's nodes exist, are not switched off, and compute the right numbers."""
    on_x86 = platform.machine() in ("x86_64", "AMD64")  # nothing was measured elsewhere
    switched_off = os.environ.get("TF_ENABLE_ONEDNN_OPTS") in ("0", "false")
    if not on_x86 or switched_off or tf.config.get_visible_devices("GPU"):
        return False

    @tf.function(autograph=False)
    def difference(*tensors: tf.Tensor) -> tf.Tensor:
        ours = _convolve(*tensors)
        x, kernel, bias = tensors
        theirs = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "VALID"), bias))
        pairs = zip(
            [ours, *tf.gradients(ours, tensors)],
            [theirs, *tf.gradients(theirs, tensors)],
            strict=True,
        )
        return tf.reduce_max([tf.reduce_max(tf.abs(a - b)) for a, b in pairs])

    rng = np.random.default_rng(0)
    arrays = [rng.random(shape, np.float32) for shape in ((2, 5, 4, 3), (3, 3, 3, 4), (4,))]
    try:
        with tf.init_scope():  # outside the graph that is being traced
            tensors = [tf.constant(array) for array in arrays]
            # Not by a call, which `tf.config.run_functions_eagerly` would make eager.
            compiled = difference.get_concrete_function(*tensors)
            return bool(compiled(*tensors) < _TOLERANCE)
    except (ValueError, tf.errors.OpError):  # no such operation, or no kernel for it
        return False


@tf.custom_gradient
def _convolve(
    x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], _Gradients]]:
    height, width, _, filters = kernel.shape.as_list()
    _, rows, columns, _ = x.shape.as_list()
    shape = [None, rows - height + 1, columns - width + 1, filters]
    outputs = _add_node("FusedConv2D", [x, kernel, bias], shape, fused=[b"BiasAdd", b"Relu"])

    def gradients(upstream: tf.Tensor) -> _Gradients:
        upstream = tf.raw_ops.ReluGrad(gradients=upstream, features=outputs)
        return (
            _add_node("Conv2DBackpropInput", [tf.shape(x), kernel, upstream], x.shape),
            _add_node("Conv2DBackpropFilter", [x, tf.shape(kernel), upstream], kernel.shape),
            tf.raw_ops.BiasAddGrad(out_backprop=upstream),
        )

    return outputs, gradients


def _add_node(
    operation: str,
    inputs: Sequence[tf.Tensor],
    shape: Sequence[int | None],
    fused: Sequence[bytes] = (),
) -> tf.Tensor:
    """Add a node of oneDNN to the graph that is being traced.

    Python has no function for it, so the node is read from a graph definition.
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
    if fused:
        node.attr["fused_ops"].list.s.extend(fused)
        node.attr["num_args"].i = 1  # the bias
        node.attr["TArgs"].list.type.append(tf.float32.as_datatype_enum)
    (output,) = tf.graph_util.import_graph_def(
        graph, dict(zip(names, inputs, strict=True)), ["output:0"], name="onednn"
    )
    return tf.ensure_shape(output, shape)
