"""Input and output of a training: data and result."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skfashion._network.training_state import TrainingState
from skfashion._utils.types import AnyArray, FloatArray, History


@dataclass(frozen=True)
class TrainingData:
    """Checked rows in the form that the network needs.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns, 1)
        Bytes, or scaled floats.
    labels : ndarray of int32 of shape (n,)
        Encoded labels.
    weights : ndarray of shape (n,)
        Sample weights. Their mean is 1.
    validation : TrainingData or None, default=None
        Validation rows, scored after each epoch.
    """

    images: AnyArray
    labels: NDArray[np.int32]
    weights: FloatArray
    validation: "TrainingData | None" = None

    @property
    def arrays(self) -> tuple[AnyArray, AnyArray, AnyArray]:
        """Images, labels and weights of these rows, without the validation rows."""
        return self.images, self.labels, self.weights


@dataclass
class FitResult:
    """The result of a fit.

    Parameters
    ----------
    state : TrainingState
        The state after epoch `n_iter`. It has no optimizer's state if only weights were stored.
    history : dict of str to list of float
        An entry for every epoch, including epochs of earlier fits that this one continues.
    n_iter : int
        The epoch of `history` that `state` comes from.
    n_epochs_trained : int
        Number of epochs that were trained, not read from checkpoints.
    """

    state: TrainingState
    history: History
    n_iter: int
    n_epochs_trained: int
