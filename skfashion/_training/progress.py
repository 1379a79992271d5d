"""Progress of a training: its state and history, and resuming from checkpoints."""

import functools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from skfashion._network.architecture import TrainingState
from skfashion._training.callbacks import Reporter
from skfashion._training.checkpoints import Checkpoints
from skfashion._training.data import FitResult
from skfashion._training.early_stopping import EarlyStopping
from skfashion._utils.types import History


class _Position(NamedTuple):
    """Current progress. It is replaced as a whole, so an interruption finds it consistent."""

    history: History
    best: int
    best_state: TrainingState | None  # None in the first epoch, when the network has it
    stopped: bool = False
    n_epochs_trained: int = 0


class Progress:
    """Tracks completed and remaining epochs of a training.

    Parameters
    ----------
    state : TrainingState
        To start from. See `take_state`.
    history : dict of str to list of float
        History of earlier epochs; not modified. Epoch numbers continue from it.
    epochs : int
        How many to train at most.
    early_stopping : EarlyStopping or None, default=None
        The result is the best epoch of this training. None: it is the last.
    checkpoints : Checkpoints or None, default=None
        Epochs that are stored there are not trained again.
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
        self._copy: TrainingState | None = None  # of a lent state; the next copy overwrites it
        self._now = _Position(history, self._first, state)

    def take_state(self) -> TrainingState:
        """Hand over the state after the newest epoch, to train from. It can be taken once.

        Memory would not hold the state of a large network several times.
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
        """Whether an epoch of this training is complete."""
        return self.epoch > self._first

    @property
    def ended(self) -> bool:
        """Whether the training has ended."""
        return self._now.stopped or self.epoch >= self.last

    @property
    def is_stored(self) -> bool:
        """Whether epochs are stored."""
        return self._checkpoints is not None

    def begin_epoch(self) -> None:
        """Copy the best state, which the next epoch may change, and report that it begins."""
        self._keep_best()
        self._reporter.begin()

    def _keep_best(self) -> None:
        state = self._now.best_state
        if state is not None and state.lent:
            # Nobody else uses the last copy any more: it was of an earlier best epoch.
            self._copy = state.copy(into=self._copy)
            self._now = self._now._replace(best_state=self._copy)

    def record(self, measured: Mapping[str, float], state: TrainingState) -> None:
        """Record a trained epoch and store its checkpoint.

        Parameters
        ----------
        measured : dict of str to float
            Its entries of the history.
        state : TrainingState
            After it.
        """
        measured = {name: float(value) for name, value in measured.items()}
        position = self._move(state, _extend(self._now.history, [measured]))
        assert position is not None  # the best is this epoch, or was the best before
        n_trained = position.n_epochs_trained + 1
        self._now = position._replace(n_epochs_trained=n_trained)
        if self._checkpoints is not None:
            self._checkpoints.save(self.epoch, state, measured)
        epoch, history = self.epoch, self._now.history

        def result() -> FitResult:
            """Make the result as if this epoch were the last, without early stopping."""
            return FitResult(state.copy(), history, epoch, n_trained)

        if self._reporter.end(epoch, self.last, measured, result):
            self._now = self._now._replace(stopped=True)

    def replace_state(self, state: TrainingState, epoch: int) -> None:
        """Take over what a callback changed after the last epoch.

        Parameters
        ----------
        state : TrainingState
        epoch : int
            Which it comes from.
        """
        if self._early_stopping is None:
            self._now = self._now._replace(best=epoch, best_state=state)

    def resume(self) -> bool:
        """Jump to the newest checkpoint, if it is ahead.

        Returns
        -------
        bool
            Whether there was: then `epoch` is another, and `take_state` returns its state.
        """
        if self._checkpoints is None or self.ended:
            return False
        found = self._checkpoints.find_latest(self.epoch, self.last)
        if found is None:
            return False
        state, measured = found
        position = self._move(state, _extend(self._now.history, measured))
        if position is None:
            return False
        first, self._now, self._next = self.epoch + 1, position, state
        self._report_stored(first)
        return True

    def result(self) -> FitResult:
        """Make the result of the fit."""
        state = self._now.best_state
        assert state is not None
        # A copy of a large state would raise the peak of memory, which TensorFlow never gives back.
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
            state = self._load(epoch)
            history = _cut(self._now.history, epoch)
            position = None if state is None else self._move(state, history)
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
            best_state = found
        else:  # it was damaged or removed
            return None
        n_trained = self._now.n_epochs_trained
        return _Position(_cut(history, stop), best, best_state, stop is not None, n_trained)

    def _judge(self, history: History) -> tuple[int, int | None]:
        """Find the best epoch of this training, and the one to stop after."""
        if self._early_stopping is None:
            return _n_epochs(history), None
        best, stop = self._early_stopping.judge(history["val_accuracy"][self._first :])
        return self._first + best, None if stop is None else self._first + stop

    def _result_of_stored(self, epoch: int) -> FitResult | None:
        state = self._load(epoch)
        if state is None:
            return None
        history = _cut(self._now.history, epoch)
        return FitResult(state, history, epoch, self._now.n_epochs_trained)

    def _load(self, epoch: int) -> TrainingState | None:
        return None if self._checkpoints is None else self._checkpoints.load(epoch)


def _n_epochs(history: History) -> int:
    return len(history["loss"])


def _extend(history: History, measured: Iterable[Mapping[str, float]]) -> History:
    """Copy a history, and add what further epochs measured."""
    longer = {name: list(values) for name, values in history.items()}
    for figures in measured:
        n_epochs = _n_epochs(longer)
        # All lists stay as long as each other where something was not measured.
        for name in {**longer, **figures}:
            values = longer.setdefault(name, [np.nan] * n_epochs)
            values.append(figures.get(name, np.nan))
    return longer


def _cut(history: History, epoch: int | None) -> History:
    """Copy a history until an epoch."""
    return {name: values[:epoch] for name, values in history.items()}
