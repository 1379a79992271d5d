"""Early stopping: when to stop a training, and which epoch was the best."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class EarlyStopping(NamedTuple):
    """Early stopping on the validation accuracy.

    Parameters
    ----------
    patience : int
        Stop after this many consecutive epochs that do not improve the best score by `tol`.
    tol : float
    """

    patience: int
    tol: float

    def judge(self, scores: Sequence[float]) -> tuple[int, int | None]:
        """Find the best epoch, and the epoch to stop after.

        This is the rule that MLPClassifier documents. Its code waits one epoch longer.

        Parameters
        ----------
        scores : list of float
            Validation accuracy after each epoch.

        Returns
        -------
        best : int
            The epoch with the best score, counted from 1. 0 if there is no epoch.
        stop : int or None
            The epoch to stop after, or None to go on.
        """
        best_score, best, idle = -np.inf, 0, 0
        for epoch, score in enumerate(scores, start=1):
            idle = 0 if score >= best_score + self.tol else idle + 1
            if score > best_score:
                best_score, best = score, epoch
            if idle >= self.patience:
                return best, epoch
        return best, None
