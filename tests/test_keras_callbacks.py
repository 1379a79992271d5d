"""Keras callbacks work as in Keras' own fit."""

import csv
import pickle

import keras
import numpy as np
import pytest
from helpers import weights_equal
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import cross_validate

from skfashion import FashionCNN


class Collect(keras.callbacks.Callback):
    """Note what each hook is given, and what the model predicts."""

    def __init__(self, X):
        super().__init__()
        self.X, self.calls, self.predictions = X, [], []

    def on_train_begin(self, logs=None):
        self.calls.append("train begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} begin")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(f"batch {batch} end")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append((epoch, dict(logs)))
        self.predictions.append(self.model.predict(self.X, verbose=0))

    def on_train_end(self, logs=None):
        self.calls.append("train end")


def test_hooks_are_called_in_keras_order_with_the_epochs_figures(images, small):
    X, y = images
    scaled = X[:5, ..., np.newaxis] / np.float32(255)
    callback = Collect(scaled)
    clf = FashionCNN(**{**small, "epochs": 2, "batch_size": 5}, callbacks=[callback])
    clf.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    history = [
        (epoch, {name: values[epoch] for name, values in clf.history_.items()}) for epoch in (0, 1)
    ]
    assert callback.calls == [
        "train begin",
        *("epoch 0 begin", "batch 15 end", "batch 19 end", history[0]),
        *("epoch 1 begin", "batch 15 end", "batch 19 end", history[1]),
        "train end",
    ]
    assert_allclose(callback.predictions[-1], clf.predict_proba(X[:5]), atol=1e-6)
    assert not np.array_equal(*callback.predictions)
    assert callback.model is None  # nothing keeps the network


def test_callbacks_that_watch_change_no_bit(images, small, fitted, tmp_path):
    callbacks = [
        keras.callbacks.TensorBoard(tmp_path / "logs"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="loss"),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
    ]
    clf = FashionCNN(**small, callbacks=callbacks).fit(*images)
    assert weights_equal(clf, fitted)
    assert list((tmp_path / "logs" / "train").glob("events.out.tfevents.*"))
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == pytest.approx(clf.history_["loss"])
    saved = keras.saving.load_model(tmp_path / "best.keras")
    assert_array_equal(saved.get_weights()[0], clf.weights_[0])
    # The callbacks stay the user's, and may be used again, copied and pickled.
    assert clf.callbacks is callbacks
    assert weights_equal(clf.fit(*images), fitted)


def test_an_estimator_with_callbacks_is_cloned_pickled_and_cross_validated(images, small, tmp_path):
    X, y = images
    callbacks = [keras.callbacks.CSVLogger(tmp_path / "log.csv")]
    clf = FashionCNN(**{**small, "epochs": 2}, callbacks=callbacks)
    assert clone(clf).callbacks[0] is not callbacks[0]
    cross_validate(clf, X, y, cv=2, n_jobs=2, error_score="raise")
    assert (tmp_path / "log.csv").read_text().startswith("epoch,accuracy,loss")
    collected = FashionCNN(**small, callbacks=[Collect(X[:1, ..., np.newaxis])]).fit(X, y)
    again = pickle.loads(pickle.dumps(collected))
    assert_array_equal(again.predict(X), collected.predict(X))
    assert again.callbacks[0].calls == collected.callbacks[0].calls


def test_keras_own_early_stopping_restores_its_best_weights(images, small):
    X, y = images
    y_val = np.random.default_rng(0).permutation(y[80:])
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    clf = FashionCNN(**{**small, "epochs": 50}, callbacks=[stopping])
    clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y_val)
    losses = clf.history_["val_loss"]
    assert len(losses) < 50
    best = FashionCNN(**{**small, "epochs": int(np.argmin(losses)) + 1}).fit(X[:80], y[:80])
    assert weights_equal(clf, best)


def test_a_schedule_sets_the_rate_of_each_epoch_and_of_no_later_fit(images, small, fitted):
    rates = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 1e-2 if epoch < 4 else 1e-4)
    clf = FashionCNN(**small, callbacks=[rates]).fit(*images)
    assert not weights_equal(clf, fitted)
    assert weights_equal(FashionCNN(**small).fit(*images), fitted)


class TestTerminateOnNaN:
    def test_the_last_finite_epoch_counts(self, images, small):
        explode = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3 if epoch < 2 else 1e30)
        callbacks = [explode, keras.callbacks.TerminateOnNaN()]
        clf = FashionCNN(**small, callbacks=callbacks).fit(*images)
        assert clf.n_iter_ == 2
        assert weights_equal(clf, FashionCNN(**{**small, "epochs": 2}).fit(*images))
        with pytest.raises(ValueError, match="diverged in epoch 3"):
            clf.set_params(callbacks=[explode]).fit(*images)

    def test_without_a_finite_epoch_the_fit_fails(self, images, small):
        callbacks = [keras.callbacks.TerminateOnNaN()]
        clf = FashionCNN(**{**small, "learning_rate": 1e30}, callbacks=callbacks)
        with pytest.raises(ValueError, match="diverged in epoch 1"):
            clf.fit(*images)
        assert not hasattr(clf, "weights_")


class TestRefused:
    @pytest.mark.parametrize("callback", ["TensorBoard", keras.callbacks.TensorBoard, None])
    def test_what_is_no_keras_callback(self, images, small, callback):
        with pytest.raises(TypeError, match=r"callbacks holds .*: expected instances of keras"):
            FashionCNN(**small, callbacks=[callback]).fit(*images)

    def test_restoring_beside_memory(self, images, small, tmp_path):
        backup = keras.callbacks.BackupAndRestore(tmp_path)
        with pytest.raises(ValueError, match=r"BackupAndRestore.*use the parameter memory"):
            FashionCNN(**small, callbacks=[backup]).fit(*images)

    @pytest.mark.parametrize(
        "callback",
        [
            keras.callbacks.EarlyStopping(),
            keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3),
            keras.callbacks.ReduceLROnPlateau(),
            keras.callbacks.SwapEMAWeights(),
        ],
        ids=lambda callback: type(callback).__name__,
    )
    def test_changing_what_memory_stores(self, images, small, tmp_path, callback):
        clf = FashionCNN(**small, callbacks=[callback], memory=tmp_path)
        with pytest.raises(ValueError, match=f"{type(callback).__name__}, which changes"):
            clf.fit(*images)
        assert list(tmp_path.iterdir()) == []


def test_epochs_from_memory_are_not_reported(images, small, tmp_path):
    FashionCNN(**{**small, "epochs": 2}, memory=tmp_path).fit(*images)
    callback = Collect(images[0][:1, ..., np.newaxis])
    clf = FashionCNN(**{**small, "epochs": 4}, memory=tmp_path, callbacks=[callback]).fit(*images)
    assert [call[0] for call in callback.calls if isinstance(call, tuple)] == [2, 3]
    assert len(clf.history_["loss"]) == 4
