"""The cheap forms of a training step's operations compute what TensorFlow's own forms compute."""

import platform

import numpy as np
import pytest
from helpers import weights_equal
from numpy.testing import assert_allclose, assert_array_equal

from skfashion import FashionCNN
from skfashion._network.keras_model import pool
from skfashion._network.operations import _onednn_convolves, convolve, convolve_pixels, relu_dropout
from skfashion._network.tensorflow import tf

RNG = np.random.default_rng(0)


def value_and_gradients(function, *inputs):
    @tf.function(autograph=False)
    def traced(*inputs):
        outputs = function(*inputs)
        return outputs, *tf.gradients(tf.reduce_sum(tf.sin(outputs)), inputs)

    return traced(*map(tf.constant, inputs))


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-4)])
def test_convolutions_and_their_gradients_are_tensorflows(
    strides, size, channels, dtype, tolerance
):
    x, kernel = (
        RNG.random(shape).astype(dtype)
        for shape in ((4, 9, 7, channels), (size, size, channels, 6))
    )
    form = convolve_pixels if channels == 1 else convolve
    ours = value_and_gradients(lambda x, kernel: form(x, kernel, strides), x, kernel)
    own = value_and_gradients(
        lambda x, kernel: tf.nn.conv2d(x, kernel, strides, "VALID"), x, kernel
    )
    for mine, theirs in zip(ours, own, strict=True):
        assert mine.shape == theirs.shape
        assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.skipif(
    platform.machine() != "x86_64" or bool(tf.config.list_physical_devices("GPU")),
    reason="oneDNN's kernels are those of x86-64 processors",
)
def test_convolutions_at_strides_1_are_onednns():
    def operations(strides):
        traced = tf.function(lambda x, kernel: convolve(x, kernel, strides), autograph=False)
        graph = traced.get_concrete_function(tf.ones([2, 5, 5, 3]), tf.ones([3, 3, 3, 4])).graph
        return {node.op for node in graph.as_graph_def().node}

    assert "_MklNativeConv2D" in operations(1)
    assert "_MklNativeConv2D" not in operations(2)


def test_training_works_where_functions_run_eagerly(images, small, fitted):
    _onednn_convolves.cache_clear()
    pool.clear()
    tf.config.run_functions_eagerly(True)
    try:
        assert weights_equal(FashionCNN(**small).fit(*images), fitted)
    finally:
        tf.config.run_functions_eagerly(False)


# 8 bits give .5 exactly, .1 and .9 need 16.
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(rate):
    def drop(seed):
        return relu_dropout(tf.ones([401, 499]), tf.constant(round(rate * 65536)), seed).numpy()

    dropped = drop(tf.constant([7, 3], tf.int64))
    other = drop(tf.constant([7, 4], tf.int64))
    assert_array_equal(dropped, drop(tf.constant([7, 3], tf.int64)))
    assert abs(np.mean(dropped == 0) - rate) < 0.005
    assert abs(dropped.mean() - 1) < 0.03
    assert abs(np.mean((dropped == 0) & (other == 0)) - rate**2) < 0.005


@pytest.mark.parametrize("rate", [0.25, 0.3])
def test_the_gradient_of_dropout_flows_where_the_activation_is_kept_and_positive(rate):
    seed, dropped_of_65536 = tf.constant([1, 2], tf.int64), tf.constant(round(rate * 65536))
    x = RNG.standard_normal((50, 60))
    outputs, gradient = value_and_gradients(lambda x: relu_dropout(x, dropped_of_65536, seed), x)
    scale = 65536 / (65536 - round(rate * 65536))
    kept = outputs.numpy() != 0
    assert_allclose(outputs, np.where(kept, x * scale, 0))
    assert (x[kept] > 0).all()
    assert_allclose(gradient, np.where(kept, np.cos(outputs) * scale, 0))
    positive = relu_dropout(tf.ones(x.shape), dropped_of_65536, seed).numpy() != 0
    assert_array_equal(kept, positive & (x > 0))
