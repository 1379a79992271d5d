"""The network is a Keras model: the original's layers, Keras' optimizer and loss, one state."""

import gc

import numpy as np
import pytest
from helpers import weights_equal
from numpy.testing import assert_allclose, assert_array_equal, assert_equal
from sklearn.metrics import log_loss

from skfashion import FashionCNN
from skfashion._network import numpy_model, onednn, patches, training_state
from skfashion._network.architecture import Architecture
from skfashion._network.keras_layers import Dropout
from skfashion._network.keras_model import Network
from skfashion._network.network_cache import NetworkCache
from skfashion._network.network_cache import network_cache as cache
from skfashion._network.tensorflow import keras, tf
from skfashion._network.training_settings import TrainingSettings
from skfashion._network.training_state import TrainingState
from skfashion._training import scikeras
from skfashion.datasets import load_fashion_mini

VERSION_1 = Architecture(
    (28, 28), (8, 24, 48), 3, (1, 1, 1), (1, 1, 1), False, False, 100, 10, "float32"
)


def objects_of(*kinds):
    """All objects in memory of some classes."""
    gc.collect()
    # Not isinstance, which asks each object for its class: some of other libraries warn then.
    return [thing for thing in gc.get_objects() if issubclass(type(thing), kinds)]


@pytest.fixture
def train():
    """Return a function that fits a classifier, and returns the network that SciKeras trained."""

    def train(clf, X, y):
        cache.clear()
        clf.fit(X, y)
        [network] = cache._idle
        return network

    return train


@pytest.mark.parametrize(
    ("version", "layers", "filters", "strides", "n_parameters"),
    [
        (FashionCNN.v1, ["Conv2D"] * 3, [8, 24, 48], 1, 2_336_558),
        (FashionCNN.v2, ["Conv2D", "Dropout"] * 3, [16, 48, 96], 2, 88_198),
    ],
    ids=["v1", "v2"],
)
def test_the_trained_network_is_the_originals_layer_by_layer(
    train, version, layers, filters, strides, n_parameters
):
    X, y = load_fashion_mini(return_X_y=True)
    clf = version(epochs=1, random_state=0)
    network = train(clf, X[:100], y[:100])
    exported = clf.to_keras()
    layers = [*layers, "Flatten", "Dense", "Dense"]
    assert [type(layer).__name__ for layer in network.layers] == layers
    assert [type(layer).__name__ for layer in exported.layers] == ["Rescaling", *layers]
    for model in (network, exported):
        assert model.count_params() == n_parameters
        weighted = [layer for layer in model.layers if layer.get_weights()]
        assert [layer.filters for layer in weighted[:3]] == filters
        assert {(*layer.kernel_size, *layer.strides) for layer in weighted[:3]} == {
            (3, 3, strides, strides)
        }
        assert [layer.units for layer in weighted[3:]] == [100, 10]
        activations = [layer.activation.__name__ for layer in weighted]
        assert activations == [*["relu"] * 4, "softmax"]
        dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
        assert {layer.rate for layer in dropouts} <= {0.5}
    lines = []
    network.summary(print_fn=lambda line, **_: lines.append(line))
    assert f"Trainable params: {n_parameters:,}" in "".join(lines)


def test_the_trained_network_is_what_scikeras_compiled_and_trained(images, small, train):
    X, y = images
    clf = FashionCNN(**small)
    network = train(clf, X, y)
    assert_equal(network.get_weights(), clf.weights_)
    assert network.optimizer.iterations == 8 * 6
    scaled = X[..., np.newaxis] / np.float32(255)
    assert_allclose(network.predict(scaled, verbose=0), clf.predict_proba(X), atol=1e-6)
    loss, accuracy = network.evaluate(scaled, y, verbose=0)
    assert accuracy == pytest.approx(clf.score(X, y))
    assert loss == pytest.approx(log_loss(y, clf.predict_proba(X)), rel=1e-5)


