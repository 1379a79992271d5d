"""Trains a network through SciKeras. This is the only module that names SciKeras."""

# Before SciKeras, which imports TensorFlow loudly.
from skfashion._network.tensorflow import keras  # isort: split

import gc
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.preprocessing import FunctionTransformer

from skfashion._network.architecture import Architecture
from skfashion._network.keras_layers import Adam
from skfashion._network.keras_model import Network, cache
from skfashion._training.data import TrainingData, TrainingSettings
from skfashion._training.progress import Progress
from skfashion._utils.types import AnyArray

# A dropped network is memory that Python sees nothing of: it would collect its garbage too late.
_BYTES_WORTH_COLLECTING = 100e6

_MEASURED = ("loss", "accuracy", "val_loss", "val_accuracy")


def train(
    architecture: Architecture,
    settings: TrainingSettings,
    data: TrainingData,
    progress: Progress,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Train until the end that `progress` sees.

    Each epoch depends on the state before it, the seed and its number alone, so ten epochs are
    five epochs and then five more.

    Parameters
    ----------
    architecture : Architecture
    settings : TrainingSettings
    data : TrainingData
    progress : Progress
        Where the training stands; it is moved on.
    callbacks : list of keras.callbacks.Callback
        The user's.

    Raises
    ------
    ValueError
        If the loss or the weights are no longer finite.
    """
    recorder = _Recorder(progress, callbacks)
    classifier = _Classifier(
        model=build_network,
        **{f"model__{name}": value for name, value in asdict(architecture).items()},
        model__dropout_rate=settings.dropout,
        model__pixel_max=settings.pixel_max,
        model__learning_rate=settings.learning_rate,
        optimizer=Adam,
        optimizer__learning_rate=settings.learning_rate,
        optimizer__dtype=architecture.dtype,
        optimizer__name="adam",  # a default name would count up Keras' global counters
        loss=keras.losses.SparseCategoricalCrossentropy,
        loss__dtype=architecture.dtype,
        metrics=["accuracy"],
        batch_size=settings.batch_size,
        callbacks=[*callbacks, recorder],  # the last one: it sees what the others changed
        verbose=0,
        fit__seed=settings.seed,
        fit__initial_state=progress.take_state,
        fit__validation_data=data.validation and data.validation.arrays,
    )
    try:
        classifier.fit(
            data.images,
            data.labels,
            sample_weight=data.weights,
            initial_epoch=progress.epoch,
            epochs=progress.last - progress.epoch,
        )
        dropped = cache.release(classifier.model_)  # not one whose use failed
    finally:
        # Else the user's callbacks would keep and pickle the network.
        for callback in (*callbacks, recorder):
            keras.callbacks.Callback.set_model(callback, None)
        del classifier
    if dropped > _BYTES_WORTH_COLLECTING:
        gc.collect()
    if recorder.diverged:
        raise ValueError(
            f"Training diverged in epoch {progress.epoch + 1}: the loss or the weights are no "
            f"longer finite. Use a smaller learning_rate (it is {settings.learning_rate:g}) or "
            "scale X."
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
    network = cache.acquire(architecture)
    if network is None:
        network = Network(architecture)
    else:
        network.optimizer.learning_rate = learning_rate
    network.set_scales(pixel_max=pixel_max, dropout=dropout_rate)
    return network


class _Classifier(KerasClassifier):
    """SciKeras' classifier for data that are checked and labels that are encoded already."""

    @property
    def target_encoder(self) -> FunctionTransformer:
        return FunctionTransformer()

    def _type_of_target(self, y: AnyArray) -> str:
        return "multiclass"

    @staticmethod
    def _validate_sample_weight(
        X: AnyArray, y: AnyArray, sample_weight: AnyArray
    ) -> tuple[AnyArray, AnyArray, AnyArray]:
        return X, y, sample_weight  # SciKeras would round the weights to the global `floatx`


class _Recorder(keras.callbacks.Callback):
    """Records each epoch, and ends the training or takes it to a newer checkpoint.

    Parameters
    ----------
    progress : Progress
    others : list of keras.callbacks.Callback
        The user's.

    Attributes
    ----------
    diverged : bool
        Whether an epoch ended in what is not finite.
    """

    def __init__(self, progress: Progress, others: Sequence[keras.callbacks.Callback]) -> None:
        super().__init__()
        self.progress = progress
        self.others = others
        self.diverged = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.progress.begin_epoch()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        state = self.model.get_state()
        if not (np.isfinite(logs["loss"]) and all(np.isfinite(w).all() for w in state.weights)):
            # The user of a TerminateOnNaN takes the epochs before it, if there are any.
            expected = any(isinstance(o, keras.callbacks.TerminateOnNaN) for o in self.others)
            self.diverged = not (expected and self.progress.started)
            self.model.stop_training = True
            return
        self.progress.record({name: logs[name] for name in _MEASURED if name in logs}, state)
        # At its end, perhaps only the weights are stored.
        if self.progress.resume() and not self.progress.ended:
            self.model.set_state(self.progress.take_state(), self.progress.epoch)
        if self.progress.ended:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        # As Keras' EarlyStopping does, which restores its best weights here.
        if self.others and self.model.epoch == self.progress.epoch:
            self.progress.replace_state(self.model.get_state())
