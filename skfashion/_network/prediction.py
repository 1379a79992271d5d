"""The way of images through a trained network: NumPy's, or TensorFlow's where that is faster."""

import sys
from collections.abc import Sequence

import numpy as np

from skfashion._network import numpy_model as _forward
from skfashion._network.architecture import Architecture
from skfashion._utils.types import AnyArray, FloatArray

# From here on TensorFlow's faster arithmetic outweighs handing it the weights: some 60 images
# of version 1, or 1,000 of version 2.
_MULTIPLY_ADDS_WORTH_TENSORFLOW = 500e6


def logits(
    images: AnyArray,
    weights: Sequence[FloatArray],
    architecture: Architecture,
    pixel_max: float,
) -> FloatArray:
    """Outputs of the last layer, before the softmax.

    They are NumPy's, and equal alone and in any batch, unless all of this holds: this process
    has started TensorFlow, by `fit`, `partial_fit` or `to_keras` of a FashionCNN; it was not
    forked since; and the images need more than 500 million multiply-adds in all. Then they are
    TensorFlow's, whose probabilities differ by less than 1e-5.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns, 1)
        Bytes are divided by `pixel_max` here, floats were divided already.
    weights : list of ndarray
        In the order of `architecture.parameter_shapes`.
    architecture : Architecture
    pixel_max : float

    Returns
    -------
    logits : ndarray of shape (n, n_classes), in the dtype of `weights`
    """
    if _tensorflow_runs_here():
        work = len(images) * architecture.multiply_adds
        if work > _MULTIPLY_ADDS_WORTH_TENSORFLOW:
            from skfashion._network import graph as _graph

            return _graph.logits(architecture, images, weights, pixel_max)
    with np.errstate(over="ignore", invalid="ignore"):  # the caller looks for what is not finite
        return _forward.logits(images, weights, architecture.strides, pixel_max)


def _tensorflow_runs_here() -> bool:
    # While another thread imports it, it is there without its functions.
    runs_here = getattr(sys.modules.get("skfashion._network.tensorflow"), "runs_here", None)
    return runs_here is not None and runs_here()
