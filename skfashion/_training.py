"""Trains a network, once through SciKeras: epochs, their seeds, validation and stopping.

The only module that knows SciKeras.
"""

from dataclasses import dataclass

# Before SciKeras, which imports TensorFlow loudly.
from skfashion._tensorflow import check_not_forked, tf  # isort: split

import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.preprocessing import FunctionTransformer

from skfashion._architecture import TrainingState
from skfashion._networks import pool


@dataclass
class Trained:
    """The outcome of `train`.

    Parameters
    ----------
    state : TrainingState
        After epoch `n_iter`.
    history : dict of str to list of float
        One entry per epoch run so far, of this training and those it continues.
    n_iter : int
        Epochs in `state`.
    n_epochs_trained : int
        Epochs that this training ran.
    """

    state: TrainingState
    history: dict[str, list[float]]
    n_iter: int
    n_epochs_trained: int


class _Classifier(KerasClassifier):
    """SciKeras' classifier for labels that are codes already: there is nothing to encode."""

    @property
    def target_encoder(self):
        return FunctionTransformer()

    def _type_of_target(self, y):
        return "multiclass"


def train(
    architecture,
    state,
    rows,
    validation=None,
    *,
    history,
    epochs,
    seed,
    batch_size,
    learning_rate,
    dropout,
    pixel_max,
    patience=None,
    tol=0.0,
    verbose=0,
):
    """Train a borrowed network for some epochs.

    Each epoch is seeded by its number: it depends on the state before it, the seed and its
    number alone, so ten epochs are five epochs and then five more.

    Parameters
    ----------
    architecture : Architecture
    state : TrainingState
        To start from.
    rows : Rows
        With images as their X.
    validation : Rows or None
    history : dict of str to list of float
        Of the epochs in `state`; it is not changed.
    epochs : int
        How many to run at the most.
    seed : int
    batch_size : int
    learning_rate, dropout, pixel_max : float
    patience : int or None
        Stop after so many epochs without a rise of the validation accuracy by `tol`, and
        return the state of the best epoch. None runs all epochs and returns the last state.
    tol : float
    verbose : int
        Above 0, a line for each epoch.

    Returns
    -------
    Trained

    Raises
    ------
    ValueError
        If the loss or the weights are no longer finite.
    """
    check_not_forked()
    done = len(history["loss"])
    history = {name: list(values) for name, values in history.items()}
    best = done, state

    def run(network, images, codes):
        nonlocal best
        training_tensors = _to_tensors((images, codes, rows.weights))
        validation_tensors = validation and _to_tensors(validation)
        for epoch in range(done + 1, done + epochs + 1):
            rng = np.random.default_rng([seed, epoch])
            order = rng.permutation(len(codes)).astype(np.int32)
            dropout_seed = rng.integers(2**63)
            measured = network.train_epoch(training_tensors, order, batch_size, dropout_seed)
            if not np.isfinite(measured["loss"]):
                raise _diverged(epoch, learning_rate)
            if validation is not None:
                scores = network.score_rows(validation_tensors)
                measured |= {f"val_{name}": value for name, value in scores.items()}
            _append(history, measured)
            if verbose:
                figures = " - ".join(f"{name}: {value:.4f}" for name, value in measured.items())
                print(f"epoch {epoch}/{done + epochs} - {figures}", flush=True)
            if patience is not None:
                # The state that training starts from is a candidate too, if it was scored.
                accuracies = history["val_accuracy"][max(done - 1, 0) :]
                position, stop = stopping_point(accuracies, tol, patience)
                if position == len(accuracies):
                    best = epoch, network.state()
                if stop:
                    break
        return history

    with pool.lend(architecture, rows.X.dtype.name) as network:
        network.prepare(state, learning_rate=learning_rate, dropout=dropout, pixel_max=pixel_max)
        _Classifier(model=lambda: network, verbose=0).fit(rows.X, rows.codes, run=run)
        n_iter = len(history["loss"])
        n_epochs_trained = n_iter - done
        if patience is None:
            state = network.state()
        else:
            n_iter, state = best
    if not all(np.isfinite(weight).all() for weight in state.weights):
        raise _diverged(n_iter, learning_rate)
    return Trained(state, history, n_iter, n_epochs_trained)


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
        Position of the best score, counted from 1; 0 without a score.
    stop : bool
        Whether the accuracy has not risen by `tol` for `patience` epochs.
    """
    best_score, best, idle = -np.inf, 0, 0
    for position, score in enumerate(scores, start=1):
        idle = 0 if score >= best_score + tol else idle + 1
        if score > best_score:
            best_score, best = score, position
    return best, idle >= patience


def _to_tensors(rows):
    return tuple(tf.constant(part) for part in rows)


def _append(history, measured):
    """One more epoch; the lists stay as long as each other where something was not measured."""
    before = len(history["loss"])
    for name in {**history, **measured}:
        values = history.setdefault(name, [np.nan] * before)
        values.append(float(measured.get(name, np.nan)))


def _diverged(epoch, learning_rate):
    return ValueError(
        f"Training diverged in epoch {epoch}: the loss or the weights are no longer finite. "
        f"Use a smaller learning_rate (it is {learning_rate:g}) or scale X."
    )
