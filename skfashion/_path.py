"""The path of epochs that a fit walks: where it stands, where it ends, what was stored of it."""

from dataclasses import dataclass

import numpy as np

from skfashion._architecture import TrainingState


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
    history: dict[str, list[float]]
    n_iter: int
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
    """

    def __init__(self, state, history, *, epochs, patience=None, tol=0.0, run=None):
        self.state = state
        self.history = {name: list(values) for name, values in history.items()}
        self._begin = len(self.history["loss"])
        self.end = self._begin + epochs
        self._patience, self._tol, self._run = patience, tol, run
        self._best = self._begin, state
        self._stopped = False
        self._n_epochs_trained = 0
        self.jump()

    @property
    def epoch(self):
        """Number of epochs in `state`."""
        return len(self.history["loss"])

    @property
    def ended(self):
        """Whether there is no epoch to go."""
        return self._stopped or self.epoch >= self.end

    def step(self, measured, state):
        """Note an epoch that was run, and store it.

        Parameters
        ----------
        measured : dict of str to float
            What it adds to the history.
        state : TrainingState
            After it.
        """
        before = len(self.history["loss"])
        # The lists stay as long as each other where something was not measured.
        for name in {**self.history, **measured}:
            values = self.history.setdefault(name, [np.nan] * before)
            values.append(float(measured.get(name, np.nan)))
        self.state = state
        self._n_epochs_trained += 1
        if self._run is not None:
            self._run.save(state, self.history)
        best, stop = self._judge(self.history)
        self._stopped = stop is not None
        if best == self.epoch:
            self._best = best, state

    def jump(self):
        """Go to the end of the longest stored prefix, if it is ahead.

        Returns
        -------
        bool
            Whether it was: then the training goes on from another `state`.
        """
        found = None if self._run is None or self.ended else self._run.longest(self.epoch, self.end)
        if found is None:
            return False
        state, history = found
        best, stop = self._judge(history)
        kept = self._best
        if best == _length(history):
            kept = best, state
        elif best != kept[0]:
            found = self._run.load(best)
            if found is None:  # damaged meanwhile
                return False
            kept = best, found[0]
        self.state, self._best = state, kept
        self.history = {name: values[:stop] for name, values in history.items()}
        self._stopped = stop is not None
        return True

    def outcome(self):
        """What the fit ends with.

        Returns
        -------
        Trained
        """
        n_iter, state = self._best
        return Trained(state, self.history, n_iter, self._n_epochs_trained)

    def _judge(self, history):
        """Best epoch, and the epoch that ends the training early or None."""
        if self._patience is None:
            return _length(history), None
        # The state that training starts from is a candidate too, if it was scored.
        skipped = max(self._begin - 1, 0)
        best, stop = stopping_point(history["val_accuracy"][skipped:], self._tol, self._patience)
        best = best + skipped if best else self._begin
        return best, None if stop is None else stop + skipped


def _length(history):
    return len(history["loss"])


def stopping_point(scores, tol, patience):
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
