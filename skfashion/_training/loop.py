"""Trains a network through SciKeras. This is the only module that imports SciKeras."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.preprocessing import FunctionTransformer

from skfashion._network.architecture import Architecture, TrainingState
from skfashion._network.keras_layers import Adam
from skfashion._network.keras_model import Network, overrides_batch_hooks
from skfashion._network.network_cache import network_cache
from skfashion._network.tensorflow import computing_eagerly, keras
from skfashion._training.data import TrainingData, TrainingSettings
from skfashion._training.progress import Progress
from skfashion._utils.types import AnyArray


@contextmanager
def _undo_scikeras_patches() -> Iterator[None]:
    """Undo what the import of SciKeras changes in Keras, unless the user had imported it before.

    SciKeras changes how all Keras objects are pickled and copied: models with a Lambda no longer
    can be, and pickles cannot be read without SciKeras. A later import by the user does it again.
    """
    if "scikeras" in sys.modules:
        yield
        return
    kinds = (keras.Model, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer)
    before = [(kind, dict(vars(kind))) for kind in kinds]
    try:
        yield
    finally:
        for kind, attributes in before:
            for name in ("__reduce__", "__deepcopy__"):
                if name in attributes:
                    setattr(kind, name, attributes[name])
                elif name in vars(kind):
                    delattr(kind, name)
        for name in [name for name in sys.modules if name.partition(".")[0] == "scikeras"]:
            del sys.modules[name]


with _undo_scikeras_patches():
    from scikeras.wrappers import KerasClassifier

# A dropped network of this size is collected at once. Python does not know how large it is, and
# would collect it too late.
_MIN_BYTES_TO_COLLECT = 100e6

_MEASURED = ("loss", "accuracy", "val_loss", "val_accuracy")

# Attributes of Keras' CSVLogger and TensorBoard that hold open files.
_FILE_ATTRIBUTES = ("csv_file", "_summary_module", "_writers")


@computing_eagerly()
def train(
    architecture: Architecture,
    settings: TrainingSettings,
    data: TrainingData,
    progress: Progress,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Train until `progress.ended`.

    An epoch depends only on the state before it, the seed and its number. So training 5 epochs and
    then 5 more equals training 10.

    A KeyboardInterrupt is not caught here: `FashionCNN` keeps the completed epochs.

    Parameters
    ----------
    architecture : Architecture
    settings : TrainingSettings
    data : TrainingData
    progress : Progress
        The completed epochs; updated in place.
    callbacks : list of keras.callbacks.Callback
        Keras callbacks of the user.

    Raises
    ------
    ValueError
        If the loss or the weights are no longer finite, if a callback makes a change that is not
        allowed, or if it stops the training within the first epoch.
    """
    recorder_class = _BatchRecorder if any(map(overrides_batch_hooks, callbacks)) else _Recorder
    recorder = recorder_class(progress, callbacks)
    classifier = _Classifier(
        model=build_network,
        **{f"model__{name}": value for name, value in asdict(architecture).items()},
        model__dropout_rate=settings.dropout,
        model__pixel_max=settings.pixel_max,
        model__learning_rate=settings.learning_rate,
        optimizer=Adam,
        optimizer__learning_rate=settings.learning_rate,
        optimizer__dtype=architecture.dtype,
        optimizer__name="adam",  # a default name would advance Keras' global name counters
        loss=keras.losses.SparseCategoricalCrossentropy,
        loss__dtype=architecture.dtype,
        metrics=["accuracy"],
        batch_size=settings.batch_size,
        callbacks=[recorder],
        verbose=0,
        fit__seed=settings.seed,
        fit__initial_state=progress.take_state,
        fit__validation_data=data.validation and data.validation.arrays,
    )
    with _release_callbacks([*callbacks, recorder]):
        classifier.fit(
            data.images,
            data.labels,
            sample_weight=data.weights,
            initial_epoch=progress.epoch,
            epochs=progress.last - progress.epoch,  # SciKeras adds initial_epoch
        )
    dropped = network_cache.release(classifier.model_)  # after a failure it is not reused
    del classifier
    if dropped > _MIN_BYTES_TO_COLLECT:
        gc.collect()
    if recorder.diverged:
        raise ValueError(
            f"Training diverged in epoch {progress.epoch + 1}: the loss or the weights are no "
            f"longer finite. Use a smaller learning_rate (it is {settings.learning_rate:g}) or "
            "scale X."
        )
    if not progress.started:
        raise ValueError(
            f"One of the callbacks stopped the training within epoch {progress.epoch + 1}, before "
            "its last batch. There is no result, because only full epochs count."
        )


def build_network(
    *,
    image_shape: tuple[int, int],
    filters: Sequence[int],
    kernel_size: int,
    strides: int,
    dropout: bool,
    dropout_rate: float,
    dense_units: int,
    n_classes: int,
    dtype: Any,
    pixel_max: float,
    learning_rate: float,
) -> Network:
    """Build a network, which SciKeras compiles, or take a compiled one from the cache.

    This is the model-building function for SciKeras.
    """
    architecture = Architecture(
        image_shape, tuple(filters), kernel_size, strides, dropout, dense_units, n_classes, dtype
    )
    network = network_cache.acquire(architecture)
    if network is None:
        network = Network(architecture)
    else:
        network.optimizer.learning_rate = learning_rate
    network.set_scales(pixel_max=pixel_max, dropout=dropout_rate)
    return network


