"""The Keras callback of every fit: it records each epoch, and calls the user's callbacks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from skfashion._network.keras_model import Network, overrides_batch_hooks
from skfashion._network.tensorflow import keras
from skfashion._network.training_state import TrainingState
from skfashion._training.progress import Progress

_MEASURED = ("loss", "accuracy", "val_loss", "val_accuracy")

# Attributes of Keras' CSVLogger and TensorBoard that hold open files.
_FILE_ATTRIBUTES = ("csv_file", "_summary_module", "_writers")


def make_recorder(progress: Progress, callbacks: Sequence[keras.callbacks.Callback]) -> "_Recorder":
    """Make the callback that records the epochs of a fit in `progress`.

    Parameters
    ----------
    progress : Progress
    callbacks : list of keras.callbacks.Callback
        Keras callbacks of the user.
    """
    calls_batch_hooks = any(map(overrides_batch_hooks, callbacks))
    return (_BatchRecorder if calls_batch_hooks else _Recorder)(progress, callbacks)


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
        self.progress.begin_epoch(keep_large_state=bool(self.callbacks))
        self._call("on_epoch_begin", epoch, logs)

    def on_test_begin(self, logs: Any = None) -> None:
        self._call("on_test_begin", logs)

    def on_test_end(self, logs: Any = None) -> None:
        self._call("on_test_end", logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self._call("on_epoch_end", epoch, {**logs})  # callbacks may add to the copy
        state = self.model.get_state()
        # Variances may overflow before the weights that are trained.
        arrays = [*state.weights, *state.trained, *state.statistics]
        is_finite = np.isfinite(logs["loss"]) and all(np.isfinite(a).all() for a in arrays)
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
            before = restorable[0].trained_weights
            if all(map(np.array_equal, before, state.trained_weights)):
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
        arrays = [array for group in state.groups.values() for array in group]
        return [*state.weights, *arrays, state.iterations, *self.model.get_rates()]


class _BatchRecorder(_Recorder):
    """Calls the batch hooks too. They take time, and few callbacks override them."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._call("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._call("on_train_batch_end", batch, logs)


@contextmanager
def release_callbacks(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[None]:
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
