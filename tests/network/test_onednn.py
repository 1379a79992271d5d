"""Convolutions and pooling by oneDNN's own nodes train and predict as those of TensorFlow do."""

import platform

import numpy as np
import pytest
from helpers import weights_equal
from numpy.testing import assert_allclose

from skfashion import FashionCNN
from skfashion._network import numpy_model, onednn, prediction
from skfashion._network.architecture import Architecture
from skfashion._network.network_cache import network_cache
from skfashion._network.tensorflow import tf, tracing_program

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN's nodes exist on x86-64 only"
)


@pytest.fixture
def without_onednn(monkeypatch):
    """TensorFlow as on a processor for which it does not choose oneDNN."""
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    monkeypatch.setattr(onednn, "chooses_onednn", lambda: False)
    onednn._is_available.cache_clear()
    yield
    onednn._is_available.cache_clear()


@pytest.fixture
def nodes(monkeypatch):
    """Operations of the nodes that were added."""
    added = []
    add_node = onednn._add_node

    def record(operation, *arguments, **keywords):
        added.append(operation)
        return add_node(operation, *arguments, **keywords)

    monkeypatch.setattr(onednn, "_add_node", record)
    return added


def data(n=130):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 12, 11), np.uint8), rng.integers(0, 3, n)


def network(units, **parameters):
    """Its number of units is its own, so that no compiled program of another test is used."""
    parameters = {"filters": (3, 5), "epochs": 2, "batch_size": 20, **parameters}
    return FashionCNN(dense_units=units, random_state=0, **parameters)


POOLED = {"pool_size": (1, 2), "batch_norm": True, "learning_rate": 3e-3, "averaging": 4}


