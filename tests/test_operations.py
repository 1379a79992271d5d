"""The cheap forms of a training step's operations compute what TensorFlow's own forms compute."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skfashion._operations import convolve, convolve_pixels, relu_dropout
from skfashion._tensorflow import tf

RNG = np.random.default_rng(0)


def value_and_gradients(function, *inputs):
    inputs = [tf.constant(values) for values in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = function(*inputs)
        loss = tf.reduce_sum(tf.sin(outputs))
    return outputs, *tape.gradient(loss, inputs)


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_convolutions_and_their_gradients_are_tensorflows(strides, size, channels):
    x, kernel = RNG.random((4, 9, 7, channels)), RNG.random((size, size, channels, 6))
    form = convolve_pixels if channels == 1 else convolve
    ours = value_and_gradients(lambda x, kernel: form(x, kernel, strides), x, kernel)
    own = value_and_gradients(
        lambda x, kernel: tf.nn.conv2d(x, kernel, strides, "VALID"), x, kernel
    )
    for mine, theirs in zip(ours, own, strict=True):
        assert mine.shape == theirs.shape
        assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


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
