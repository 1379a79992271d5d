"""Pooling, batch normalization, averaging, flips, shifts and warm-up: training of version 3."""

import io
from dataclasses import replace

import numpy as np
import pytest
from helpers import make_images, weights_equal
from numpy.testing import assert_allclose, assert_array_equal

from skfashion import FashionCNN
from skfashion._network import keras_model, numpy_model, prediction
from skfashion._network.architecture import Architecture
from skfashion._network.augmentation import change_images, draw_changes
from skfashion._network.keras_layers import BatchNormalization
from skfashion._network.keras_optimizer import Adam
from skfashion._network.tensorflow import keras, tf
from skfashion._network.training_state import EPSILON, fold, update_average

# Everything that version 3 has, for images of 12 x 12 pixels.
ALL = {
    "filters": (4, 6),
    "pool_size": (1, 2),
    "batch_norm": True,
    "dense_units": None,
    "batch_size": 20,
    "learning_rate": 3e-3,
    "warmup_steps": 5,
    "averaging": 4.0,
    "flip": True,
    "shift": 1,
    "random_state": 0,
}


@pytest.fixture
def rows():
    return make_images(120, side=12)


def fit(rows, epochs=3, **changes):
    return FashionCNN(**{**ALL, "epochs": epochs, **changes}).fit(*rows)


def test_version_3_has_less_than_100_000_parameters():
    clf = FashionCNN.v3()
    fields = ("filters", "kernel_size", "strides", "pool_size", "batch_norm", "dense_units")
    parameters = {name: getattr(clf, name) for name in fields}
    architecture = Architecture.for_images(
        (28, 28), dropout=clf.dropout, n_classes=10, dtype="float32", **parameters
    )
    assert architecture.n_parameters < 100_000


def test_it_learns(rows):
    assert fit(rows, epochs=15).score(*rows) > 0.9


class TestPooling:
    @pytest.mark.usefixtures("full_precision")
    def test_predictions_are_those_of_keras(self, rows, monkeypatch):
        clf = fit(rows, pool_size=(2, 1), strides=(1, 2), dense_units=7, epochs=1)
        by_numpy = clf.predict_proba(rows[0])
        monkeypatch.setattr(prediction, "_MULTIPLY_ADDS_WORTH_TENSORFLOW", 0)
        assert_allclose(clf.predict_proba(rows[0]), by_numpy, atol=1e-5)
        by_keras = clf.to_keras()(rows[0][..., None].astype(np.float32)).numpy()
        assert_allclose(by_keras, by_numpy, atol=1e-5)

    @pytest.mark.parametrize("size", [2, 3, 4])
    def test_it_is_keras_max_pooling(self, size):
        x = np.random.default_rng(0).standard_normal((3, 11, 9, 2))
        expected = keras.layers.MaxPooling2D(size, dtype="float64")(x)
        assert_array_equal(numpy_model._pool(x, size), expected)

    def test_images_that_it_would_reduce_to_nothing_are_padded_up_to_a_limit(self, rows):
        assert fit(rows, pool_size=(2, 4), epochs=1).predict(rows[0][:2]).shape == (2,)
        with pytest.raises(ValueError, match=r"pool_size=30 need images of at least 962 x 962"):
            fit(rows, pool_size=30)

    @pytest.mark.parametrize("name", ["strides", "pool_size"])
    @pytest.mark.parametrize("value", [(1,), (1, 2, 1), (1, 0), (1, 1.5), "12", [True, 1]])
    def test_one_number_or_one_per_convolution_is_asked_for(self, rows, name, value):
        with pytest.raises(ValueError, match=f"{name}.*(2 convolutions|instance of 'list')"):
            fit(rows, **{name: value})


