"""Where a training stands: its state and history, early stopping, and what checkpoints spare it."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from skfashion._network.architecture import TrainingState
from skfashion._training.callbacks import Reporter
from skfashion._training.checkpoints import Checkpoints
from skfashion._training.data import FitResult
from skfashion._utils.types import History


class EarlyStopping(NamedTuple):
    """When to stop, judged by the validation accuracy.

    Parameters
    ----------
    patience : int
        Epochs without a rise by `tol` that end the training.
    tol : float
    """

    patience: int
    tol: float

    def judge(self, scores: Sequence[float]) -> tuple[int, int | None]:
        """Find the best epoch, and the one to stop after.

        MLPClassifier's rule as its documentation words it. Its code waits for one epoch more.

        Parameters
        ----------
        scores : list of float
            Validation accuracy after each epoch.

        Returns
        -------
        best : int
            The epoch with the best score, counted from 1. 0 if there is no epoch.
        stop : int or None
            The epoch that ends the training, None if it goes on.
        """
        best_score, best, idle = -np.inf, 0, 0
        for epoch, score in enumerate(scores, start=1):
            idle = 0 if score >= best_score + self.tol else idle + 1
            if score > best_score:
                best_score, best = score, epoch
            if idle >= self.patience:
                return best, epoch
        return best, None


class _Position(NamedTuple):
    """Replaced as a whole, so that an interruption finds it consistent."""

    history: History
    best: int
    best_state: TrainingState | None  # None before the first epoch, when the training has it
    stopped: bool = False
    n_epochs_trained: int = 0


class Progress:
    """The epochs of a training: those behind it and those to come.

    Parameters
    ----------
    state : TrainingState
        To start from. See `take_state`.
    history : dict of str to list of float
        Of the epochs before; it is not changed. Epochs are numbered on from them.
    epochs : int
        How many to train at most.
    early_stopping : EarlyStopping or None, default=None
        The result is the best epoch of this training. None: it is the last.
    checkpoints : Checkpoints or None, default=None
        Epochs that are stored there are not trained again.
    reporter : Reporter or None, default=None
        Is told about every epoch, and may stop the training.
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
        self._copy: TrainingState | None = None  # of a lent state, to be overwritten by the next
        self._now = _Position(history, self._first, state)

    def take_state(self) -> TrainingState:
        """Hand over the state to train from, once: after the newest epoch.

        Large networks would not fit the memory several times.
        """
        state, self._next = self._next, None
        assert state is not None
        if not self.started:
            self._now = self._now._replace(best_state=None)
        return state

    @property
    def epoch(self) -> int:
        """Number of the newest epoch."""
        return _n_epochs(self._now.history)

    @property
    def started(self) -> bool:
        """Whether an epoch of this training is behind it."""
        return self.epoch > self._first

    @property
    def ended(self) -> bool:
        """Whether no epoch is to come."""
        return self._now.stopped or self.epoch >= self.last

    def begin_epoch(self) -> None:
        """Keep what the next epoch would change, and report that it begins."""
        self._keep_best()
        self._reporter.begin()

    def _keep_best(self) -> None:
        state = self._now.best_state
        if state is not None and state.lent:
            # Nobody else has the arrays of the last copy: the best epoch is another one now.
            self._copy = state.copy(into=self._copy)
            self._now = self._now._replace(best_state=self._copy)

    def record(self, measured: Mapping[str, float], state: TrainingState) -> None:
        """Note an epoch that was trained, and store it.

        Parameters
        ----------
        measured : dict of str to float
            Its entries of the history.
        state : TrainingState
            After it.
        """
        history = {name: list(values) for name, values in self._now.history.items()}
        # All lists stay as long as each other where something was not measured.
        for name in {**history, **measured}:
            values = history.setdefault(name, [np.nan] * self.epoch)
            values.append(float(measured.get(name, np.nan)))
        position = self._move(state, history)
        assert position is not None  # the best is this epoch, or was the best before
        n_trained = position.n_epochs_trained + 1
        self._now = position._replace(n_epochs_trained=n_trained)
        if self._checkpoints is not None:
            self._checkpoints.save(state, history)

        def result() -> FitResult:
            """Make the result as if this epoch were the last, without early stopping."""
            return FitResult(state.copy(), history, self.epoch, n_trained)

        if self._reporter.end(self.epoch, self.last, measured, result):
            self._now = self._now._replace(stopped=True)

    def replace_state(self, state: TrainingState) -> None:
        """Take over what a callback changed after the last epoch."""
        if self._early_stopping is None or not self.started:
            self._now = self._now._replace(best_state=state)

    def resume(self) -> bool:
        """Go on from the newest checkpoint, if there is one ahead.

        Returns
        -------
        bool
            Whether there was: then `epoch` is another, and `take_state` has its state.
        """
        if self._checkpoints is None or self.ended:
            return False
        found = self._checkpoints.find_latest(self.epoch, self.last)
        if found is None or (position := self._move(*found)) is None:
            return False
        first, self._now, self._next = self.epoch + 1, position, found[0]
        self._report_stored(first)
        return True

    def result(self) -> FitResult:
        """Make the result of the fit."""
        state = self._now.best_state
        assert state is not None
        # TensorFlow never gives back what it has held at its peak: of a large network a copy that
        # was not needed before would come on top.
        if not state.is_large or self._copy is not None:
            self._keep_best()
        now = self._now
        assert now.best_state is not None
        return FitResult(now.best_state, now.history, now.best, now.n_epochs_trained)

    def _report_stored(self, first: int) -> None:
        """Report stored epochs, and go back to the one after which a callback stops."""
        history, stop = self._now.history, False
        for epoch in range(first, self.epoch + 1):
            self._reporter.begin()
            measured = {name: values[epoch - 1] for name, values in history.items()}
            # A stored state is read only if a callback asks for it.
            result = functools.partial(self._result_of_stored, epoch)
            stop |= self._reporter.end(epoch, self.last, measured, result, stored=True)
            if stop and self._stop_at(epoch):
                return

    def _stop_at(self, epoch: int) -> bool:
        """Stop after a stored epoch, if it is still stored."""
        if epoch == self.epoch:
            position: _Position | None = self._now
        else:
            found = self._load(epoch)
            position = None if found is None else self._move(*found)
        if position is None:
            return False
        self._now = position._replace(stopped=True)
        return True

    def _move(self, state: TrainingState, history: History) -> _Position | None:
        """Make the position after the epochs of a history; None if its best one is not stored."""
        best, stop = self._judge(history)
        if best == _n_epochs(history):
            best_state: TrainingState | None = state
        elif best == self._now.best:
            best_state = self._now.best_state
        elif (found := self._load(best)) is not None:
            best_state = found[0]
        else:  # it was damaged or removed
            return None
        history = {name: values[:stop] for name, values in history.items()}
        n_trained = self._now.n_epochs_trained
        return _Position(history, best, best_state, stop is not None, n_trained)

    def _judge(self, history: History) -> tuple[int, int | None]:
        """Find the best epoch of this training, and the one to stop after."""
        if self._early_stopping is None:
            return _n_epochs(history), None
        best, stop = self._early_stopping.judge(history["val_accuracy"][self._first :])
        return self._first + best, None if stop is None else self._first + stop

    def _result_of_stored(self, epoch: int) -> FitResult | None:
        found = self._load(epoch)
        return found and FitResult(*found, epoch, self._now.n_epochs_trained)

    def _load(self, epoch: int) -> tuple[TrainingState, History] | None:
        return None if self._checkpoints is None else self._checkpoints.load(epoch)


def _n_epochs(history: History) -> int:
    return len(history["loss"])
