"""A trainable Keras model that keeps its data on the device."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from skfashion._network.architecture import Architecture
from skfashion._network.augmentation import draw_changes
from skfashion._network.composition import Composition
from skfashion._network.keras_layers import (
    BatchNormalization,
    Dropout,
    build_layers,
)
from skfashion._network.programs import Programs, Rows
from skfashion._network.tensorflow import (
    chosen_device,
    compiles_with_xla,
    keep_name_counters,
    keras,
    tf,
)
from skfashion._network.training_settings import TrainingSettings
from skfashion._network.training_state import EPSILON, TrainingState, fold, update_average
from skfashion._network.xla import XlaPrograms
from skfashion._utils.types import AnyArray, FloatArray

# Limit for the largest feature map of a batch of validation data, in bytes. Smaller batches are
# slower, larger ones take memory beside that of the training.
_MAX_FEATURE_MAP_BYTES = 8e6

# The average of the weights is updated so many times in an epoch. With one update the average after
# three epochs would be mostly the weights after the third, and .009 less accurate in version 3.
_UPDATES_PER_EPOCH = 16


class Network(keras.Sequential):
    """A Keras model whose `fit` keeps the data on the device and runs many steps in one call.

    It overrides `fit`, as in Keras' guide "Customizing what happens in fit()". Everything that
    training changes can be overwritten, so that one compiled network serves many trainings.

    Parameters
    ----------
    architecture : Architecture
    jit_compile : bool or None, default=None
        Whether XLA compiles the programs. If None, it does if TensorFlow computes on a graphics
        card.

    Attributes
    ----------
    device : str
        The device that was chosen by `tf.device` when it was built. Its variables are there.
    epoch : int
        Number of epochs that led to the current state.
    epoch_is_complete : bool
        Whether the newest epoch was trained to its last batch.
    """

    __module__ = "keras"

    @keep_name_counters()
    def __init__(self, architecture: Architecture, jit_compile: bool | None = None) -> None:
        dtype = architecture.dtype
        pixels = keras.Input((*architecture.image_shape, 1), dtype=dtype, name="pixels")
        if jit_compile is None:
            jit_compile = compiles_with_xla()
        layers = build_layers(architecture, 0.5, plain=False)
        super().__init__([pixels, *layers], name="fashion_cnn")
        self.dtype_policy = keras.DTypePolicy(dtype)  # not the user's global policy
        self.architecture = architecture
        self.device = chosen_device()
        self.epoch = 0
        self.epoch_is_complete = True
        self._averaging = 0.0
        self._average: list[FloatArray] = []
        self._programs = (XlaPrograms if jit_compile else Programs)(self, architecture)
        self._composition: Composition | None = None

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> keras.Sequential:
        """Return a plain Sequential. It is called when a model that a callback saved is loaded."""
        return keras.Sequential.from_config(config, custom_objects)

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles are plain Sequentials too.
        return keras.Sequential._unpickle_model, super().__reduce__()[1]

    # State

    def set_state(self, state: TrainingState, epoch: int) -> None:
        """Overwrite weights, optimizer and averages by the state after an epoch."""
        values = {**state.groups, "trained": state.trained_weights}
        for name, variables in self._variables_by_group().items():
            for variable, value in zip(variables, values.get(name, []), strict=True):
                variable.value.assign(value)  # keras.Variable.assign takes twice as long
        self.optimizer.iterations.assign(state.iterations)
        self.epoch = epoch
        self._average = state.weights if self._averaging else []

    def get_state(self) -> TrainingState:
        """Return the state, with read-only views of TensorFlow's memory.

        They do not change: as long as they exist, the next epoch updates copies of them.
        """
        groups = self._view_variables()
        if self._averaging:
            weights = [*self._average]
        else:
            weights = fold(groups["trained"], groups["statistics"])
        if not (self._averaging or groups["statistics"]):
            del groups["trained"]  # these are the weights
        return TrainingState(
            weights,
            iterations=int(self.optimizer.iterations.numpy()),
            is_view=True,
            **groups,
        )

    def _view_variables(self, *names: str) -> dict[str, list[FloatArray]]:
        """Return views of what training changes, of all groups or those with the names."""
        return {
            name: [np.asarray(memoryview(variable.value.read_value())) for variable in variables]
            for name, variables in self._variables_by_group().items()
            if not names or name in names
        }

    @property
    def n_bytes(self) -> int:
        """Size of weights and optimizer in bytes."""
        itemsize = np.dtype(self.architecture.dtype).itemsize
        return 3 * itemsize * self.architecture.n_parameters

    def _variables_by_group(self) -> dict[str, list[keras.Variable]]:
        """Return what training changes, under the names that `TrainingState` has for it."""
        statistics = [
            variable
            for layer in self.layers
            if isinstance(layer, BatchNormalization)
            for variable in (layer.moving_mean, layer.moving_variance)
        ]
        return {
            "trained": self.trainable_variables,
            "momentums": self.optimizer._momentums,
            "velocities": self.optimizer._velocities,
            "statistics": statistics,
        }

    def _apply(self, settings: TrainingSettings) -> None:
        """Set the variables and attributes that hold a part of the settings."""
        self.optimizer.learning_rate = settings.learning_rate
        self.optimizer.set_warmup_steps(settings.warmup_steps)
        self._programs.pixel_max.assign(settings.pixel_max)
        self._programs.image_shape = settings.image_shape
        for layer in self._dropout_layers():
            layer.rate = settings.dropout
        self._averaging = settings.averaging

    def get_rates(self) -> list[float]:
        """Return the learning rate, and the rate of each dropout layer."""
        rates = [layer.rate for layer in self._dropout_layers()]
        return [float(self.optimizer.learning_rate.numpy()), *rates]

    def _dropout_layers(self) -> list[Dropout]:
        return [layer for layer in self.layers if isinstance(layer, Dropout)]

    # Training

    def fit(
        self,
        x: AnyArray,
        y: AnyArray,
        *,
        sample_weight: AnyArray,
        epochs: int,
        settings: TrainingSettings,
        initial_state: Callable[[], TrainingState],
        initial_epoch: int = 0,
        validation_data: tuple[AnyArray, AnyArray, AnyArray] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        **_: Any,
    ) -> keras.callbacks.History:
        """Train up to epoch `epochs`, or until a callback sets `stop_training`.

        The order of rows, their changes and the dropout masks depend only on the seed and the
        number of the epoch. If a callback calls `set_state`, training goes on from the epoch that
        it sets.

        Parameters
        ----------
        x : ndarray of shape (n, rows, columns, 1)
            Images: bytes, or floats that have been divided by `pixel_max`.
        y : ndarray of int32 of shape (n,)
            Encoded labels.
        sample_weight : ndarray of shape (n,)
            Their mean is 1.
        epochs, initial_epoch : int
            As in `keras.Model.fit`.
        settings : TrainingSettings
        initial_state : callable
            Returns the state after `initial_epoch` epochs. A function, so that no argument keeps
            the state in memory during training.
        validation_data : tuple of three ndarray or None, default=None
            Images, encoded labels and weights.
        callbacks : list of keras.callbacks.Callback
            Batch hooks are called once per TensorFlow call of up to 16 training steps, with
            averaging of at most a sixteenth of an epoch.
        **_
            Other arguments of `keras.Model.fit`, which SciKeras always passes.

        Returns
        -------
        keras.callbacks.History
        """
        self._apply(settings)
        programs, batch_size = self._programs, settings.batch_size
        data = programs.load_rows((x, y, sample_weight))
        validation = validation_data and programs.load_rows(validation_data)
        if self._composition is None:
            self._prepare_training()
        # Compile by calls of 0 steps before any callback sees the network. Otherwise a callback's
        # changes would affect training only if the network does not come from the cache.
        order = self._load_order(np.random.default_rng(0), data, settings, epoch=1)
        programs.train(data, order, batch_size, 0, 0)
        if validation is not None:
            programs.score(validation, self._scoring_batch_size, 0, 0)
        steps = -(-len(y) // batch_size)
        callback_list = keras.callbacks.CallbackList(
            [*callbacks], add_history=True, model=self, epochs=epochs, steps=steps, verbose=0
        )
        self.stop_training = False
        self.set_state(initial_state(), initial_epoch)
        callback_list.on_train_begin()
        while self.epoch < epochs and not self.stop_training:
            callback_list.on_epoch_begin(self.epoch)
            logs = self._train_epoch(data, settings, callback_list)
            if validation is not None:
                callback_list.on_test_begin()
                scores = self._evaluate(validation)
                callback_list.on_test_end(scores)
                logs |= {f"val_{name}": value for name, value in scores.items()}
            self.epoch += 1
            callback_list.on_epoch_end(self.epoch - 1, logs)
        callback_list.on_train_end()
        self._average = []  # the cache of networks does not count it
        return self.history

    def apply_in_training(self, images: tf.Tensor) -> tf.Tensor:
        """Return the probabilities, as a call with training=True does.

        `Dropout` gets the number of rows, so that TensorFlow can draw its masks while it computes
        the layers before. On a processor without VNNI this takes 5 to 10 % off a step of version 2.
        """
        n_rows, outputs = tf.shape(images)[0], images
        for layer in self.layers:
            rows = {"n_rows": n_rows} if isinstance(layer, Dropout) else {}
            outputs = layer(outputs, training=True, **rows)
        return outputs

    def _prepare_training(self) -> None:
        """Build what Keras builds at the first batch, and store the composition."""
        self.optimizer.build(self.trainable_variables)
        # Callbacks such as EarlyStopping look up in the metrics whether more is better.
        labels, probabilities = tf.zeros([1], tf.int32), tf.zeros([1, self.architecture.n_classes])
        self.compute_metrics(None, labels, probabilities)
        self.reset_metrics()
        # Keras exports to ONNX only models that were called. Training steps call the layers.
        self(tf.zeros([1, *self.input_shape[1:]], self.architecture.dtype))
        self._composition = Composition(self)

    def check_unchanged(self) -> None:
        """Raise an error if a callback made a change that compiled steps would ignore.

        Raises
        ------
        ValueError
            If layers, variables, loss or optimizer were replaced, or their configs changed.
        """
        assert self._composition is not None  # `fit` has set it
        if not self._composition.matches(self):
            raise ValueError(
                "One of the callbacks changed the network: its layers, loss or optimizer, or their "
                "settings. Callbacks may set only weights, learning rate, dropout rate and "
                "stop_training."
            )

    def _train_epoch(
        self,
        data: Rows,
        settings: TrainingSettings,
        callback_list: keras.callbacks.CallbackList,
    ) -> dict[str, float]:
        epoch, batch_size = self.epoch + 1, settings.batch_size
        rng = np.random.default_rng([settings.seed, epoch])
        order = self._load_order(rng, data, settings, epoch)
        for layer in self._dropout_layers():
            layer.set_seed(int(rng.integers(2**63)))
        calls_batch_hooks = any(map(overrides_batch_hooks, callback_list.callbacks))
        sums = np.zeros(3)
        steps = -(-data.n_rows // batch_size)
        ends = _divide(steps, _UPDATES_PER_EPOCH) if self._averaging else [steps]
        # Not by the number of the epoch: after early stopping the state is that of an earlier one.
        n_averaged = int(self.optimizer.iterations.numpy()) * len(ends) // steps
        max_steps = Programs.max_steps if calls_batch_hooks else None
        for first, last in self._programs.split_training(ends, batch_size, max_steps):
            if calls_batch_hooks:
                callback_list.on_train_batch_begin(first)
            sums += self._programs.train(data, order, batch_size, first, last)
            if calls_batch_hooks:
                callback_list.on_train_batch_end(last - 1, _to_means(sums))
            if self._averaging and last in ends:
                self._update_average(n_averaged + ends.index(last) + 1)
            self.epoch_is_complete = last == steps
            if self.stop_training:
                break
        return _to_means(sums)

    def _load_order(
        self, rng: np.random.Generator, data: Rows, settings: TrainingSettings, epoch: int
    ) -> tf.Tensor:
        """Draw the order of the rows, and how their images are changed. See `load_order`."""
        changes = draw_changes(
            data.n_rows, flip=settings.flip, shift=settings.shift, seed=settings.seed, epoch=epoch
        )
        order = rng.permutation(data.n_rows)
        return self._programs.load_order(np.column_stack([order, changes[order]]), data)

    def _update_average(self, number: int) -> None:
        """Add the weights to the average, with batch normalization folded in."""
        groups = self._view_variables("trained", "statistics")
        weights = fold(groups["trained"], groups["statistics"])
        self._average = update_average(self._average, weights, number, self._averaging)

    def _evaluate(self, data: Rows) -> dict[str, float]:
        rows = self._scoring_batch_size
        sums = np.zeros(3)
        with self._averaged():
            for first, last in self._programs.split_scoring(-(-data.n_rows // rows), rows):
                sums += self._programs.score(data, rows, first, last)
        return _to_means(sums)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Use the averaged weights, if there are any. They have no batch normalization."""
        if not self._averaging:
            yield
            return
        groups = self._variables_by_group()
        changed = [*groups["trained"], *groups["statistics"]]
        before = [variable.value.read_value() for variable in changed]
        # With these statistics the layers of batch normalization only add the bias.
        identity = [0, 1 - EPSILON] * (len(groups["statistics"]) // 2)
        averaged = [*self._average, *identity]
        for variable, value in zip(changed, averaged, strict=True):
            variable.assign(tf.broadcast_to(tf.cast(value, variable.dtype), variable.shape))
        yield
        for variable, value in zip(changed, before, strict=True):
            variable.assign(value)

    @property
    def _scoring_batch_size(self) -> int:
        return self.architecture.batch_size_within(_MAX_FEATURE_MAP_BYTES)


# Keras saves a model under the name of its class. With this name it can be loaded as a plain
# Sequential, without skfashion, and TensorBoard shows it.
Network.__name__ = "Sequential"


def _divide(steps: int, parts: int) -> list[int]:
    """Return the last step of each part. Some parts are left out if there are fewer steps."""
    return sorted({-(-part * steps // parts) for part in range(1, 1 + parts)})


def _to_means(sums: AnyArray) -> dict[str, float]:
    loss, hits, weight = sums
    return {"loss": loss / weight, "accuracy": hits / weight}


def overrides_batch_hooks(callback: keras.callbacks.Callback) -> bool:
    """Return whether a callback overrides a batch hook. Most callbacks do not."""
    names = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    inherited = (getattr(keras.callbacks.Callback, name) for name in names)
    own = (getattr(getattr(callback, name), "__func__", None) for name in names)
    return any(function is not default for function, default in zip(own, inherited, strict=True))
