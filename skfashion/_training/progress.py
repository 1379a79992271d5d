"""Progress of a training: its state and history, and resuming from checkpoints."""

import functools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from skfashion._network.training_state import TrainingState
from skfashion._training.callbacks import Reporter
from skfashion._training.checkpoints import Checkpoints
from skfashion._training.data import FitResult
from skfashion._training.early_stopping import EarlyStopping
from skfashion._utils.types import History


class _Status(NamedTuple):
    """The completed epochs. It is replaced as a whole, so an interruption finds it consistent."""

    history: History
    best: int
    best_state: TrainingState | None  # None if only the network had it, which goes on
    stopped: bool = False
    n_epochs_trained: int = 0


class Progress:
    """Tracks completed and remaining epochs of a training.

    Parameters
    ----------
    state : TrainingState
        The state before the first epoch. See `take_state`.
    history : dict of str to list of float
        History of earlier epochs; not modified. Epoch numbers continue from it.
    epochs : int
        Maximum number of epochs to train.
    early_stopping : EarlyStopping or None, default=None
        If None, the result is the last epoch, otherwise the best epoch of this training.
    checkpoints : Checkpoints or None, default=None
        Stored epochs are not trained again.
    reporter : Reporter or None, default=None
        Called at the start and end of each epoch; it may stop the training.
    """

    def __init__(
        self,
        state: TrainingState,
        history: History,
        *,
        epochs: int,
        early_stopping: EarlyStopping | None = None,
        checkpoints: Checkpoints | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        self._first = _n_epochs(history)
        self.last = self._first + epochs
        self._early_stopping = early_stopping
        self._checkpoints = checkpoints
        self._reporter = reporter or Reporter()
        self._next: TrainingState | None = state
        self._status = _Status(history, self._first, state)

    def take_state(self) -> TrainingState:
        """Return the state after the last completed epoch, to train from, and drop it here.

        It can be taken once. Otherwise memory would hold the state of a large network twice.
        """
        state, self._next = self._next, None
        assert state is not None
        if not self.started:
            self._status = self._status._replace(best_state=None)
        return state

    @property
    def epoch(self) -> int:
        """Number of the last completed epoch."""
        return _n_epochs(self._status.history)

    @property
    def started(self) -> bool:
        """Whether an epoch of this training is complete."""
        return self.epoch > self._first

    @property
    def ended(self) -> bool:
        """Whether the training has ended."""
        return self._status.stopped or self.epoch >= self.last

    @property
    def stores_epochs(self) -> bool:
        """Whether epochs are stored."""
        return self._checkpoints is not None

    def begin_epoch(self, *, keep_large_state: bool) -> None:
        """Copy the best state out of the network, which goes on, and report the epoch.

        Parameters
        ----------
        keep_large_state : bool
            If False, the state of a large network is dropped instead, except for early stopping:
            it would be needed only after an interruption.
        """
        state = self._status.best_state
        if state is not None and state.is_view:
            keep = keep_large_state or not state.is_large or self._early_stopping is not None
            self._status = self._status._replace(best_state=state.copy() if keep else None)
        self._reporter.begin()

    def record(self, measured: Mapping[str, float], state: TrainingState) -> None:
        """Record a trained epoch and store its checkpoint.

        Parameters
        ----------
        measured : dict of str to float
            Its entries for the history.
        state : TrainingState
            The state after the epoch.
        """
        measured = {name: float(value) for name, value in measured.items()}
        status = self._status_after(state, _append(self._status.history, [measured]))
        assert status is not None  # the best epoch is this one, or the same as before
        n_trained = status.n_epochs_trained + 1
        self._status = status._replace(n_epochs_trained=n_trained)
        if self._checkpoints is not None:
            self._checkpoints.save(self.epoch, state, measured)
        epoch, history = self.epoch, self._status.history

        def result() -> FitResult:
            """Return the result as if this epoch were the last, without early stopping."""
            return FitResult(state.copy(), history, epoch, n_trained)

        if self._reporter.end(epoch, self.last, measured, result):
            self._status = self._status._replace(stopped=True)

    def replace_state(self, state: TrainingState, epoch: int) -> None:
        """Replace the result by the state that a callback left after the last epoch.

        With early stopping the best epoch remains the result.

        Parameters
        ----------
        state : TrainingState
        epoch : int
            The epoch that the state comes from.
        """
        if self._early_stopping is None:
            self._status = self._status._replace(best=epoch, best_state=state)

    def resume(self) -> bool:
        """Go on from the latest checkpoint, if it is of a later epoch.

        Returns
        -------
        bool
            Whether there is one. Then `epoch` has changed, and `take_state` returns its state.
        """
        if self._checkpoints is None or self.ended:
            return False
        found = self._checkpoints.find_latest(self.epoch, self.last)
        if found is None:
            return False
        state, measured = found
        status = self._status_after(state, _append(self._status.history, measured))
        if status is None:
            return False
        first, self._status, self._next = self.epoch + 1, status, state
        self._report_stored(first)
        return True

    def has_result(self) -> bool:
        """Return whether an epoch is complete and its state is in memory or, if dropped, stored."""
        if self.started and self._status.best_state is None:
            state = self._load(self._status.best)
            self._status = self._status._replace(best_state=state)
        return self.started and self._status.best_state is not None

    def result(self) -> FitResult:
        """Return the result of the fit."""
        status = self._status
        state = status.best_state
        assert state is not None
        if state.is_view and not state.is_large:
            state = state.copy()
        return FitResult(state, status.history, status.best, status.n_epochs_trained)

    def _report_stored(self, first: int) -> None:
        """Report stored epochs, and go back to an earlier one if a callback stops there."""
        history, stop = self._status.history, False
        for epoch in range(first, self.epoch + 1):
            self._reporter.begin()
            measured = {name: values[epoch - 1] for name, values in history.items()}
            # A stored state is read only if a callback asks for it.
            result = functools.partial(self._result_of_stored, epoch)
            stop |= self._reporter.end(epoch, self.last, measured, result, stored=True)
            if stop and self._stop_after(epoch):
                return

    def _stop_after(self, epoch: int) -> bool:
        """Stop after a stored epoch, if it is still stored."""
        if epoch == self.epoch:
            status: _Status | None = self._status
        else:
            state = self._load(epoch)
            history = _truncate(self._status.history, epoch)
            status = None if state is None else self._status_after(state, history)
        if status is None:
            return False
        self._status = status._replace(stopped=True)
        return True

    def _status_after(self, state: TrainingState, history: History) -> _Status | None:
        """Return the status after the epochs of a history, None if its best epoch is not stored."""
        best, stop = self._judge(history)
        if best == _n_epochs(history):
            best_state: TrainingState | None = state
        elif best == self._status.best:
            best_state = self._status.best_state
        elif (found := self._load(best)) is not None:
            best_state = found
        else:  # the file was damaged or removed
            return None
        n_trained = self._status.n_epochs_trained
        return _Status(_truncate(history, stop), best, best_state, stop is not None, n_trained)

    def _judge(self, history: History) -> tuple[int, int | None]:
        """Return the best epoch of this training, and the epoch to stop after or None."""
        if self._early_stopping is None:
            return _n_epochs(history), None
        best, stop = self._early_stopping.judge(history["val_accuracy"][self._first :])
        return self._first + best, None if stop is None else self._first + stop

    def _result_of_stored(self, epoch: int) -> FitResult | None:
        state = self._load(epoch)
        if state is None:
            return None
        history = _truncate(self._status.history, epoch)
        return FitResult(state, history, epoch, self._status.n_epochs_trained)

    def _load(self, epoch: int) -> TrainingState | None:
        return None if self._checkpoints is None else self._checkpoints.load(epoch)


def _n_epochs(history: History) -> int:
    return len(history["loss"])


def _append(history: History, measured: Iterable[Mapping[str, float]]) -> History:
    """Return a copy of a history with the figures of further epochs."""
    longer = {name: list(values) for name, values in history.items()}
    for figures in measured:
        n_epochs = _n_epochs(longer)
        # All lists keep the same length, even if something was not measured.
        for name in {**longer, **figures}:
            values = longer.setdefault(name, [np.nan] * n_epochs)
            values.append(figures.get(name, np.nan))
    return longer


def _truncate(history: History, epoch: int | None) -> History:
    """Return a copy of a history up to an epoch."""
    return {name: values[:epoch] for name, values in history.items()}
