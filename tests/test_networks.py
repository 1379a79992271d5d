"""The networks are the original ones, layer by layer; Keras, NumPy and ours compute the same."""

import gc
import pickle
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skfashion import FashionCNN
from skfashion._network import numpy_model as _forward
from skfashion._network.architecture import Architecture
from skfashion._network.keras_model import NetworkPool


@pytest.fixture(scope="module")
def fashion():
    from skfashion.datasets import load_fashion_mini

    X, y = load_fashion_mini(return_X_y=True)
    return X[:100], y[:100]


def layers(model):
    return [type(layer).__name__ for layer in model.layers]


def test_version_1_is_the_originals_layer_by_layer(fashion):
    model = FashionCNN.v1(epochs=1, random_state=0).fit(*fashion).to_keras()
    assert model.count_params() == 2_336_558
    assert layers(model) == ["Rescaling", *["Conv2D"] * 3, "Flatten", "Dense", "Dense"]
    assert [layer.filters for layer in model.layers[1:4]] == [8, 24, 48]
    assert {(layer.kernel_size, layer.strides) for layer in model.layers[1:4]} == {((3, 3), (1, 1))}
    assert [layer.units for layer in model.layers[-2:]] == [100, 10]
    assert [layer.activation.__name__ for layer in model.layers[1:] if layer.name != "flatten"] == [
        *["relu"] * 4,
        "softmax",
    ]


def test_version_2_has_a_dropout_after_each_of_three_convolutions(fashion):
    model = FashionCNN.v2(epochs=1, random_state=0).fit(*fashion).to_keras()
    assert model.count_params() == 88_198
    assert layers(model) == [
        "Rescaling",
        *["Conv2D", "Dropout"] * 3,
        "Flatten",
        "Dense",
        "Dense",
    ]
    assert [layer.filters for layer in model.layers[1:7:2]] == [16, 48, 96]
    assert {layer.strides for layer in model.layers[1:7:2]} == {(2, 2)}
    assert {layer.rate for layer in model.layers[2:7:2]} == {0.5}


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-6), ("float32", 1e-4)])
def test_training_is_keras_own_adam_and_cross_entropy(
    images, small, weighted, strides, dtype, tolerance
):
    """The same batches given to a plain Keras model lead to the same weights."""
    import keras

    X, y = images
    rng = np.random.default_rng(0)
    sample_weight = rng.integers(1, 5, len(y)).astype(float) if weighted else None
    clf = FashionCNN(**{**small, "epochs": 2}, dtype=dtype, strides=strides)
    ours = clf.fit(X, y, sample_weight=sample_weight)

    architecture = Architecture(**ours._architecture)
    model = ours.to_keras()
    model.set_weights(architecture.initial_weights([ours._seed, 0]))
    optimizer = keras.optimizers.Adam(1e-3)
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    import tensorflow as tf

    for epoch in (1, 2):
        order = np.random.default_rng([ours._seed, epoch]).permutation(len(y))
        for start in range(0, len(y), 20):
            rows = order[start : start + 20]
            with tf.GradientTape() as tape:
                probabilities = model(X[rows, ..., np.newaxis].astype(float), training=True)
                losses = keras.losses.sparse_categorical_crossentropy(y[rows], probabilities)
                loss = tf.reduce_sum(losses * weights[rows]) / weights[rows].sum()
            optimizer.apply(
                tape.gradient(loss, model.trainable_variables), model.trainable_variables
            )
    for mine, theirs in zip(ours.weights_, model.get_weights(), strict=True):
        # Keras keeps its learning rate in float32 and clips probabilities at 1e-7.
        assert_allclose(mine, theirs, atol=tolerance)


def test_a_fit_goes_through_scikeras_once(images, small, monkeypatch):
    from scikeras.wrappers import KerasClassifier

    calls = []
    fit = KerasClassifier.fit

    def counted(self, X, y, **arguments):
        calls.append((X.shape, y.dtype))
        return fit(self, X, y, **arguments)

    monkeypatch.setattr(KerasClassifier, "fit", counted)
    FashionCNN(**small).fit(*images)
    assert calls == [((120, 8, 8, 1), np.int32)]


