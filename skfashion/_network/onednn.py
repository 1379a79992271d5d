"""Convolutions and max pooling by oneDNN, where TensorFlow would not choose it by itself."""

import functools
import itertools
import os
import platform
from collections.abc import Callable, Sequence

import numpy as np

from skfashion._network.tensorflow import (
    chooses_onednn,
    forget_custom_gradients,
    is_tracing_program,
    tf,
)

# Largest difference to TensorFlow's own operations in the check of `is_needed`.
_TOLERANCE = 1e-4


def convolve(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | None, strides: int) -> tf.Tensor:
    """Convolve with padding="valid". With a bias, add it and apply ReLU.

    Parameters
    ----------
    x : tensor of shape (n, rows, columns, channels)
    kernel : tensor of shape (kernel rows, kernel columns, channels, filters)
    bias : tensor of shape (filters,) or None
    strides : int

    Returns
    -------
    tensor of shape (n, output rows, output columns, filters)
    """
    tensors = (x, kernel) if bias is None else (x, kernel, bias)
    if is_needed(x, strides):
        return _convolve(*tensors, strides=strides)
    return _convolve_by_tensorflow(*tensors, strides=strides)


def _convolve_by_tensorflow(
    x: tf.Tensor, kernel: tf.Tensor, *bias: tf.Tensor, strides: int
) -> tf.Tensor:
    outputs = tf.nn.conv2d(x, kernel, strides, "VALID")
    return tf.nn.relu(tf.nn.bias_add(outputs, *bias)) if bias else outputs


def max_pool(x: tf.Tensor, size: int) -> tf.Tensor:
    """Take the maximum of each square. Incomplete squares are left out.

    Parameters
    ----------
    x : tensor of shape (n, rows, columns, channels)
    size : int
        Rows and columns of a square.

    Returns
    -------
    tensor of shape (n, rows // size, columns // size, channels)
    """
    return _max_pool(x, size) if is_needed(x) else tf.nn.max_pool2d(x, size, size, "VALID")


def is_needed(x: tf.Tensor, strides: int = 1) -> bool:
    """Return whether to add nodes of oneDNN, because TensorFlow would take slower kernels.

    By itself TensorFlow takes oneDNN's kernels only if the processor has instructions for neural
    networks (AVX-512 VNNI, for example). Without them a training step takes a quarter (version 1)
    or a third (version 3) less time by oneDNN. With strides of 2 oneDNN is faster only for inputs
    of one channel, where it takes half the time of TensorFlow's own kernels.

    The nodes are added to our own programs alone, because they have no second derivatives, and
    because TensorFlow would keep the graphs of others for good. See `forget_custom_gradients`.
    """
    is_fast = strides == 1 or (strides == 2 and x.shape[3] == 1)
    fits = is_fast and x.dtype == tf.float32 and is_tracing_program()
    return fits and not chooses_onednn() and _is_available()


@functools.cache
def _is_available() -> bool:
    """Return whether oneDNN's nodes exist, are not switched off, and compute the right numbers."""
    on_x86 = platform.machine() in ("x86_64", "AMD64")  # nothing was measured elsewhere
    switched_off = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "").lower() in ("0", "false")
    if not on_x86 or switched_off or tf.config.get_visible_devices("GPU"):
        return False

    @tf.function(autograph=False)
    def difference(strides: int, *tensors: tf.Tensor) -> tf.Tensor:
        ours = _convolve(*tensors, strides=strides)
        theirs = _convolve_by_tensorflow(*tensors, strides=strides)
        ours, theirs = _max_pool(ours, 2), tf.nn.max_pool2d(theirs, 2, 2, "VALID")
        pairs = zip(
            [ours, *tf.gradients(ours, tensors)],
            [theirs, *tf.gradients(theirs, tensors)],
            strict=True,
        )
        return tf.reduce_max([tf.reduce_max(tf.abs(a - b)) for a, b in pairs])

    rng = np.random.default_rng(0)
    try:
        with tf.init_scope():  # outside the graph that is being traced
            for (strides, channels), n_tensors in itertools.product(((1, 3), (2, 1)), (2, 3)):
                shapes = ((2, 9, 8, channels), (3, 3, channels, 4), (4,))[:n_tensors]
                tensors = [tf.constant(rng.standard_normal(shape, np.float32)) for shape in shapes]
                # Not by a call, which `tf.config.run_functions_eagerly` would make eager.
                compiled = difference.get_concrete_function(strides, *tensors)
                forget_custom_gradients(compiled.graph)
                if not compiled(strides, *tensors) < _TOLERANCE:
                    return False
            return True
    except (ValueError, tf.errors.OpError):  # no such operation, or no kernel for it
        return False


