"""Operations for graphics cards compute what TensorFlow's operations compute."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfashion._network import xla_operations
from skfashion._network.tensorflow import tf

pytestmark = pytest.mark.usefixtures("full_precision")


@pytest.mark.parametrize("max_bytes", [0, 1e9])
@pytest.mark.parametrize(
    ("image_shape", "kernel_shape", "strides"),
    [
        ((9, 8), (3, 3, 1, 4), 1),
        ((9, 8), (3, 3, 1, 4), 2),
        ((9, 8), (3, 3, 2, 4), 1),
        ((5, 9), (2, 4, 3, 2), 3),
        ((3, 3), (3, 3, 2, 4), 1),
        ((9, 9), (3, 3, 1, 2), 5),  # pixels that no patch has
        ((9, 9), (4, 4, 1, 2), 2),  # too many operations for XLA to compile
    ],
)
def test_convolutions_are_those_of_tensorflow(
    monkeypatch, image_shape, kernel_shape, strides, max_bytes
):
    def convolve_and_differentiate(convolve, x, kernel):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            outputs = convolve(x, kernel, strides)
            loss = tf.reduce_sum(outputs**2)
        return [outputs, *tape.gradient(loss, [x, kernel])]

    def by_tensorflow(x, kernel, strides):
        return tf.nn.conv2d(x, kernel, strides, "VALID")

    monkeypatch.setattr(xla_operations, "_MAX_PATCH_BYTES", max_bytes)
    rng = np.random.default_rng(1)
    x, kernel = (
        tf.constant(rng.normal(size=shape), tf.float32)
        for shape in ((5, *image_shape, kernel_shape[2]), kernel_shape)
    )
    compiled = tf.function(convolve_and_differentiate, jit_compile=True, autograph=False)
    ours = compiled(xla_operations.convolve, x, kernel)
    graph = compiled.get_concrete_function(xla_operations.convolve, x, kernel).graph
    kinds = {node.type for node in graph.get_operations()}
    takes_patches = max_bytes > 0 and kernel_shape != (4, 4, 1, 2)
    assert ("Conv2DBackpropFilter" in kinds) is not takes_patches
    theirs = convolve_and_differentiate(by_tensorflow, x, kernel)
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("n_terms", "n_parts"),
    [(7, 1), (512, 1), (513, 3), (1024, 2), (23_232, 48), (521, 1), (1042, 1)],  # 521 is prime
)
def test_long_sums_of_products_are_computed_in_parts(n_terms, n_parts):
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=shape) for shape in ((3, n_terms), (n_terms, 4)))
    multiply = tf.function(xla_operations.multiply, autograph=False)
    graph = multiply.get_concrete_function(tf.constant(x), tf.constant(kernel)).graph
    products = [node for node in graph.get_operations() if "MatMul" in node.type]
    assert [node.outputs[0].shape.as_list()[:-2] for node in products] == [
        [n_parts] if n_parts > 1 else []
    ]
    assert_allclose(multiply(x, kernel), x @ kernel, rtol=1e-9)
