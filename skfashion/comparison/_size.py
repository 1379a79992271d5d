"""The size of a fitted estimator as a file for prediction."""

import io
import pickle
from typing import Any

import numpy as np

from skfashion._classifier import FashionCNN


def measure_size(estimator: Any) -> float:
    """Return millions of bytes of the estimator as a file; NaN if it cannot be pickled.

    It is that of a pickle, but a FashionCNN counts as the file that its `save` writes, which leaves
    out the optimizer's state.
    """
    file = _CountingFile()
    try:
        _Pickler(file, protocol=5).dump(estimator)
    except Exception:  # whatever its classes raise: the row needs no size
        return np.nan
    return file.n_bytes / 1e6


class _Pickler(pickle.Pickler):
    def reducer_override(self, part: Any) -> Any:
        if isinstance(part, FashionCNN) and hasattr(part, "weights_"):
            file = io.BytesIO()
            part.save(file)
            return bytes, (file.getvalue(),)
        return NotImplemented


class _CountingFile:
    """Counts the bytes and drops them."""

    n_bytes = 0

    def write(self, piece: bytes) -> None:
        self.n_bytes += memoryview(piece).nbytes
