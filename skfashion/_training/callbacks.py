"""Checks of the user's Keras callbacks, calls of scikit-learn's callbacks, and printed epochs."""

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import ArrayLike

from skfashion._training.data import FitResult
from skfashion._utils.messages import shorten
from skfashion._utils.steps import report_step

__all__ = [
    "CallbackSupportMixin",
    "Reporter",
    "SklearnCallbacks",
    "check_keras_callbacks",
    "with_callbacks",
]

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9 has no callbacks, and no `set_callbacks`

    class CallbackSupportMixin:  # type: ignore[no-redef]  # defined only if scikit-learn has none
        """Stand-in for scikit-learn's class."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


# Keras callbacks that cannot work here, each with the reason.
_UNSUPPORTED = {
    "BackupAndRestore": "which cannot restore a FashionCNN: use the parameter memory instead",
    "SwapEMAWeights": "but the optimizer of a FashionCNN keeps no moving average of the weights",
}

# Keras callbacks that change the training. The key of stored epochs does not include them.
_CHANGE_TRAINING = ("EarlyStopping", "LearningRateScheduler", "ReduceLROnPlateau")


def check_keras_callbacks(callbacks: Any, *, with_memory: bool) -> None:
    """Raise an error for objects that are not Keras callbacks, and for those that cannot work here.

    Parameters
    ----------
    callbacks : object
        The parameter `callbacks` of FashionCNN.
    with_memory : bool
        Whether epochs are stored.

    Raises
    ------
    TypeError
        If an object is not an instance of `keras.callbacks.Callback`.
    ValueError
        If a callback cannot work here, or if it changes the training and epochs are stored.
    """
    # If there is a Keras callback, Keras has been imported.
    of_keras = getattr(sys.modules.get("keras"), "callbacks", None)
    base = getattr(of_keras, "Callback", ())
    for callback in callbacks or ():
        if not isinstance(callback, base):
            raise TypeError(
                f"callbacks holds {shorten(callback)}: expected instances of "
                "keras.callbacks.Callback. scikit-learn's callbacks go into set_callbacks."
            )
        for name, reason in _UNSUPPORTED.items():
            if isinstance(callback, getattr(of_keras, name)):
                raise ValueError(f"callbacks holds {name}, {reason}.")
        for name in _CHANGE_TRAINING if with_memory else ():
            if isinstance(callback, getattr(of_keras, name)):
                raise ValueError(
                    f"callbacks holds {name}, which changes the training: it cannot be used "
                    "together with memory, whose stored epochs would not be those of these "
                    "parameters."
                )


class SklearnCallbacks:
    """Calls scikit-learn's callbacks for a fit and for each of its epochs.

    Parameters
    ----------
    estimator : FashionCNN
        The estimator being fitted.
    X, y : array-like
        Training rows as the user gave them, for the scorers of callbacks.
    sample_weight : array-like or None
    attributes_of : callable
        Turns a `FitResult` into fitted attributes, from which scikit-learn builds the estimator
        for its callbacks.
    """

    def __init__(
        self,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        attributes_of: Callable[[FitResult], dict[str, Any]],
    ) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._arguments = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._attributes_of = attributes_of
        self._fit: Any = None
        self._epoch: Any = None
        if hasattr(estimator, "set_callbacks"):
            self._fit = estimator._init_callback_context(max_subtasks=estimator.epochs)
            self._fit.call_on_fit_task_begin(**self._arguments)

    def begin_epoch(self) -> None:
        """Call the callbacks at the start of an epoch."""
        if self._fit is not None:
            self._epoch = self._fit.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._arguments)

    def end_epoch(self, result: Callable[[], FitResult | None]) -> bool:
        """Call the callbacks at the end of an epoch.

        Parameters
        ----------
        result : callable
            Returns the `FitResult` after the epoch, or None if it is no longer stored. It is only
            called if a callback asks for it.

        Returns
        -------
        bool
            Whether a callback asks to stop the training.
        """

        def attributes() -> dict[str, Any] | None:
            found = result()
            return None if found is None else self._attributes_of(found)

        return self._epoch is not None and self._epoch.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=attributes
        )

    def end(self) -> None:
        """Call the callbacks at the end of the fit, when the estimator is fitted."""
        if self._fit is not None:
            self._fit.call_on_fit_task_end(**self._arguments, reconstruction_attributes={})


class Reporter:
    """Reports each epoch.

    Parameters
    ----------
    verbose : int, default=0
        If above 0, print a line for each epoch.
    callbacks : SklearnCallbacks or None, default=None
    """

    def __init__(self, verbose: int = 0, callbacks: SklearnCallbacks | None = None) -> None:
        self._verbose, self._callbacks = verbose, callbacks
        self._start_time = 0.0
        # Durations of the last 5 epochs, to estimate the time left; the first epoch is slower.
        self._seconds: deque[float] = deque(maxlen=5)

    def begin(self) -> None:
        """Report that an epoch begins."""
        self._start_time = time.perf_counter()
        if self._callbacks is not None:
            self._callbacks.begin_epoch()

    def end(
        self,
        epoch: int,
        last: int,
        measured: Mapping[str, float],
        result: Callable[[], FitResult | None],
        *,
        stored: bool = False,
    ) -> bool:
        """Report that an epoch ended.

        Parameters
        ----------
        epoch, last : int
            Numbers of this epoch and of the last one.
        measured : dict of str to float
        result : callable
            As in `SklearnCallbacks.end_epoch`.
        stored : bool, default=False
            Whether it was read from a checkpoint, not trained.

        Returns
        -------
        bool
            Whether a callback asks to stop the training.
        """
        stop = self._callbacks is not None and self._callbacks.end_epoch(result)
        if not stored:
            self._seconds.append(time.perf_counter() - self._start_time)
        report_step("epochs", epoch, last)
        if self._verbose:
            parts = [f"{name}: {value:.4f}" for name, value in measured.items()]
            parts.append("from memory" if stored else self._time_left(last - epoch))
            print(f"epoch {epoch}/{last}", *filter(None, parts), sep=" - ", flush=True)
        return stop

    def _time_left(self, epochs: int) -> str:
        seconds = epochs * sum(self._seconds) / len(self._seconds)
        if not epochs:
            return ""
        return f"{seconds / 60:.0f} min left" if seconds > 100 else f"{seconds:.0f} s left"