def test_initial_weights_are_glorots(fashion):
    architecture = Architecture((28, 28), (8, 24, 48), 3, 1, False, 100, 10, "float32")
    kernel, bias = architecture.initial_weights(0)[6:8]
    limit = np.sqrt(6 / (23232 + 100))
    assert kernel.shape == (23232, 100)
    assert not bias.any()
    assert 0.99 * limit < np.abs(kernel).max() <= limit
    assert abs(kernel.std() - limit / np.sqrt(3)) < 0.01 * limit


@pytest.mark.parametrize("version", [FashionCNN.v1, FashionCNN.v2])
def test_an_images_outputs_are_the_same_bits_alone_and_in_any_batch(fashion, version):
    X, y = fashion
    clf = version(epochs=1, random_state=0).fit(X, y)
    X = X[:50]  # more may go through TensorFlow
    together = clf.decision_function(X)
    order = np.random.default_rng(0).permutation(len(X))
    assert_array_equal(clf.decision_function(X[order]), together[order])
    alone = np.concatenate([clf.decision_function(image[None]) for image in X])
    assert_array_equal(alone, together)


def test_a_kernel_that_does_not_suit_the_images_is_refused_not_read_past(fitted):
    images = np.ones((2, 8, 8, 1), np.float32)
    for shape in ((3, 5, 1, 4), (5, 3, 1, 4), (3, 3, 2, 4)):
        weights = [np.ones(shape, np.float32), *fitted.weights_[1:]]
        with pytest.raises(ValueError, match="mismatch"):
            _forward.logits(images, weights, 1, 255.0)


def test_softmax_does_not_overflow():
    logits = np.array([[1e4, 0.0], [-1e4, -1e4]])
    assert_allclose(_forward.softmax(logits), [[1, 0], [0.5, 0.5]])


class TestNetworkPool:
    architecture = Architecture((8, 8), (2,), 3, 1, False, 4, 2, "float32")

    def test_a_network_is_lent_to_one_borrower_at_a_time(self):
        pool = NetworkPool()
        with (
            pool.lend(self.architecture, "uint8") as first,
            pool.lend(self.architecture, "uint8") as second,
        ):
            assert second is not first
        with pool.lend(self.architecture, "uint8") as third:
            assert third in (first, second)

    def test_another_structure_is_another_network(self):
        pool = NetworkPool()
        with pool.lend(self.architecture, "uint8") as first:
            pass
        with pool.lend(self.architecture, "float32") as second:
            assert second is not first

    def test_the_network_unused_for_longest_goes_first(self):
        pool = NetworkPool(capacity=2)
        seen = {}
        for units in (4, 5, 4, 6):
            architecture = Architecture((8, 8), (2,), 3, 1, False, units, 2, "float32")
            with pool.lend(architecture, "uint8") as seen[units]:
                pass
        assert [network.key[0].dense_units for network in pool._idle] == [4, 6]

    def test_a_failed_training_gives_its_network_back(self):
        pool = NetworkPool()
        with pytest.raises(KeyError), pool.lend(self.architecture, "uint8") as first:
            raise KeyError
        with pool.lend(self.architecture, "uint8") as second:
            assert second is first

    def test_cleared_it_forgets_what_nobody_uses(self):
        pool = NetworkPool()
        with pool.lend(self.architecture, "uint8") as lent:
            with pool.lend(self.architecture, "uint8") as idle:
                forgotten = weakref.ref(idle.parameters[0])
            del idle
            pool.clear()
            gc.collect()
            assert forgotten() is None
        with pool.lend(self.architecture, "uint8") as again:
            assert again is lent

    def test_pickled_it_is_empty_of_the_same_capacity_and_lends(self):
        pool = NetworkPool(capacity=3)
        with pool.lend(self.architecture, "uint8") as first:
            pass
        copy = pickle.loads(pickle.dumps(pool))
        assert copy.capacity == 3
        with copy.lend(self.architecture, "uint8") as other:
            assert other is not first

    def test_sixteen_structures_stay_compiled(self):
        pool = NetworkPool()
        sizes = range(2, 18)

        def lend(units):
            architecture = Architecture((8, 8), (2,), 3, 1, False, units, 2, "float32")
            with pool.lend(architecture, "uint8") as network:
                return network

        first = [lend(units) for units in sizes]
        assert [lend(units) for units in sizes] == first