class _Classifier(KerasClassifier):
    """SciKeras' classifier without its checks: the data are checked and encoded already."""

    @property
    def target_encoder(self) -> FunctionTransformer:
        # Returns arrays for any `transform_output` of the user. Otherwise every fit would warn.
        return FunctionTransformer().set_output(transform="default")

    feature_encoder = target_encoder

    def _type_of_target(self, y: AnyArray) -> str:
        return "multiclass"

    @staticmethod
    def _validate_sample_weight(
        X: AnyArray, y: AnyArray, sample_weight: AnyArray
    ) -> tuple[AnyArray, AnyArray, AnyArray]:
        return X, y, sample_weight  # SciKeras would round the weights to the global `floatx`


class _Recorder(keras.callbacks.Callback):
    """Calls the user's callbacks, records each epoch, and stops or resumes from a checkpoint.

    Parameters
    ----------
    progress : Progress
    callbacks : list of keras.callbacks.Callback
        Keras callbacks of the user.

    Attributes
    ----------
    diverged : bool
        Whether the loss or the weights became non-finite.
    """

    def __init__(self, progress: Progress, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        super().__init__()
        self.progress = progress
        self.callbacks = callbacks
        self.diverged = False
        # For each EarlyStopping: the state and the number of the epoch that it would restore.
        self._restorable: dict[int, tuple[TrainingState, int]] = {}

    def set_model(self, model: Network) -> None:
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def on_train_begin(self, logs: Any = None) -> None:
        self._call("on_train_begin", logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.progress.begin_epoch()
        self._call("on_epoch_begin", epoch, logs)

    def on_test_begin(self, logs: Any = None) -> None:
        self._call("on_test_begin", logs)

    def on_test_end(self, logs: Any = None) -> None:
        self._call("on_test_end", logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self._call("on_epoch_end", epoch, {**logs})  # callbacks may add to the copy
        state = self.model.get_state()
        is_finite = np.isfinite(logs["loss"]) and all(np.isfinite(w).all() for w in state.weights)
        if not is_finite:
            # With TerminateOnNaN this is not an error if there are earlier epochs.
            expected = any(isinstance(c, keras.callbacks.TerminateOnNaN) for c in self.callbacks)
            self.diverged = not (expected and self.progress.started)
        if not (is_finite and self.model.epoch_is_complete):
            self.model.stop_training = True
            return
        self.progress.record({name: logs[name] for name in _MEASURED if name in logs}, state)
        for number, callback in enumerate(self.callbacks):
            stops = isinstance(callback, keras.callbacks.EarlyStopping)
            if stops and callback.restore_best_weights and callback.best_epoch == epoch:
                self._restorable[number] = state, self.progress.epoch
        # Another process may have stored later epochs. The last one may lack the optimizer's state.
        if self.progress.resume() and not self.progress.ended:
            self.model.set_state(self.progress.take_state(), self.progress.epoch)
        if self.progress.ended:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        if not self.callbacks:
            return
        self._call("on_train_end", logs)
        state = self.model.get_state()
        # EarlyStopping restores only the weights. The optimizer's state is restored with them.
        for restorable in self._restorable.values():
            if all(map(np.array_equal, restorable[0].weights, state.weights)):
                self.progress.replace_state(*restorable)
                return
        if self.model.epoch == self.progress.epoch:
            self.progress.replace_state(state, self.progress.epoch)

    def _call(self, hook: str, *arguments: Any) -> None:
        """Call a hook of the user's callbacks. Raise an error if they changed too much."""
        if not self.callbacks:
            return
        before = self._changeable_values() if self.progress.stores_epochs else []
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)
        self.model.check_unchanged()
        for old, new in zip(before, self._changeable_values() if before else [], strict=True):
            if not np.array_equal(old, new, equal_nan=True):
                raise ValueError(
                    "One of the callbacks changed weights, learning rate or dropout rate: it "
                    "cannot be used together with memory, whose stored epochs would not be those "
                    "of these parameters."
                )

    def _changeable_values(self) -> list[Any]:
        """Return all values that callbacks may change if no epoch is stored."""
        state = self.model.get_state()
        return [*state.arrays, state.iterations, *self.model.get_rates()]


class _BatchRecorder(_Recorder):
    """Calls the batch hooks too. They take time, and few callbacks override them."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._call("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._call("on_train_batch_end", batch, logs)


@contextmanager
def _release_callbacks(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[None]:
    """Remove the network from callbacks after a fit, and close the files that they left open.

    Otherwise the estimator could not be pickled or copied.
    """
    opening = (keras.callbacks.CSVLogger, keras.callbacks.TensorBoard)
    loggers = [callback for callback in callbacks if isinstance(callback, opening)]
    before = [{name: vars(logger).get(name) for name in _FILE_ATTRIBUTES} for logger in loggers]
    try:
        yield
    except BaseException:
        for logger in loggers:  # after an interruption its files may be in any state
            with suppress(Exception):
                logger.on_train_end()
        raise
    finally:
        for callback in callbacks:
            keras.callbacks.Callback.set_model(callback, None)
        for logger, attributes in zip(loggers, before, strict=True):
            vars(logger).update({n: attributes[n] for n in _FILE_ATTRIBUTES if n in vars(logger)})