@pytest.mark.parametrize(
    ("batch_size", "strides", "weights", "of_mean_1"),
    [
        (20, 1, (1, 1, 1), True),
        (20, 1, (20, 1, 1), True),
        (5, 2, (20, 1, 1), True),
        (1, 1, (20, 1, 1), True),
        (1, 1, (20, 1, 1), False),
    ],
)
def test_training_is_that_of_a_plain_keras_model(
    images, small, batch_size, strides, weights, of_mean_1
):
    """Keras' own `fit` with `sample_weight`, given the same rows in the same order."""
    X, y = images
    y = np.random.default_rng(0).permutation(y)  # all that can be learnt is the weights
    weights = np.array(weights, float)[y]
    clf = FashionCNN(**{**small, "epochs": 2, "batch_size": batch_size}, strides=strides)
    clf.fit(X, y, sample_weight=weights)
    model = clf.to_keras()
    model.set_weights(Architecture(**clf._architecture).initial_weights([clf._seed, 0]))
    model.compile("adam", "sparse_categorical_crossentropy")
    for epoch in (1, 2):
        order = np.random.default_rng([clf._seed, epoch]).permutation(len(y))
        scaled = weights[order] / (weights.mean() if of_mean_1 else 1)
        how = {"batch_size": batch_size, "shuffle": False, "verbose": 0}
        model.fit(X[order, ..., np.newaxis], y[order], sample_weight=scaled, **how)
    theirs = model.predict(X[..., np.newaxis], verbose=0)
    # The epsilon of Adam alone sees the scale of the weights.
    assert_allclose(clf.predict_proba(X), theirs, atol=1e-3 if of_mean_1 else 0.02)
    assert clf.predict_proba(X)[:, 0].mean() == pytest.approx(theirs[:, 0].mean(), abs=2e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_users_settings_of_keras_reach_neither_training_nor_export(images, small, dtype):
    X, y = images
    fitted = FashionCNN(**small, dropout=0.2, dtype=dtype).fit(X, y)
    cache.clear()
    config = keras.config
    before = config.floatx(), config.dtype_policy(), config.image_data_format()
    try:
        config.set_floatx("float16")
        config.set_dtype_policy("mixed_float16")
        config.set_image_data_format("channels_first")
        again = FashionCNN(**small, dropout=0.2, dtype=dtype).fit(X, y)
        exported = again.to_keras().predict(X[..., np.newaxis], verbose=0)
    finally:
        config.set_floatx(before[0])
        config.set_dtype_policy(before[1])
        config.set_image_data_format(before[2])
        cache.clear()
    assert weights_equal(again, fitted)
    assert again.history_ == fitted.history_
    assert_allclose(exported, fitted.predict_proba(X), atol=1e-5)


def test_no_counter_moves_by_which_keras_names_the_users_models(images, small, monkeypatch):
    def count():
        inputs = keras.Input((2,))
        layer = keras.layers.Dropout(0.5)
        model = keras.Model(inputs, layer(inputs))
        named = (model.outputs[0], layer, layer.seed_generator, model)
        return np.array([int(part.name.rpartition("_")[2]) for part in named])

    keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])  # first names have no number
    first, second = count(), count()
    X, y = images
    clf = FashionCNN(**{**small, "dense_units": 13}, dropout=0.3).fit(X, y)
    clf.to_keras()
    monkeypatch.setattr("skfashion._network.prediction._MULTIPLY_ADDS_WORTH_TENSORFLOW", 0)
    clf.predict(X)
    assert_array_equal(count() - second, second - first)


def test_training_works_where_functions_run_eagerly(images, small, fitted):
    cache.clear()
    tf.config.run_functions_eagerly(True)
    try:
        assert weights_equal(FashionCNN(**small).fit(*images), fitted)
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("layer", range(5))
def test_initial_weights_are_those_of_keras(layer):
    kernel, bias = VERSION_1.initial_weights(0)[2 * layer : 2 * layer + 2]
    drawn = np.asarray(keras.initializers.GlorotUniform(seed=0)(kernel.shape))
    assert np.abs(kernel).max() == pytest.approx(np.abs(drawn).max(), rel=0.05)
    assert kernel.std() == pytest.approx(drawn.std(), rel=0.15)
    assert not bias.any()


def test_a_state_does_not_change_in_the_next_epoch(images, small, train):
    network = train(FashionCNN(**small), *images)
    state = network.get_state()
    before = state.copy()
    X, y = images
    network.fit(
        X[..., np.newaxis],
        y.astype(np.int32),
        sample_weight=np.ones(len(y), np.float32),
        epochs=1,
        settings=TrainingSettings(
            batch_size=20,
            learning_rate=1e-3,
            warmup_steps=0,
            averaging=0.0,
            dropout=0.0,
            flip=False,
            shift=0,
            image_shape=(8, 8),
            pixel_max=255.0,
            seed=0,
        ),
        initial_state=lambda: before,
    )
    for name in ("weights", "momentums", "velocities"):
        assert_equal(getattr(state, name), getattr(before, name))
    assert not np.array_equal(network.get_weights()[0], before.weights[0])


