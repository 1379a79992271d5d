"""The state that training changes: weights, the optimizer's state and averages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from skfashion._network.architecture import Architecture
from skfashion._utils.types import FloatArray

# States with larger weights are copied only if necessary. Those of version 1 take 9 MB.
_LARGE_BYTES = 100e6

# Added to variances in batch normalization, as in Keras.
EPSILON = 1e-3


@dataclass
class TrainingState:
    """The state that training changes. All lists but `statistics` are in the order of the weights.

    Only `weights` are needed to predict. Training continues from the others. If these are not
    known, `iterations` is None and all of them are empty.

    Parameters
    ----------
    weights : list of ndarray
        The result of the training, in the order of `Architecture.parameter_shapes`.
    momentums, velocities : list of ndarray, default=[]
        Adam's first and second moments.
    iterations : int or None, default=None
        Number of training steps.
    trained : list of ndarray, default=[]
        The weights that training continues from, if these are others than `weights`: those before
        folding (with batch normalization) and before averaging.
    statistics : list of ndarray, default=[]
        Moving mean and variance of the outputs of each convolution, for batch normalization.
    is_view : bool, default=False
        Whether the arrays are the memory of a network. See `Network.get_state`.
    """

    weights: list[FloatArray]
    momentums: list[FloatArray] = field(default_factory=list)
    velocities: list[FloatArray] = field(default_factory=list)
    iterations: int | None = None
    trained: list[FloatArray] = field(default_factory=list)
    statistics: list[FloatArray] = field(default_factory=list)
    is_view: bool = False

    @classmethod
    def initial(cls, architecture: Architecture, seed: int | Sequence[int]) -> Self:
        """Return the state before the first epoch."""
        weights = architecture.initial_weights(seed)
        # One zero in memory, broadcast to the shape of the weights.
        zeros = [np.broadcast_to(np.zeros((), w.dtype), w.shape) for w in weights]
        statistics = [
            np.full(shape, number % 2, architecture.dtype)  # means 0 and variances 1
            for number, shape in enumerate(architecture.statistics_shapes)
        ]
        return cls(weights, zeros, zeros, iterations=0, statistics=statistics)

    @property
    def groups(self) -> dict[str, list[FloatArray]]:
        """The lists that training continues from, apart from `weights`, by name."""
        names = ("momentums", "velocities", "trained", "statistics")
        return {name: arrays for name in names if (arrays := getattr(self, name))}

    @property
    def trained_weights(self) -> list[FloatArray]:
        """The weights that training continues from."""
        return self.trained or self.weights

    @property
    def is_large(self) -> bool:
        """Whether a copy would raise the peak of memory noticeably."""
        return sum(weight.nbytes for weight in self.weights) > _LARGE_BYTES

    def copy(self) -> Self:
        """Copy all arrays."""
        copies: dict[str, Any] = {name: _copy(arrays) for name, arrays in self.groups.items()}
        return type(self)(_copy(self.weights), iterations=self.iterations, **copies)


def _copy(arrays: Sequence[FloatArray]) -> list[FloatArray]:
    return [array.copy() for array in arrays]


@np.errstate(all="ignore")  # the caller checks for non-finite values
def fold(weights: Sequence[FloatArray], statistics: Sequence[FloatArray]) -> list[FloatArray]:
    """Fold batch normalization into the kernels and biases of the convolutions.

    A convolution without bias is normalized to ``(x - mean) / sqrt(variance + EPSILON) + bias``.
    A convolution with the folded kernel and bias gives the same, also in front of max pooling,
    because the factor is positive. If there are no statistics, nothing changes.

    Parameters
    ----------
    weights : list of ndarray
        Kernel and bias of each layer, the convolutions first.
    statistics : list of ndarray
        Mean and variance of the outputs of each convolution.

    Returns
    -------
    list of ndarray
    """
    folded = list(weights)
    for number, (mean, variance) in enumerate(zip(statistics[::2], statistics[1::2], strict=True)):
        factor = 1 / np.sqrt(variance + variance.dtype.type(EPSILON))
        folded[2 * number] = weights[2 * number] * factor
        folded[2 * number + 1] = weights[2 * number + 1] - mean * factor
    return folded


@np.errstate(all="ignore")  # the caller checks for non-finite values
def update_average(
    average: Sequence[FloatArray], weights: Sequence[FloatArray], number: int, averaging: float
) -> list[FloatArray]:
    """Average the weights of a training, later ones with greater weight.

    Parameters
    ----------
    average : list of ndarray
        The average so far.
    weights : list of ndarray
        The weights to add.
    number : int
        Number of weights in the new average. With 1 it is `weights`.
    averaging : float
        At 0 all weights count equally. Greater values forget earlier ones faster.

    Returns
    -------
    list of ndarray

    References
    ----------
    Shamir, Zhang: Stochastic Gradient Descent for Non-smooth Optimization, ICML 2013: averaging
    with polynomial decay.
    """
    share = (averaging + 1) / (number + averaging)
    return [
        (mean * (1 - share) + weight * share).astype(weight.dtype)
        for mean, weight in zip(average, weights, strict=True)
    ]