@pytest.mark.parametrize(
    ("parameters", "operations"),
    [({}, {"FusedConv2D"}), (POOLED, {"Conv2D", "MaxPool", "MaxPoolGrad"})],
)
def test_a_network_trains_to_the_same_weights(
    without_onednn, nodes, monkeypatch, parameters, operations
):
    X, y = data()
    assert onednn._is_available()
    nodes.clear()  # those of the check
    ours = network(31, **parameters).fit(X, y)
    assert {*operations, "Conv2DBackpropInput", "Conv2DBackpropFilter"} == set(nodes)
    monkeypatch.setattr(onednn, "chooses_onednn", lambda: True)
    nodes.clear()
    network_cache.clear()
    theirs = network(31, **parameters).fit(X, y)
    assert nodes == []
    for a, b in zip(ours.weights_, theirs.weights_, strict=True):
        assert_allclose(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize("parameters", [{}, POOLED])
def test_inside_a_persistent_tape_a_fit_is_that_outside(without_onednn, nodes, parameters):
    outside = network(39, **parameters).fit(*data())
    network_cache.clear()
    nodes.clear()
    with tf.GradientTape(persistent=True):
        inside = network(39, **parameters).fit(*data())
    assert nodes != []
    assert weights_equal(inside, outside)


def test_large_predictions_take_it_too_and_agree_with_numpy(without_onednn, nodes, monkeypatch):
    X, y = data()
    clf = network(32, pool_size=(1, 2)).fit(X, y)
    nodes.clear()
    monkeypatch.setattr(prediction, "_MULTIPLY_ADDS_WORTH_TENSORFLOW", 0)
    by_tensorflow = clf.predict_proba(X)
    assert nodes == ["FusedConv2D", "FusedConv2D", "MaxPool"]
    architecture = Architecture(**clf._architecture)
    outputs = numpy_model.compute_outputs(X[..., None], clf.weights_, architecture, 255.0)
    assert_allclose(by_tensorflow, numpy_model.softmax(outputs), rtol=0, atol=1e-5)


def test_with_strides_it_is_used_for_the_images_alone(without_onednn, nodes):
    """Where the input has more channels, TensorFlow's own convolutions are faster."""
    assert onednn._is_available()
    nodes.clear()  # those of the check
    network(33, epochs=1, strides=2).fit(*data())
    assert nodes.count("FusedConv2D") == 1


def test_it_is_not_used_for_other_dtypes(without_onednn, nodes):
    assert onednn._is_available()
    nodes.clear()  # those of the check
    network(33, epochs=1, dtype="float64").fit(*data())
    assert nodes == []


@pytest.mark.parametrize("kernel_shape", [(3, 3), (2, 4), (5, 5)])
def test_outputs_and_gradients_with_strides_are_those_of_tensorflow(
    without_onednn, nodes, kernel_shape
):
    rng = np.random.default_rng(1)
    x, kernel, bias = (
        rng.standard_normal(shape, np.float32)
        for shape in [(7, 12, 11, 1), (*kernel_shape, 1, 5), 5]
    )
    tensors = [tf.constant(part) for part in (x, kernel, bias)]

    def differentiate(convolve, *tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            outputs = convolve(*tensors, strides=2)
        return [outputs, *tape.gradient(outputs, tensors)]

    assert onednn._is_available()
    nodes.clear()  # those of the check
    with tracing_program():
        ours = tf.function(differentiate, autograph=False)(onednn.convolve, *tensors)
        of_a_tape_outside = differentiate(tf.function(onednn.convolve, autograph=False), *tensors)
    assert nodes.count("FusedConv2D") == 2
    theirs = differentiate(onednn._convolve_by_tensorflow, *tensors)
    for a, b, c in zip(ours, of_a_tape_outside, theirs, strict=True):
        assert_allclose(a, c, rtol=1e-4, atol=1e-4)
        assert_allclose(b, c, rtol=1e-4, atol=1e-4)


def test_it_is_not_used_if_tensorflow_chooses_it_by_itself(nodes, monkeypatch):
    monkeypatch.setattr(onednn, "chooses_onednn", lambda: True)
    network(35, epochs=1).fit(*data())
    assert nodes == []


@pytest.mark.parametrize("value", ["0", "false", "False"])
def test_it_is_not_used_if_you_switched_it_off(without_onednn, nodes, monkeypatch, value):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
    network_cache.clear()  # it has the network of the value before
    network(36, epochs=1).fit(*data())
    assert nodes == []


@pytest.mark.parametrize("fault", ["no such operation", "other numbers"])
def test_it_is_not_used_if_this_tensorflow_lacks_it(without_onednn, monkeypatch, fault):
    if fault == "no such operation":
        add_node = onednn._add_node
        monkeypatch.setattr(
            onednn, "_add_node", lambda name, *a, **k: add_node(name + "3D", *a, **k)
        )
    else:
        convolve = onednn._convolve
        monkeypatch.setattr(onednn, "_convolve", lambda *a, **k: convolve(*a, **k) + 1)
    assert not onednn._is_available()
    network(37, epochs=1).fit(*data())


def test_models_that_callbacks_save_load_without_it(without_onednn, nodes, tmp_path):
    import keras

    path = tmp_path / "model.keras"
    network(38, epochs=1, callbacks=[keras.callbacks.ModelCheckpoint(path)]).fit(*data())
    nodes.clear()
    model = keras.saving.load_model(path)
    model.predict(np.zeros((2, 12, 11, 1), np.float32), verbose=0)
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    assert nodes == []


@pytest.mark.parametrize("compiled", [False, True])
def test_convolutions_outside_our_programs_are_tensorflows_own(without_onednn, nodes, compiled):
    """So they have second derivatives, and leave no graph behind."""
    x, kernel, bias = tf.ones([1, 5, 5, 1]), tf.ones([3, 3, 1, 2]), tf.ones([2])
    convolve = tf.function(onednn.convolve, autograph=False) if compiled else onednn.convolve
    assert_allclose(convolve(x, kernel, bias, 1), np.full((1, 3, 3, 2), 10))
    assert nodes == []


def test_predictions_of_a_callback_are_by_tensorflows_own(without_onednn, nodes):
    import keras

    class Predict(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            nodes.clear()
            self.model.predict(np.zeros((2, 12, 11, 1)), verbose=0)

    network(40, epochs=1, callbacks=[Predict()]).fit(*data())
    assert nodes == []
