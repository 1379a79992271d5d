"""What a training takes and what it gives: data, settings, result."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skfashion._network.architecture import TrainingState
from skfashion._utils.types import AnyArray, FloatArray, History


@dataclass(frozen=True)
class TrainingData:
    """Checked rows, as the network takes them.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns, 1)
        Bytes, or floats that are scaled already.
    labels : ndarray of int32 of shape (n,)
        Encoded: positions among the classes.
    weights : ndarray of shape (n,)
        Of mean 1 for the rows to train on.
    validation : TrainingData or None, default=None
        Rows to score after each epoch.
    """

    images: AnyArray
    labels: NDArray[np.int32]
    weights: FloatArray
    validation: "TrainingData | None" = None

    @property
    def arrays(self) -> tuple[AnyArray, AnyArray, AnyArray]:
        """Images, labels and weights, without the validation rows."""
        return self.images, self.labels, self.weights


@dataclass(frozen=True)
class TrainingSettings:
    """Hyperparameters of the training, without those of the architecture.

    Parameters
    ----------
    batch_size : int
    learning_rate, dropout, pixel_max : float
    seed : int
        Decides the order of rows and the dropout of each epoch.
    """

    batch_size: int
    learning_rate: float
    dropout: float
    pixel_max: float
    seed: int


@dataclass
class FitResult:
    """What a fit ends with.

    Parameters
    ----------
    state : TrainingState
        After epoch `n_iter`. It lacks the optimizer where only the weights were stored.
    history : dict of str to list of float
        One entry for every epoch, of this training and of those that it continues.
    n_iter : int
        The epoch of `history` that `state` comes from.
    n_epochs_trained : int
        Epochs that were trained, and not read from checkpoints.
    """

    state: TrainingState
    history: History
    n_iter: int
    n_epochs_trained: int