class TestNoHiddenLayer:
    def test_features_are_the_outputs_of_the_last_convolution(self, rows):
        clf = fit(rows, epochs=1)
        features = clf.transform(rows[0])
        kernel, bias = clf.weights_[-2:]
        assert features.shape == (120, kernel.shape[0]) == (120, 4 * 4 * 6)
        assert len(clf.get_feature_names_out()) == features.shape[1]
        logits = features @ kernel + bias
        assert_allclose(numpy_model.softmax(logits), clf.predict_proba(rows[0]), atol=1e-5)


class TestBatchNormalization:
    def test_it_is_keras_own_in_training(self):
        x = tf.constant(np.random.default_rng(0).normal(3, 2, (50, 5, 4, 3)).astype(np.float32))
        ours, theirs = BatchNormalization(), keras.layers.BatchNormalization(scale=False)
        ours.build(x.shape), theirs.build(x.shape)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            losses = [tf.reduce_sum(layer(x, training=True) ** 3) for layer in (ours, theirs)]
        assert_allclose(*losses, rtol=1e-4)
        gradients = [tape.gradient(loss, x) for loss in losses]
        assert_allclose(*gradients, atol=1e-3)
        # 0.1 of the batch instead of 0.01, and the variance of a sample
        assert_allclose(ours.moving_mean, 10 * theirs.moving_mean, rtol=1e-4)
        n = 50 * 5 * 4
        biased = (theirs.moving_variance - 0.99) / 0.01
        assert_allclose((ours.moving_variance - 0.9) / 0.1, biased * n / (n - 1), rtol=1e-3)

    def test_folding_changes_no_output(self):
        rng = np.random.default_rng(0)
        x, kernel = rng.random((2, 6, 6, 3)), rng.normal(size=(3, 3, 3, 4))
        mean, variance, bias = rng.normal(size=4), rng.random(4), rng.normal(size=4)
        outputs = tf.nn.conv2d(x, kernel, 1, "VALID")
        pooled = tf.nn.max_pool2d(
            (outputs - mean) / np.sqrt(variance + EPSILON) + bias, 2, 2, "VALID"
        )
        folded, folded_bias = fold([kernel, bias], [mean, variance])
        ours = tf.nn.max_pool2d(tf.nn.conv2d(x, folded, 1, "VALID") + folded_bias, 2, 2, "VALID")
        assert_allclose(ours, pooled, rtol=1e-9)

    @pytest.mark.usefixtures("full_precision")
    def test_the_result_is_the_network_of_the_last_epoch_folded(self, rows):
        seen = []

        class Watch(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                inputs = rows[0][..., None].astype(np.float32) / rows[0].max()
                seen.append(self.model(inputs, training=False).numpy())

        clf = fit(rows, averaging=0, callbacks=[Watch()])
        assert_allclose(clf.predict_proba(rows[0]), seen[-1], atol=1e-5)
        kinds = [type(layer).__name__ for layer in clf.to_keras().layers]
        assert "BatchNormalization" not in kinds

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("batch_size", [20, 120])
    def test_a_training_whose_variances_overflow_has_diverged(self, rows, batch_size):
        """The weights before folding are still finite then."""
        with pytest.raises(ValueError, match="Training diverged in epoch"):
            fit(rows, epochs=2, learning_rate=1e12, batch_size=batch_size)


class TestAveraging:
    def test_the_weights_are_the_documented_average(self, rows):
        one_step = {"batch_size": len(rows[0])}  # of an epoch
        each = [fit(rows, epochs=k, averaging=0, **one_step).weights_ for k in (1, 2, 3)]
        average = each[0]
        for k in (2, 3):
            c = (4 + 1) / (4 + k)
            average = [(1 - c) * a + c * w for a, w in zip(average, each[k - 1], strict=True)]
        for ours, expected in zip(fit(rows, **one_step).weights_, average, strict=True):
            assert_allclose(ours, expected, atol=1e-6)

    @pytest.mark.parametrize(("batch_size", "updates"), [(20, 6), (3, 16)])
    def test_it_averages_the_weights_after_each_sixteenth_of_an_epoch(
        self, rows, batch_size, updates
    ):
        seen = {}

        class Watch(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                seen[self.model.epoch, batch + 1] = self.model.get_weights()

        parameters = {"batch_norm": False, "batch_size": batch_size, "callbacks": [Watch()]}
        clf = fit(rows, epochs=2, **parameters)
        steps = 120 // batch_size
        ends = sorted({int(np.ceil(k * steps / 16)) for k in range(1, 17)})
        assert len(ends) == updates
        average = None
        for number, place in enumerate(((e, end) for e in range(2) for end in ends), start=1):
            c = (4 + 1) / (4 + number)
            average = [
                w if average is None else (1 - c) * average[i] + c * w
                for i, w in enumerate(seen[place])
            ]
        for ours, expected in zip(clf.weights_, average, strict=True):
            assert_allclose(ours, expected, atol=1e-6)

    def test_without_forgetting_it_is_the_mean(self):
        assert_allclose(update_average([np.ones(2)], [np.zeros(2)], 2, 0.0), [[0.5, 0.5]])

    @pytest.mark.parametrize("batch_norm", [False, True])
    def test_validation_scores_are_those_of_the_average(self, rows, batch_norm):
        X, y = rows
        clf = FashionCNN(**{**ALL, "epochs": 3, "batch_norm": batch_norm})
        clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
        loss = -clf.predict_log_proba(X[80:])[np.arange(40), y[80:]].mean()
        assert_allclose(clf.history_["val_loss"][-1], loss, rtol=1e-4)
        assert_allclose(clf.history_["val_accuracy"][-1], clf.score(X[80:], y[80:]))
        plain = FashionCNN(**{**ALL, "epochs": 3, "batch_norm": batch_norm}).fit(X[:80], y[:80])
        assert weights_equal(clf, plain)  # scoring changes nothing

    def test_early_stopping_judges_the_average(self, rows):
        X, y = rows
        clf = FashionCNN(**{**ALL, "epochs": 12}, early_stopping=True, n_iter_no_change=3)
        clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
        assert weights_equal(clf, fit((X[:80], y[:80]), epochs=clf.n_iter_))

    def test_going_on_from_the_best_epoch_goes_on_with_its_average(self, rows, monkeypatch):
        numbers = []

        def update(average, weights, number, averaging):
            numbers.append(number)
            return update_average(average, weights, number, averaging)

        monkeypatch.setattr(keras_model, "update_average", update)
        X, y = rows
        clf = FashionCNN(**{**ALL, "epochs": 12}, early_stopping=True, n_iter_no_change=2)
        clf.fit(X[:80], y[:80], X_val=X[80:], y_val=np.roll(y[80:], 1))
        assert clf.n_iter_ < len(clf.history_["loss"])
        before = clf.n_iter_ * 4  # an epoch has 4 steps
        numbers.clear()
        clf.set_params(early_stopping=False).partial_fit(X[:80], y[:80])
        assert numbers == [before + 1, before + 2, before + 3, before + 4]

    def test_an_epoch_that_is_interrupted_leaves_no_trace_in_it(self, rows):
        """The average is updated within epochs, too."""

        class Interrupt(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if self.model.epoch == 2 and batch >= 3:
                    raise KeyboardInterrupt

        clf = FashionCNN(**ALL, epochs=4, callbacks=[Interrupt()])
        with pytest.raises(KeyboardInterrupt):
            clf.fit(*rows)
        assert clf.n_iter_ == 2
        assert weights_equal(clf, fit(rows, epochs=2))
        clf.set_params(callbacks=None, warm_start=True, epochs=1).fit(*rows)
        assert weights_equal(clf, fit(rows, epochs=3))


class TestAugmentation:
    def test_flips_alternate_between_fixed_halves(self):
        odd, even, third = (
            draw_changes(1000, flip=True, shift=0, seed=1, epoch=k)[:, 0] for k in (1, 2, 3)
        )
        assert_array_equal(odd + even, np.ones(1000))
        assert_array_equal(odd, third)
        assert 400 < odd.sum() < 600

    def test_shifts_are_drawn_anew_within_their_bounds(self):
        one, two = (draw_changes(1000, flip=False, shift=2, seed=1, epoch=k) for k in (1, 2))
        assert not one[:, 0].any()
        assert {*one[:, 1:].ravel()} == {-2, -1, 0, 1, 2}
        assert (one != two).any()

    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_images_are_mirrored_and_moved(self, dtype):
        images = np.arange(1, 13, dtype=dtype).reshape(1, 3, 4, 1)
        (changed,) = change_images(tf.constant(images), tf.constant([[1, 1, -2]]), (3, 4)).numpy()
        assert_array_equal(changed[..., 0], [[0, 0, 0, 0], [2, 1, 0, 0], [6, 5, 0, 0]])
        (same,) = change_images(tf.constant(images), tf.constant([[0, 0, 0]]), (3, 4)).numpy()
        assert_array_equal(same, images[0])
        (mirrored,) = change_images(tf.constant(images), tf.constant([[1]]), (3, 4)).numpy()
        assert_array_equal(mirrored, images[0][:, ::-1])

    def test_padding_stays_where_it_is(self):
        """Otherwise training would see small images on the other side than prediction."""
        small = np.arange(1, 13, dtype=np.uint8).reshape(1, 3, 4, 1)
        padded = np.pad(small, ((0, 0), (0, 2), (0, 5), (0, 0)))
        for changes in ([1], [1, 1, -2], [0, -1, 2]):
            ours, expected = (
                change_images(tf.constant(images), tf.constant([changes]), (3, 4)).numpy()
                for images in (padded, small)
            )
            assert_array_equal(ours[:, :3, :4], expected)
            assert ours.sum() == expected.sum()

    def test_small_images_are_mirrored_as_if_their_columns_were_swapped(self):
        """Images that are symmetric train the same network with and without flips."""
        half = np.random.default_rng(0).integers(0, 256, (40, 6, 3), dtype=np.uint8)
        images = np.concatenate([half, half[:, :, ::-1]], axis=2)
        labels = np.arange(40) % 2
        fits = [
            fit((images, labels), pool_size=2, shift=0, flip=flip, epochs=1)
            for flip in (False, True)
        ]
        assert fits[0]._architecture["image_shape"] != fits[0].image_shape_
        assert weights_equal(*fits)

    @pytest.mark.parametrize("change", [{"flip": False}, {"shift": 0}, {"warmup_steps": 0}])
    def test_each_changes_the_training(self, rows, change):
        assert not weights_equal(fit(rows, epochs=1), fit(rows, epochs=1, **change))


def test_the_rate_rises_over_the_steps_of_the_warm_up():
    variable = keras.Variable([0.0])
    optimizer = Adam(0.5)
    optimizer.set_warmup_steps(4)
    rates = []
    for _ in range(6):
        before = variable.numpy()
        optimizer.apply([tf.constant([1.0])], [variable])
        rates.append(float((before - variable.numpy())[0]))
    assert_allclose(rates, [0.125, 0.25, 0.375, 0.5, 0.5, 0.5], rtol=1e-3)


class TestPromises:
    def test_equal_seeds_give_equal_weights(self, rows):
        assert weights_equal(fit(rows), fit(rows))

    def test_going_on_is_training_at_once(self, rows):
        at_once = fit(rows, epochs=4)
        clf = FashionCNN(**{**ALL, "epochs": 1}, warm_start=True)
        for _ in range(4):
            clf.fit(*rows)
        assert weights_equal(clf, at_once)
        clf = FashionCNN(**ALL)
        for _ in range(4):
            clf.partial_fit(*rows, classes=[0, 1, 2])
        assert weights_equal(clf, at_once)

    def test_memory_has_exact_prefixes_and_goes_on_from_them(self, rows, tmp_path):
        stored = {"memory": tmp_path}
        assert fit(rows, epochs=2, **stored).n_epochs_trained_ == 2
        longer = fit(rows, epochs=4, **stored)
        assert longer.n_epochs_trained_ == 2
        assert weights_equal(longer, fit(rows, epochs=4))
        prefix = fit(rows, epochs=3, **stored)
        assert prefix.n_epochs_trained_ == 0
        assert weights_equal(prefix, fit(rows, epochs=3))
        staged = list(longer.staged_predict_proba(rows[0]))
        assert_array_equal(staged[2], prefix.predict_proba(rows[0]))

    def test_images_that_only_padding_makes_equal_are_other_data(self, rows, tmp_path):
        """Flips mirror them in other places."""
        X, y = rows
        larger = np.pad(X[:, :8, :8], ((0, 0), (0, 2), (0, 2)))
        options = {"pool_size": 4, "shift": 0, "epochs": 1, "memory": tmp_path}
        small, large = (fit((images, y), **options) for images in (X[:, :8, :8], larger))
        assert small._architecture == large._architecture
        assert large.n_epochs_trained_ == 1
        assert not weights_equal(small, large)

    def test_a_stored_epoch_of_another_network_is_not_used(self, rows, tmp_path):
        clf = fit(rows, epochs=2, memory=tmp_path)
        checkpoints = clf._open_checkpoints(Architecture(**clf._architecture))
        state = checkpoints.load(2)
        for name in ("momentums", "trained", "statistics"):
            changed = replace(state, **{name: [*getattr(state, name)[:-1], np.zeros((2, 2))]})
            checkpoints.save(2, changed, {"loss": 1.0, "accuracy": 0.0})
            with pytest.warns(UserWarning, match="damaged: it holds another network"):
                assert checkpoints.load(2).iterations is None
            checkpoints._warned.clear()

    def test_files_keep_all_that_going_on_needs(self, rows, tmp_path):
        clf = fit(rows, epochs=2)
        clf.save(tmp_path / "model", include_optimizer=True)
        loaded = FashionCNN.load(tmp_path / "model")
        assert_array_equal(loaded.predict_proba(rows[0]), clf.predict_proba(rows[0]))
        loaded.partial_fit(*rows)
        assert weights_equal(loaded, fit(rows, epochs=3))
        clf.save(tmp_path / "small")
        with pytest.raises(ValueError, match="no optimizer's state"):
            FashionCNN.load(tmp_path / "small").partial_fit(*rows)

    @pytest.mark.parametrize(
        ("averaging", "batch_norm", "times"), [(0, False, 3), (4, False, 4), (0, True, 4)]
    )
    def test_the_optimizer_makes_files_as_large_as_documented(
        self, rows, averaging, batch_norm, times
    ):
        clf = fit(rows, averaging=averaging, batch_norm=batch_norm, dense_units=500, epochs=1)
        sizes = []
        for include_optimizer in (False, True):
            clf.save(file := io.BytesIO(), include_optimizer=include_optimizer)
            sizes.append(len(file.getvalue()))
        assert sizes[1] / sizes[0] == pytest.approx(times, rel=0.05)

    def test_float64_works_too(self, rows):
        clf = fit(rows, dtype="float64")
        assert clf.predict_proba(rows[0]).dtype == np.float64
        single = fit(rows, epochs=1)
        double = fit(rows, epochs=1, dtype="float64")
        assert np.mean(single.predict(rows[0]) == double.predict(rows[0])) > 0.9

    def test_keras_early_stopping_restores_the_average_of_the_best_epoch(self, rows):
        X, y = rows
        stop = keras.callbacks.EarlyStopping(
            "val_loss", patience=2, restore_best_weights=True, start_from_epoch=1
        )
        clf = FashionCNN(**{**ALL, "epochs": 6}, callbacks=[stop])
        clf.fit(X[:80], y[:80], X_val=X[80:], y_val=np.roll(y[80:], 1))
        assert weights_equal(clf, fit((X[:80], y[:80]), epochs=clf.n_iter_))
