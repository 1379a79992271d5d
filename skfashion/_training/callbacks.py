"""Tells of every epoch: scikit-learn's callbacks, and a line where `verbose` asks for it."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from skfashion._training.path import Trained

__all__ = ["CallbackSupportMixin", "Reporter", "Tasks", "with_callbacks"]

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9: there is no `set_callbacks`, and nothing to tell

    class CallbackSupportMixin:  # type: ignore[no-redef]  # there is but one of them
        """Nothing to support."""

    def with_callbacks(method: Any) -> Any:
        """Nothing to tear down."""
        return method


class Tasks:
    """A fit and its epochs as tasks of scikit-learn's callbacks.

    Parameters
    ----------
    estimator : FashionCNN
        Which is being fitted.
    X, y : array-like
        Training rows as the user gave them, so that a scorer may take them.
    sample_weight : array-like or None
    attributes_of : callable
        Fitted attributes of a `Trained`: they make the estimator that callbacks may predict with.
    """

    def __init__(
        self,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        attributes_of: Callable[["Trained"], dict[str, Any]],
    ) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._told = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._attributes_of = attributes_of
        self._fit: Any = None
        self._epoch: Any = None
        if hasattr(estimator, "set_callbacks"):
            self._fit = estimator._init_callback_context(max_subtasks=estimator.epochs)
            self._fit.call_on_fit_task_begin(**self._told)

    def begin_epoch(self) -> None:
        """Tell that an epoch begins."""
        if self._fit is not None:
            self._epoch = self._fit.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._told)

    def end_epoch(self, trained: Callable[[], "Trained | None"]) -> bool:
        """Tell that it ended.

        Parameters
        ----------
        trained : callable
            Returns the `Trained` after it, or None where it is not known any more. It is called
            only if a callback asks for it.

        Returns
        -------
        bool
            Whether a callback asks to stop.
        """

        def attributes() -> dict[str, Any] | None:
            found = trained()
            return None if found is None else self._attributes_of(found)

        return self._epoch is not None and self._epoch.call_on_fit_task_end(
            **self._told, reconstruction_attributes=attributes
        )

    def end(self) -> None:
        """Tell that the fit ended: the estimator is fitted."""
        if self._fit is not None:
            self._fit.call_on_fit_task_end(**self._told, reconstruction_attributes={})


class Reporter:
    """Tells of every epoch.

    Parameters
    ----------
    verbose : int, default=0
        Above 0, a line for each epoch.
    tasks : Tasks or None, default=None
    """

    def __init__(self, verbose: int = 0, tasks: Tasks | None = None) -> None:
        self._verbose, self._tasks = verbose, tasks
        self._began = 0.0
        self._taken: deque[float] = deque(
            maxlen=5
        )  # seconds of the latest epochs; the first is slower

    def begin(self) -> None:
        """An epoch begins."""
        self._began = time.perf_counter()
        if self._tasks is not None:
            self._tasks.begin_epoch()

    def end(
        self,
        epoch: int,
        last: int,
        measured: Mapping[str, float],
        trained: Callable[[], "Trained | None"],
        *,
        stored: bool = False,
    ) -> bool:
        """It ended.

        Parameters
        ----------
        epoch, last : int
            Its number, and that of the last to come.
        measured : dict of str to float
        trained : callable
            As in `Tasks.end_epoch`.
        stored : bool, default=False
            Whether it was taken from `memory` and not trained.

        Returns
        -------
        bool
            Whether a callback asks to stop.
        """
        stop = self._tasks is not None and self._tasks.end_epoch(trained)
        if not stored:
            self._taken.append(time.perf_counter() - self._began)
        if self._verbose:
            parts = [f"{name}: {value:.4f}" for name, value in measured.items()]
            parts.append("from memory" if stored else self._time_left(last - epoch))
            print(f"epoch {epoch}/{last}", *filter(None, parts), sep=" - ", flush=True)
        return stop

    def _time_left(self, epochs: int) -> str:
        seconds = epochs * sum(self._taken) / len(self._taken)
        if not epochs:
            return ""
        return f"{seconds / 60:.0f} min left" if seconds > 100 else f"{seconds:.0f} s left"
