"""Convolutions by patches compute what TensorFlow's convolutions compute."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfashion import FashionCNN
from skfashion._network import patches
from skfashion._network.architecture import Architecture
from skfashion._network.keras_model import Network
from skfashion._network.network_cache import network_cache
from skfashion._network.tensorflow import keras, tf, tracing_program


@pytest.fixture
def convolved(monkeypatch):
    """Shapes of the outputs, where TensorFlow chooses oneDNN."""
    shapes = []
    convolve = patches.convolve

    def record(*arguments):
        outputs = convolve(*arguments)
        shapes.append(tuple(outputs.shape[1:]))
        return outputs

    monkeypatch.setattr(patches, "convolve", record)
    monkeypatch.setattr(patches, "chooses_onednn", lambda: True)
    network_cache.clear()
    yield shapes
    network_cache.clear()


def data(n=77):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 12, 11), np.uint8), rng.integers(0, 3, n)


def fit(**parameters):
    parameters = {"filters": (3, 9), "strides": 4, "epochs": 2, "batch_size": 20, **parameters}
    return FashionCNN(dense_units=7, random_state=0, **parameters).fit(*data())


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(
    ("image_shape", "kernel_shape", "strides"),
    [
        ((6, 6), (3, 3), 2),
        ((4, 4), (3, 3), 1),
        ((3, 3), (3, 3), 1),
        ((5, 9), (2, 4), 3),
        ((5, 4), (3, 3), 1),  # an odd number of outputs
        ((9, 9), (3, 3), 5),  # pixels that no patch has
    ],
)
def test_outputs_and_gradients_are_those_of_tensorflow(
    image_shape, kernel_shape, strides, has_bias, n
):
    rng = np.random.default_rng(1)
    x, kernel, bias = (
        tf.constant(rng.normal(size=shape), tf.float32)
        for shape in ((n, *image_shape, 3), (*kernel_shape, 3, 4), (4,))
    )
    tensors = (x, kernel, bias) if has_bias else (x, kernel)

    def by_tensorflow(x, kernel, bias, strides):
        outputs = tf.nn.conv2d(x, kernel, strides, "VALID")
        return outputs if bias is None else tf.nn.relu(outputs + bias)

    results = []
    for convolve in (patches.convolve, by_tensorflow):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            outputs = convolve(x, kernel, bias if has_bias else None, strides)
            loss = tf.reduce_sum(outputs**2)
        results.append([outputs, *tape.gradient(loss, tensors)])
    for ours, theirs in zip(*results, strict=True):
        assert ours.shape == theirs.shape
        assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_network_trains_to_the_same_weights(convolved, monkeypatch):
    by_patches = fit()
    assert convolved[0] == (1, 1, 9)
    monkeypatch.setattr(patches, "are_faster", lambda *_: False)
    convolved.clear()
    network_cache.clear()
    by_convolutions = fit()
    assert convolved == []
    for a, b in zip(by_patches.weights_, by_convolutions.weights_, strict=True):
        assert_allclose(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "parameters", [{"dtype": "float64"}, {"strides": 2, "filters": (140,)}, {"filters": (3, 8)}]
)
def test_they_are_used_only_where_they_are_faster(convolved, parameters):
    # In turn: another dtype, more than 4 outputs, fewer filters than the 9 input pixels.
    fit(**parameters)
    assert convolved == []


def test_they_are_not_used_if_tensorflow_does_not_choose_onednn(convolved, monkeypatch):
    monkeypatch.setattr(patches, "chooses_onednn", lambda: False)
    fit()
    assert convolved == []


@pytest.mark.parametrize("jit_compile", [False, True])
def test_they_are_not_used_in_programs_of_xla(convolved, jit_compile):
    architecture = Architecture(
        image_shape=(6, 6),
        filters=(36,),
        kernel_size=3,
        strides=(2,),
        pool_size=(1,),
        batch_norm=False,
        dropout=False,
        dense_units=None,
        n_classes=3,
        dtype="float32",
    )
    network = Network(architecture, jit_compile=jit_compile)
    with tracing_program(jit_compile=jit_compile):
        tf.function(network)(tf.zeros([1, 6, 6, 1]))
    assert bool(convolved) == (not jit_compile)


def test_they_are_not_used_outside_our_programs(convolved):
    """Such as in predictions of a callback: TensorFlow would keep their graphs for good."""

    class Predict(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            convolved.clear()
            self.model.predict(np.zeros((1, *self.model.input_shape[1:])), verbose=0)

    fit(callbacks=[Predict()])
    assert convolved == []
