"""Trains a network through SciKeras. This is the only module that imports SciKeras."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sklearn.preprocessing import FunctionTransformer

from skfashion._network.architecture import Architecture
from skfashion._network.keras_model import Network
from skfashion._network.keras_optimizer import Adam
from skfashion._network.network_cache import network_cache
from skfashion._network.tensorflow import computing_eagerly, explaining_memory_errors, keras
from skfashion._network.training_settings import TrainingSettings
from skfashion._training.data import TrainingData
from skfashion._training.progress import Progress
from skfashion._training.recorder import make_recorder, release_callbacks
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


@explaining_memory_errors()
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
    MemoryError
        If TensorFlow runs out of memory.
    """
    recorder = make_recorder(progress, callbacks)
    classifier = _Classifier(
        model=build_network,
        model__architecture=architecture,
        optimizer=Adam,
        optimizer__dtype=architecture.dtype,
        optimizer__name="adam",  # a default name would advance Keras' global name counters
        loss=keras.losses.SparseCategoricalCrossentropy,
        loss__dtype=architecture.dtype,
        metrics=["accuracy"],
        batch_size=settings.batch_size,
        callbacks=[recorder],
        verbose=0,
        fit__settings=settings,
        fit__initial_state=progress.take_state,
        fit__validation_data=data.validation and data.validation.arrays,
    )
    with release_callbacks([*callbacks, recorder]):
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


def build_network(architecture: Architecture) -> Network:
    """Build a network, which SciKeras compiles, or take a compiled one from the cache.

    This is the model-building function for SciKeras.
    """
    return network_cache.acquire(architecture) or Network(architecture)


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