def test_a_callback_finds_a_model_that_was_called(images, small):
    """Keras exports no other to some formats."""
    called = []

    class Look(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            called.append(self.model._called)

    cache.clear()
    FashionCNN(**small, callbacks=[Look()]).fit(*images)
    assert called == [True]


@pytest.mark.parametrize("early_stopping", [False, True])
def test_training_keeps_one_state_beside_the_networks_own(images, small, early_stopping):
    """The last one, or the best; and none in the first epoch."""
    X, y = images
    found, of_others = [], objects_of(TrainingState)

    class Counter(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            states = objects_of(TrainingState)
            found.append([s.is_view for s in states if not any(s is o for o in of_others)])

    clf = FashionCNN(**{**small, "epochs": 3}, early_stopping=early_stopping)
    clf.set_params(callbacks=[Counter()]).fit(X, y, X_val=X, y_val=y)
    assert found == [[], [False], [False]]


@pytest.mark.parametrize("early_stopping", [False, True])
def test_training_of_a_large_network_keeps_no_state_but_the_best(
    images, small, early_stopping, monkeypatch
):
    X, y = images
    kept, train_epoch = [], Network._train_epoch

    def count(network, *arguments):
        states = objects_of(TrainingState)
        kept.append(len([state for state in states if not any(state is o for o in of_others)]))
        return train_epoch(network, *arguments)

    of_others = objects_of(TrainingState)
    monkeypatch.setattr(Network, "_train_epoch", count)
    monkeypatch.setattr(training_state, "_LARGE_BYTES", 0)
    clf = FashionCNN(**{**small, "epochs": 3}, early_stopping=early_stopping)
    clf.fit(X, y, **({"X_val": X, "y_val": y} if early_stopping else {}))
    assert kept == ([0, 1, 1] if early_stopping else [0, 0, 0])


class TestDropout:
    @pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
    def test_it_drops_at_its_rate_and_keeps_the_mean(self, rate):
        layer = Dropout(rate)

        def drop(seed):
            layer.set_seed(seed)
            return layer(tf.ones([401, 499]), training=True).numpy()

        dropped, other = drop(7), drop(8)
        assert_array_equal(dropped, drop(7))
        assert abs(np.mean(dropped == 0) - rate) < 0.005
        assert abs(dropped.mean() - 1) < 0.03
        assert abs(np.mean((dropped == 0) & (other == 0)) - rate**2) < 0.005
        assert abs(np.mean(layer(tf.ones([401, 499]), training=True) == dropped) - 1) > 0.1

    def test_bits_of_one_number_are_independent(self):
        layer = Dropout(0.5)
        layer.set_seed(9)
        masks = layer(tf.ones([10_003, 8]), training=True).numpy()
        assert set(np.unique(masks)) == {0, 2}
        assert_allclose(masks.mean(axis=0), 1, atol=0.05)
        assert_allclose(np.cov(masks, rowvar=False), np.eye(8), atol=0.05)

    def test_its_gradient_flows_where_the_input_is_kept(self):
        layer = Dropout(0.3)
        x = tf.Variable(np.random.default_rng(0).standard_normal((50, 60)))
        layer.set_seed(1)
        with tf.GradientTape() as tape:
            outputs = layer(x, training=True)
        gradient = tape.gradient(outputs, x)
        kept = outputs.numpy() != 0
        scale = 65536 / (65536 - round(0.3 * 65536))
        assert_allclose(outputs, np.where(kept, x * scale, 0), rtol=1e-6)
        assert_allclose(gradient, np.where(kept, scale, 0), rtol=1e-6)

    def test_no_mask_waits_for_the_outputs_of_a_layer(self, train, images, small):
        network = train(FashionCNN(**small, dropout=0.5), *images)
        image, number = tf.TensorSpec([None, 8, 8, 1]), tf.TensorSpec([None])
        step = tf.function(lambda *batch: network._programs._train_batch(batch), autograph=False)
        graph = step.get_concrete_function(image, tf.TensorSpec([None], tf.int32), number).graph
        found = [o for o in graph.get_operations() if "Case" in o.type and "dropout" in o.name]
        assert len(found) == 2
        waited_for = set()
        while found:
            operation = found.pop()
            if operation.name not in waited_for:
                waited_for.add(operation.name)
                found += [*operation.control_inputs, *(tensor.op for tensor in operation.inputs)]
        assert not [name for name in waited_for if "convolution" in name]

    def test_it_draws_differently_in_each_epoch(self, small):
        X, y = np.ones((40, 8, 8)), np.arange(40) % 2
        clf = FashionCNN(**{**small, "epochs": 6, "learning_rate": 1e-12}, dropout=0.5).fit(X, y)
        assert len(set(clf.history_["loss"])) == 6


def test_a_kernel_that_does_not_suit_the_images_is_refused_not_read_past(fitted):
    pixels = np.ones((2, 8, 8, 1), np.float32)
    architecture = Architecture(**fitted._architecture)
    for shape in ((3, 5, 1, 4), (5, 3, 1, 4), (3, 3, 2, 4)):
        weights = [np.ones(shape, np.float32), *fitted.weights_[1:]]
        with pytest.raises(ValueError, match="mismatch"):
            numpy_model.compute_outputs(pixels, weights, architecture, 255.0)


def test_softmax_does_not_overflow():
    logits = np.array([[1e4, 0.0], [-1e4, -1e4]])
    assert_allclose(numpy_model.softmax(logits), [[1, 0], [0.5, 0.5]])


class TestCache:
    @staticmethod
    def network(units=4):
        return Network(Architecture((8, 8), (2,), 3, (1,), (1,), False, False, units, 2, "float32"))

    def test_the_least_recently_used_of_those_that_nobody_holds_goes_first(self):
        cache = NetworkCache(capacity=2)
        networks = {units: self.network(units) for units in (4, 5, 6)}
        for units, known in ((4, False), (5, False), (4, True), (6, False)):
            network = networks[units]
            assert cache.acquire(network.architecture) is (network if known else None)
            assert cache.acquire(network.architecture) is None
            cache.release(network)
        assert [network.architecture.dense_units for network in cache._idle] == [4, 6]

    def test_what_waits_is_bounded_in_bytes(self):
        networks = [self.network(units) for units in (4, 5, 6, 4000)]
        cache = NetworkCache(max_bytes=sum(network.n_bytes for network in networks[:3]) - 1)
        dropped = [cache.release(network) for network in networks]
        assert dropped == [0, 0, networks[0].n_bytes, networks[3].n_bytes]
        assert cache._idle == networks[1:3]

    def test_sixteen_networks_of_the_usual_size_are_kept(self):
        assert 16 * Network(VERSION_1).n_bytes <= cache.max_bytes

    def test_what_waits_keeps_no_average(self, images, small):
        """Only weights and optimizer are counted, and the result has the average."""
        clf = FashionCNN(**small, averaging=4.0).fit(*images)
        assert cache._idle[-1]._average == []
        assert weights_equal(FashionCNN(**small, averaging=4.0).fit(*images), clf)

    @pytest.mark.parametrize("chooses_onednn", [True, False])
    @pytest.mark.parametrize("parameters", [{}, {"filters": (3, 9), "strides": 4}])
    def test_a_dropped_network_is_gone(
        self, images, small, monkeypatch, parameters, chooses_onednn
    ):
        """Also one that convolves by patches or by nodes of oneDNN, and that a callback used."""

        class Predict(keras.callbacks.Callback):
            def on_train_end(self, logs=None):
                self.model.predict(np.zeros((1, *self.model.input_shape[1:])), verbose=0)

        monkeypatch.setattr(patches, "chooses_onednn", lambda: chooses_onednn)
        monkeypatch.setattr(onednn, "chooses_onednn", lambda: chooses_onednn)
        monkeypatch.setattr(scikeras, "_MIN_BYTES_TO_COLLECT", 0)
        monkeypatch.setattr(cache, "max_bytes", 0)
        cache.clear()

        def count_parts():
            return len(objects_of(Network, tf.Variable, tf.Graph))

        before = count_parts()
        FashionCNN(**{**small, **parameters}, callbacks=[Predict()]).fit(*images)
        assert count_parts() <= before

    def test_a_network_whose_use_failed_is_not_used_again(self, images, small):
        def fail(epoch, logs):
            raise KeyError(epoch)

        cache.clear()
        failing = keras.callbacks.LambdaCallback(on_epoch_end=fail)
        with pytest.raises(KeyError):
            FashionCNN(**small, callbacks=[failing]).fit(*images)
        assert cache._idle == []

    def test_rates_of_dropout_and_pixel_types_share_a_network(self, images, small):
        X, y = images
        cache.clear()
        for pixels, rate in ((X, 0.1), (X / 255, 0.1), (X, 0.6)):
            FashionCNN(**small, dropout=rate).fit(pixels, y)
        assert len(cache._idle) == 1