def _convolve(*tensors: tf.Tensor, strides: int) -> tf.Tensor:
    @tf.custom_gradient
    def apply(
        x: tf.Tensor, kernel: tf.Tensor, *bias: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        add_node = functools.partial(_add_node, strides=strides)
        height, width, _, filters = kernel.shape.as_list()
        _, rows, columns, _ = x.shape.as_list()
        shape = [None, (rows - height) // strides + 1, (columns - width) // strides + 1, filters]
        operation = "FusedConv2D" if bias else "Conv2D"
        (outputs,) = add_node(operation, [x, kernel, *bias], [shape], has_bias=bool(bias))

        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            if bias:
                upstream = tf.raw_ops.ReluGrad(gradients=upstream, features=outputs)
            return (
                *add_node("Conv2DBackpropInput", [tf.shape(x), kernel, upstream], [x.shape]),
                *add_node("Conv2DBackpropFilter", [x, tf.shape(kernel), upstream], [kernel.shape]),
                *[tf.raw_ops.BiasAddGrad(out_backprop=upstream) for _ in bias],
            )

        return outputs, gradients

    return apply(*tensors)


def _max_pool(x: tf.Tensor, size: int) -> tf.Tensor:
    _, rows, columns, channels = x.shape.as_list()
    shape = [None, rows // size, columns // size, channels]
    add_node = functools.partial(_add_node, strides=size, pool_size=size)

    @tf.custom_gradient
    def pool(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        # The second output says where each maximum was.
        outputs, places = add_node("MaxPool", [x], [shape, None])

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            inputs = [x, outputs, upstream, places]
            (result,) = add_node("MaxPoolGrad", inputs, [x.shape])
            return result

        return outputs, gradient

    return pool(x)


def _add_node(
    operation: str,
    inputs: Sequence[tf.Tensor],
    shapes: Sequence[Sequence[int | None] | None],
    *,
    strides: int,
    has_bias: bool = False,
    pool_size: int | None = None,
) -> list[tf.Tensor]:
    """Add a node of oneDNN to the graph that is being traced. It has an output for each shape.

    Python has no function for it, so the node is read from a graph definition.
    """
    # A tensor of an outer graph becomes one of this graph, which import_graph_def does not do.
    inputs = [tf.identity(tensor) for tensor in inputs]
    graph = tf.compat.v1.GraphDef()
    names = [f"input_{number}" for number in range(len(inputs))]
    for name, tensor in zip(names, inputs, strict=True):
        placeholder = graph.node.add(name=name, op="Placeholder")
        placeholder.attr["dtype"].type = tensor.dtype.as_datatype_enum
    node = graph.node.add(name="output", op=f"_MklNative{operation}", input=names)
    node.attr["T"].type = tf.float32.as_datatype_enum
    node.attr["strides"].list.i.extend([1, strides, strides, 1])
    node.attr["padding"].s = b"VALID"
    node.attr["_kernel"].s = b"MklNameChangeOp"
    if has_bias:
        node.attr["fused_ops"].list.s.extend([b"BiasAdd", b"Relu"])
        node.attr["num_args"].i = 1
        node.attr["TArgs"].list.type.append(tf.float32.as_datatype_enum)
    if pool_size:
        node.attr["ksize"].list.i.extend([1, pool_size, pool_size, 1])
        node.attr["workspace_enabled"].b = True
    outputs = tf.graph_util.import_graph_def(
        graph,
        dict(zip(names, inputs, strict=True)),
        [f"output:{number}" for number in range(len(shapes))],
        name="onednn",
    )
    return [tf.ensure_shape(*pair) for pair in zip(outputs, shapes, strict=True)]
