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
from skfashion._network.keras_model import Network, hears_batches
from skfashion._network.network_cache import network_cache
from skfashion._network.tensorflow import computing_eagerly, keras
from skfashion._training.data import TrainingData, TrainingSettings
from skfashion._training.progress import Progress
from skfashion._utils.types import AnyArray


@contextmanager
def _undo_patches() -> Iterator[None]:
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


with _undo_patches():
    from scikeras.wrappers import KerasClassifier

# Python does not count the memory of a dropped network, and would collect it too late.
_BYTES_WORTH_COLLECTING = 100e6

_MEASURED = ("loss", "accuracy", "val_loss", "val_accuracy")

# Where Keras' CSVLogger and TensorBoard keep what they opened.
_OPENED = ("csv_file", "_summary_module", "_writers")


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

    A KeyboardInterrupt passes through: `FashionCNN` keeps the completed epochs.

    Parameters
    ----------
    architecture : Architecture
    settings : TrainingSettings
    data : TrainingData
    progress : Progress
        Progress so far; updated in place.
    callbacks : list of keras.callbacks.Callback
        Keras callbacks of the user.

    Raises
    ------
    ValueError
        If the loss or the weights are no longer finite, or a callback changes what it may not or
        stops the training within the first epoch.
    """
    recorder_class = _BatchRecorder if any(map(hears_batches, callbacks)) else _Recorder
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
    dropped = network_cache.release(classifier.model_)  # only if the fit succeeded
    del classifier
    if dropped > _BYTES_WORTH_COLLECTING:
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
            "its last batch. Nothing is left: only full epochs count."
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
    """SciKeras' classifier without its checks: data are validated and labels encoded already."""

    @property
    def target_encoder(self) -> FunctionTransformer:
        # Arrays whatever the user's `transform_output`: else every fit would warn.
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
    """Calls the user's callbacks, records each epoch, stops, or jumps to a newer checkpoint.

    Parameters
    ----------
    progress : Progress
    others : list of keras.callbacks.Callback
        Keras callbacks of the user.

    Attributes
    ----------
    diverged : bool
        Whether the loss or the weights became non-finite.
    """

    def __init__(self, progress: Progress, others: Sequence[keras.callbacks.Callback]) -> None:
        super().__init__()
        self.progress = progress
        self.others = others
        self.diverged = False
        # The epoch that each EarlyStopping would restore, and the state after it.
        self._restorable: dict[int, tuple[TrainingState, int]] = {}

    def set_model(self, model: Network) -> None:
        super().set_model(model)
        for other in self.others:
            other.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        for other in self.others:
            other.set_params(params)

    def on_train_begin(self, logs: Any = None) -> None:
        self._call_others("on_train_begin", logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.progress.begin_epoch()
        self._call_others("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self._call_others("on_epoch_end", epoch, {**logs})  # what they add is not in the history
        state = self.model.get_state()
        if not (np.isfinite(logs["loss"]) and all(np.isfinite(w).all() for w in state.weights)):
            # With TerminateOnNaN the user expects no error, but the earlier epochs, if any.
            expected = any(isinstance(o, keras.callbacks.TerminateOnNaN) for o in self.others)
            self.diverged = not (expected and self.progress.started)
            self.model.stop_training = True
            return
        if not self.model.epoch_is_complete:
            self.model.stop_training = True
            return
        self.progress.record({name: logs[name] for name in _MEASURED if name in logs}, state)
        for number, other in enumerate(self.others):
            stops = isinstance(other, keras.callbacks.EarlyStopping)
            if stops and other.restore_best_weights and other.best_epoch == epoch:
                self._restorable[number] = state, self.progress.epoch
        # The last checkpoint may hold only the weights.
        if self.progress.resume() and not self.progress.ended:
            self.model.set_state(self.progress.take_state(), self.progress.epoch)
        if self.progress.ended:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        if not self.others:
            return
        self._call_others("on_train_end", logs)
        state = self.model.get_state()
        for restorable in self._restorable.values():  # the optimizer's state comes with it
            if all(map(np.array_equal, restorable[0].weights, state.weights)):
                self.progress.replace_state(*restorable)
                return
        if self.model.epoch == self.progress.epoch:
            self.progress.replace_state(state, self.progress.epoch)

    def _call_others(self, hook: str, *arguments: Any) -> None:
        """Call a hook of the user's callbacks. Raise an error if they changed too much."""
        if not self.others:
            return
        before = self._changeable() if self.progress.is_stored else []
        for other in self.others:
            getattr(other, hook)(*arguments)
        self.model.check_unchanged()
        for old, new in zip(before, self._changeable() if before else [], strict=True):
            if not np.array_equal(old, new, equal_nan=True):
                raise ValueError(
                    "One of the callbacks changed weights, learning rate or rate of dropout: it "
                    "cannot be used together with memory, whose stored epochs would not be those "
                    "of these parameters."
                )

    def _changeable(self) -> list[Any]:
        """Copy all that callbacks may change where no epoch is stored."""
        state = self.model.get_state()
        assert state.momentums is not None
        assert state.velocities is not None
        numbers = [state.iterations, *self.model.get_rates()]
        return [*state.weights, *state.momentums, *state.velocities, *numbers]


class _BatchRecorder(_Recorder):
    """Calls batch hooks too, which cost time and are rarely overridden."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._call_others("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._call_others("on_train_batch_end", batch, logs)


@contextmanager
def _release_callbacks(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[None]:
    """Take the network away from callbacks after a fit, and close files that they left open.

    Otherwise an estimator could not be pickled or copied after a fit.
    """
    opening = (keras.callbacks.CSVLogger, keras.callbacks.TensorBoard)
    loggers = [callback for callback in callbacks if isinstance(callback, opening)]
    before = [{name: vars(logger).get(name) for name in _OPENED} for logger in loggers]
    try:
        yield
    except BaseException:
        for logger in loggers:  # an interruption comes at any time
            with suppress(Exception):
                logger.on_train_end()
        raise
    finally:
        for callback in callbacks:
            keras.callbacks.Callback.set_model(callback, None)
        for logger, attributes in zip(loggers, before, strict=True):
            vars(logger).update({n: attributes[n] for n in _OPENED if n in vars(logger)})
