"""The path of epochs that a fit walks: where it stands, where it ends, what was stored of it."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skfashion._network.architecture import TrainingState
from skfashion._training.callbacks import Reporter
from skfashion._utils.types import History

if TYPE_CHECKING:
    from skfashion._training.checkpoints import Run


@dataclass
class Trained:
    """The outcome of a fit.

    Parameters
    ----------
    state : TrainingState
        After epoch `n_iter`. Only its weights are there if they were stored without the rest.
    history : dict of str to list of float
        One entry per epoch run so far, of this training and those it continues.
    n_iter : int
        Epochs in `state`.
    n_epochs_trained : int
        Epochs that were run for it: neither stored nor continued.
    """

    state: TrainingState
    history: History
    n_iter: int
    n_epochs_trained: int


class _Position(NamedTuple):
    """Where a path stands: replaced as a whole, so that an interruption finds it consistent."""

    state: TrainingState
    history: History
    best: int
    best_state: TrainingState
    stopped: bool
    n_epochs_trained: int


class EpochPath:
    """The epochs behind a training and before it.

    Parameters
    ----------
    state : TrainingState
        To start from.
    history : dict of str to list of float
        Of the epochs in `state`; it is not changed.
    epochs : int
        How many to go at the most.
    patience : int or None
        Stop after so many epochs without a rise of the validation accuracy by `tol`, and end in
        the state of the best epoch. None goes all epochs and ends in the last state.
    tol : float
    run : Run or None
        The store of this training's epochs. What is there is not walked again.
    reporter : Reporter or None
        Is told of every epoch, walked or taken from the store, and may end the path.
    """

    def __init__(
        self,
        state: TrainingState,
        history: History,
        *,
        epochs: int,
        patience: int | None = None,
        tol: float = 0.0,
        run: "Run | None" = None,
        reporter: Reporter | None = None,
    ) -> None:
        self._begin = _length(history)
        self.end = self._begin + epochs
        self._patience, self._tol = patience, tol
        self._run, self._reporter = run, reporter or Reporter()
        self._at = _Position(state, history, self._begin, state, stopped=False, n_epochs_trained=0)

    @property
    def state(self) -> TrainingState:
        """After the epochs walked so far."""
        return self._at.state

    @property
    def history(self) -> History:
        """Of the epochs walked so far."""
        return self._at.history

    @property
    def epoch(self) -> int:
        """Number of epochs in `state`."""
        return _length(self._at.history)

    @property
    def moved(self) -> bool:
        """Whether there is an epoch behind that was not there at the beginning."""
        return self.epoch > self._begin

    @property
    def ended(self) -> bool:
        """Whether there is no epoch to go."""
        return self._at.stopped or self.epoch >= self.end

    def begin(self) -> None:
        """Tell that the next epoch is about to run."""
        self._reporter.begin()

    def step(self, measured: Mapping[str, float], state: TrainingState) -> None:
        """Note an epoch that was run, and store it.

        Parameters
        ----------
        measured : dict of str to float
            What it adds to the history.
        state : TrainingState
            After it.
        """
        history = {name: list(values) for name, values in self._at.history.items()}
        # The lists stay as long as each other where something was not measured.
        for name in {**history, **measured}:
            values = history.setdefault(name, [np.nan] * self.epoch)
            values.append(float(measured.get(name, np.nan)))
        position = self._position(state, history)
        assert position is not None  # the best is this epoch or was the best before
        self._at = position._replace(n_epochs_trained=position.n_epochs_trained + 1)
        if self._run is not None:
            self._run.save(state, history)
        if self._reporter.end(self.epoch, self.end, measured, self._trained):
            self._at = self._at._replace(stopped=True)

    def jump(self) -> bool:
        """Go to the end of the longest stored prefix, if it is ahead.

        Returns
        -------
        bool
            Whether it was: then the training goes on from another `state`.
        """
        found = None if self._run is None or self.ended else self._run.longest(self.epoch, self.end)
        position = None if found is None else self._position(*found)
        if position is None:
            return False
        first, self._at = self.epoch + 1, position
        self._replay(first)
        return True

    def outcome(self) -> Trained:
        """What the fit ends with.

        Returns
        -------
        Trained
        """
        at = self._at
        return Trained(at.best_state, at.history, at.best, at.n_epochs_trained)

    def _replay(self, first: int) -> None:
        """Tell of the stored epochs behind, and go back to where the telling ends the path."""
        history, stop = self._at.history, False
        for epoch in range(first, self.epoch + 1):
            self._reporter.begin()
            measured = {name: values[epoch - 1] for name, values in history.items()}
            # What is stored is read only if a callback asks for it.
            stop |= self._reporter.end(
                epoch, self.end, measured, functools.partial(self._stored, epoch), stored=True
            )
            if stop and self._go_back(epoch):
                return

    def _go_back(self, epoch: int) -> bool:
        """Stop after a stored epoch, if it still is stored."""
        found = None if epoch == self.epoch else self._load(epoch)
        position = self._at if epoch == self.epoch else found and self._position(*found)
        if position is None:
            return False
        self._at = position._replace(stopped=True)
        return True

    def _position(self, state: TrainingState, history: History) -> _Position | None:
        """After the epochs of a history; None if its best is no longer stored."""
        best, stop = self._judge(history)
        if best == _length(history):
            best_state = state
        elif best == self._at.best:
            best_state = self._at.best_state
        elif (found := self._load(best)) is not None:
            best_state = found[0]
        else:  # damaged meanwhile
            return None
        history = {name: values[:stop] for name, values in history.items()}
        return _Position(
            state, history, best, best_state, stop is not None, self._at.n_epochs_trained
        )

    def _trained(self) -> Trained:
        """As if this were the last epoch, without early stopping."""
        at = self._at
        return Trained(at.state, at.history, self.epoch, at.n_epochs_trained)

    def _load(self, epoch: int) -> tuple[TrainingState, History] | None:
        return None if self._run is None else self._run.load(epoch)

    def _stored(self, epoch: int) -> Trained | None:
        found = self._load(epoch)
        return found and Trained(*found, epoch, self._at.n_epochs_trained)

    def _judge(self, history: History) -> tuple[int, int | None]:
        """Best epoch, and the epoch that ends the training early or None."""
        if self._patience is None:
            return _length(history), None
        # The state that training starts from is a candidate too, if it was scored.
        skipped = max(self._begin - 1, 0)
        best, stop = stopping_point(history["val_accuracy"][skipped:], self._tol, self._patience)
        best = best + skipped if best else self._begin
        return best, None if stop is None else stop + skipped


def _length(history: History) -> int:
    return len(history["loss"])


def stopping_point(scores: Sequence[float], tol: float, patience: int) -> tuple[int, int | None]:
    """Where early stopping stands after some epochs.

    MLPClassifier's rule as its documentation words it; its code waits for one epoch more.

    Parameters
    ----------
    scores : list of float
        Validation accuracy after each epoch; NaN where none was measured.
    tol : float
    patience : int

    Returns
    -------
    best : int
        Position of the best score up to the stop, counted from 1; 0 without a score.
    stop : int or None
        Position at which the accuracy has not risen by `tol` for `patience` epochs.
    """
    best_score, best, idle = -np.inf, 0, 0
    for position, score in enumerate(scores, start=1):
        idle = 0 if score >= best_score + tol else idle + 1
        if score > best_score:
            best_score, best = score, position
        if idle >= patience:
            return best, position
    return best, None
