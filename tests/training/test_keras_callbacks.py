"""Keras callbacks work as in Keras' own fit."""

import copy
import csv
import pickle

import keras
import numpy as np
import pytest
from helpers import run_python, weights_equal
from numpy.testing import assert_allclose, assert_array_equal, assert_equal
from sklearn.base import clone

from skfashion import FashionCNN
from skfashion._network.network_cache import network_cache as cache
from skfashion._network.tensorflow import tf


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

    def on_test_begin(self, logs=None):
        self.calls.append("test begin")

    def on_test_end(self, logs=None):
        self.calls.append({f"val_{name}": value for name, value in logs.items()})

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append((epoch, dict(logs)))
        self.predictions.append(self.model.predict(self.X, verbose=0))

    def on_train_end(self, logs=None):
        self.calls.append("train end")


@pytest.mark.usefixtures("full_precision")
def test_hooks_are_called_in_keras_order_with_the_epochs_figures(images, small):
    X, y = images
    scaled = X[:5, ..., np.newaxis] / np.float32(255)
    callback = Collect(scaled)
    clf = FashionCNN(**{**small, "epochs": 2, "batch_size": 5}, callbacks=[callback])
    clf.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    history = [
        (epoch, {name: values[epoch] for name, values in clf.history_.items()}) for epoch in (0, 1)
    ]
    scores = [
        {name: value for name, value in figures.items() if name.startswith("val_")}
        for _, figures in history
    ]
    batches = ["batch 15 end", "batch 19 end"]
    assert callback.calls == [
        "train begin",
        *("epoch 0 begin", *batches, "test begin", scores[0], history[0]),
        *("epoch 1 begin", *batches, "test begin", scores[1], history[1]),
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
    [events] = (tmp_path / "logs" / "train").glob("events.out.tfevents.*")
    assert b"graph_keras_model" in events.read_bytes()
    assert b"convolution_1" in events.read_bytes()
    with (tmp_path / "log.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses == pytest.approx(clf.history_["loss"])
    saved = keras.saving.load_model(tmp_path / "best.keras")
    assert_array_equal(saved.get_weights()[0], clf.weights_[0])
    # The callbacks stay the user's, and may be used again, copied and pickled.
    assert clf.callbacks is callbacks
    assert weights_equal(clf.fit(*images), fitted)


@pytest.fixture
def do():
    """Make a callback that does something with the network in one of its hooks."""

    def make(hook, action):
        callback = keras.callbacks.LambdaCallback()
        setattr(callback, hook, lambda *_, **__: action(callback.model))
        return callback

    return make


class StopWithin(keras.callbacks.Callback):
    """Stops the training within an epoch, after its first 16 batches."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = self.now == self.epoch


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
    # All else is of that epoch too: it is where the training goes on.
    assert clf.n_iter_ == best.n_iter_
    assert_equal(clf._optimizer_state, best._optimizer_state)


def test_a_schedule_sets_the_rate_of_each_epoch_and_of_no_later_fit(images, small, fitted):
    rates = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 1e-2 if epoch < 4 else 1e-4)
    clf = FashionCNN(**small, callbacks=[rates]).fit(*images)
    assert not weights_equal(clf, fitted)
    assert weights_equal(FashionCNN(**small).fit(*images), fitted)


@pytest.mark.parametrize("monitor", ["accuracy", "val_accuracy"])
def test_a_higher_accuracy_is_better_without_being_told(images, small, tmp_path, monitor):
    X, y = images
    callbacks = [
        keras.callbacks.EarlyStopping(monitor, patience=99),
        keras.callbacks.ReduceLROnPlateau(monitor),
        keras.callbacks.ModelCheckpoint(tmp_path / "m.keras", monitor, save_best_only=True),
    ]
    clf = FashionCNN(**small, callbacks=callbacks).fit(X, y, X_val=X[:30], y_val=y[:30])
    assert {callback.best for callback in callbacks} == {max(clf.history_[monitor])}


# What a callback may change of a network, and what would then be so in a later fit.
CHANGES = {
    "trainable": lambda model: setattr(model.layers[0], "trainable", False),
    "activation": lambda model: setattr(model.layers[0], "activation", keras.activations.tanh),
    "lambda": lambda model: setattr(model.layers[0], "activation", lambda x: x),
    "regularizer": lambda model: setattr(
        model.layers[0], "kernel_regularizer", keras.regularizers.L2()
    ),
    "beta_1": lambda model: setattr(model.optimizer, "beta_1", 0.1),
    "schedule": lambda model: setattr(
        model.optimizer,
        "learning_rate",
        keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9),
    ),
    "compile": lambda model: model.compile("sgd", "sparse_categorical_crossentropy"),
    "layers": lambda model: model.pop(),
}


class TestANetworkThatServesManyFits:
    @pytest.mark.parametrize(
        ("hook", "change"),
        [
            *(("on_train_begin", change) for change in CHANGES),
            *(
                (hook, "trainable")
                for hook in ("on_epoch_begin", "on_train_batch_end", "on_train_end")
            ),
        ],
    )
    def test_is_not_used_again_when_a_callback_changed_it(
        self, images, small, fitted, do, hook, change
    ):
        clf = FashionCNN(**small, callbacks=[do(hook, CHANGES[change])])
        with pytest.raises(ValueError, match="callbacks changed the network"):
            clf.fit(*images)
        assert not hasattr(clf, "weights_")
        assert weights_equal(FashionCNN(**small).fit(*images), fitted)

    def test_is_the_same_whether_it_is_new_or_was_kept(self, images, small, fitted, do):
        def halve(model):
            model.optimizer.learning_rate = model.optimizer.learning_rate / 2
            model.set_weights([weight / 2 for weight in model.get_weights()])

        clf = FashionCNN(**small, callbacks=[do("on_train_batch_end", halve)]).fit(*images)
        cache.clear()
        again = FashionCNN(**small, callbacks=[do("on_train_batch_end", halve)]).fit(*images)
        assert weights_equal(again, clf)
        assert weights_equal(FashionCNN(**small).fit(*images), fitted)

    def test_is_kept_when_callbacks_only_watch(self, images, small, fitted, do):
        def watch(model):
            model.evaluate(images[0][..., np.newaxis] / 255, images[1], verbose=0)
            model.predict(images[0][..., np.newaxis] / 255, verbose=0)
            model.summary(print_fn=lambda *_, **__: None)

        FashionCNN(**small).fit(*images)
        network = cache._idle[-1]
        clf = FashionCNN(**small, callbacks=[do("on_epoch_end", watch)]).fit(*images)
        assert weights_equal(clf, fitted)
        assert cache._idle[-1] is network


def test_a_schedule_of_the_rate_of_dropout_takes_effect(images, small, fitted, do):
    def no_dropout(model):
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0

    never = FashionCNN(**small, dropout=1e-9).fit(*images)
    half = FashionCNN(**small, dropout=0.5)
    plain = clone(half).fit(*images)
    clf = clone(half).set_params(callbacks=[do("on_epoch_begin", no_dropout)]).fit(*images)
    assert weights_equal(clf, never)
    assert weights_equal(half.fit(*images), plain)


class TestAnEpochThatACallbackBreaksOff:
    def test_does_not_count_and_is_not_stored(self, images, small, tmp_path):
        small = {**small, "batch_size": 5}
        clf = FashionCNN(**small, callbacks=[StopWithin(2)], memory=tmp_path).fit(*images)
        two = FashionCNN(**{**small, "epochs": 2}).fit(*images)
        assert (clf.n_iter_, clf.history_) == (2, two.history_)
        assert weights_equal(clf, two)
        assert clf._optimizer_state["iterations"] == two._optimizer_state["iterations"]
        clf = FashionCNN(**small, memory=tmp_path).fit(*images)
        assert clf.n_epochs_trained_ == 6
        assert weights_equal(clf, FashionCNN(**small).fit(*images))

    def test_leaves_nothing_where_it_is_the_first(self, images, small):
        clf = FashionCNN(**{**small, "batch_size": 5}, callbacks=[StopWithin(0)])
        with pytest.raises(ValueError, match="stopped the training within epoch 1"):
            clf.fit(*images)
        assert not hasattr(clf, "weights_")


class TestMemory:
    @pytest.mark.parametrize(
        ("hook", "change"),
        [
            ("on_train_begin", lambda model: setattr(model.layers[1], "rate", 0.9)),
            ("on_epoch_begin", lambda model: setattr(model.optimizer, "learning_rate", 0.05)),
            ("on_train_batch_end", lambda model: model.optimizer.iterations.assign(1000)),
            ("on_train_batch_end", lambda model: setattr(model.layers[1], "rate", 0.9)),
            ("on_epoch_end", lambda model: model.set_weights([0 * w for w in model.get_weights()])),
        ],
    )
    def test_stores_no_epoch_that_a_callback_changed(
        self, images, small, tmp_path, do, hook, change
    ):
        dropping = {**small, "epochs": 3, "dropout": 0.2}
        clf = FashionCNN(**dropping, callbacks=[do(hook, change)], memory=tmp_path)
        with pytest.raises(ValueError, match="cannot be used together with memory"):
            clf.fit(*images)
        clf = FashionCNN(**dropping, memory=tmp_path).fit(*images)
        assert weights_equal(clf, FashionCNN(**dropping).fit(*images))

    def test_stores_what_was_measured(self, images, small, fitted, tmp_path):
        def falsify(epoch, logs):
            logs |= {"loss": 0.0, "val_accuracy": 1.0}

        callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=falsify)]
        clf = FashionCNN(**small, callbacks=callbacks, memory=tmp_path).fit(*images)
        assert clf.history_ == fitted.history_

    def test_takes_a_harmless_callback_whatever_its_name(self, images, small, fitted, tmp_path):
        class EarlyStopping(Collect):
            pass

        callbacks = [EarlyStopping(images[0][:1, ..., np.newaxis])]
        clf = FashionCNN(**small, callbacks=callbacks, memory=tmp_path).fit(*images)
        assert weights_equal(clf, fitted)
        assert FashionCNN(**small, memory=tmp_path).fit(*images).n_epochs_trained_ == 0


class TestWhatAFitOpens:
    @pytest.fixture
    def logging(self, small, tmp_path):
        logs = str(tmp_path / "logs")
        loggers = [
            keras.callbacks.TensorBoard(logs, update_freq="batch", histogram_freq=1),
            keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        ]
        return FashionCNN(**{**small, "epochs": 2}, callbacks=loggers)

    def check(self, clf, X):
        for twin in (pickle.loads(pickle.dumps(clf)), copy.deepcopy(clf)):
            assert_array_equal(twin.predict(X), clf.predict(X))
            assert len(twin.callbacks) == len(clf.callbacks)
        clone(clf)

    def test_is_closed_and_let_go_after_it(self, images, logging):
        # As a worker of joblib is given it, and gives it back.
        self.check(pickle.loads(pickle.dumps(logging)).fit(*images), images[0])

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), KeyError("mine")], ids=repr)
    def test_is_closed_and_let_go_when_it_fails(self, images, logging, tmp_path, do, error):
        opened = []

        def fail(model):
            opened.append(logging.callbacks[1].csv_file)
            raise error

        logging.fit(*images)
        logging.callbacks.append(do("on_epoch_end", fail))
        with pytest.raises(type(error)):
            logging.fit(*images)
        assert opened[0].closed
        assert tf.summary.experimental.get_step() is None  # no writer is left in force
        del logging.callbacks[2]
        self.check(logging, images[0])


class TestASavedModel:
    @pytest.fixture
    def saved(self, images, small, tmp_path):
        """Return classifiers and the files of their models, in single and double precision."""
        found = []
        for dtype in ("float32", "float64"):
            path = str(tmp_path / f"{dtype}.keras")
            callbacks = [keras.callbacks.ModelCheckpoint(path)]
            clf = FashionCNN(**small, dropout=0.25, dtype=dtype, callbacks=callbacks)
            found.append((clf.fit(*images), path))
        return found

    def test_loads_as_a_plain_sequential_without_skfashion(self, saved):
        out = run_python(f"""
            import os, sys
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
            sys.modules["skfashion"] = None  # importing it is an ImportError
            from helpers import import_tensorflow
            import_tensorflow()
            import keras

            def total(arrays):
                return float(sum(abs(array).sum() for array in arrays))

            for path in {[path for _, path in saved]}:
                model = keras.saving.load_model(path)
                print({{type(part).__module__.split(".")[0] for part in (model, *model.layers)}})
                print(type(model) is keras.Sequential, type(model.optimizer).__name__)
                print([layer.rate for layer in model.layers if type(layer) is keras.layers.Dropout])
                variables = model.optimizer.variables
                momentums = [v.numpy() for v in variables if v.name.endswith("momentum")]
                print(total(model.get_weights()), total(momentums))
                print(int(model.optimizer.iterations), model.optimizer.learning_rate.numpy())
        """)
        expected = []
        for clf, _ in saved:
            totals = [
                float(sum(abs(array).sum() for array in arrays))
                for arrays in (clf.weights_, clf._optimizer_state["momentums"])
            ]
            expected += [
                "{'keras'}",
                "True Adam",
                "[0.25, 0.25]",
                "{} {}".format(*totals),
                "48 0.001",
            ]
        assert out.splitlines() == expected

    def test_is_what_a_copy_of_the_network_is(self, images, small, do):
        kept = []
        keep = do("on_train_end", lambda model: kept.append(copy.deepcopy(model)))
        clf = FashionCNN(**small, callbacks=[keep]).fit(*images)
        FashionCNN(**{**small, "random_state": 1}).fit(*images)
        for model in (kept[0], pickle.loads(pickle.dumps(kept[0]))):
            assert type(model) is keras.Sequential
            assert_array_equal(model.get_weights()[0], clf.weights_[0])

    @pytest.mark.parametrize("batch_norm", [False, True])
    def test_can_be_an_export_for_tensorflow(self, images, small, tmp_path, do, batch_norm):
        clf = FashionCNN(**small, batch_norm=batch_norm).fit(*images)
        path = str(tmp_path / "exported")
        export = do("on_epoch_end", lambda model: model.export(path, verbose=False))
        exporting = clone(clf).set_params(callbacks=[export]).fit(*images)
        assert weights_equal(exporting, clf)
        pixels = images[0][..., np.newaxis].astype(np.float32) / np.float32(clf.pixel_max_)
        loaded = tf.saved_model.load(path)
        assert_allclose(loaded.serve(pixels), clf.predict_proba(images[0]), atol=1e-6)


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

    @pytest.mark.parametrize(
        ("callback", "message"),
        [
            (
                keras.callbacks.BackupAndRestore("nowhere"),
                "holds BackupAndRestore, which.*use the parameter memory",
            ),
            (keras.callbacks.SwapEMAWeights(), "holds SwapEMAWeights, but.*no moving average"),
        ],
    )
    def test_what_restores_or_averages(self, images, small, callback, message):
        with pytest.raises(ValueError, match=message):
            FashionCNN(**small, callbacks=[callback]).fit(*images)

    @pytest.mark.parametrize(
        "callback",
        [
            keras.callbacks.EarlyStopping(),
            keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3),
            keras.callbacks.ReduceLROnPlateau(),
        ],
        ids=lambda callback: type(callback).__name__,
    )
    def test_changing_what_memory_stores(self, images, small, tmp_path, callback):
        clf = FashionCNN(**small, callbacks=[callback], memory=tmp_path)
        with pytest.raises(ValueError, match=f"holds {type(callback).__name__}, which changes"):
            clf.fit(*images)
        assert list(tmp_path.iterdir()) == []


def test_epochs_from_memory_are_not_reported(images, small, tmp_path):
    FashionCNN(**{**small, "epochs": 2}, memory=tmp_path).fit(*images)
    callback = Collect(images[0][:1, ..., np.newaxis])
    clf = FashionCNN(**{**small, "epochs": 4}, memory=tmp_path, callbacks=[callback]).fit(*images)
    assert [call[0] for call in callback.calls if isinstance(call, tuple)] == [2, 3]
    assert len(clf.history_["loss"]) == 4
