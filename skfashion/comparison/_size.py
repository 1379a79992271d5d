"""Measure the file size of a fitted estimator."""

import io
import pickle
from typing import Any

import numpy as np

from skfashion._classifier import FashionCNN


def measure_size(estimator: Any) -> float:
    """Return the size of an estimator's pickle in millions of bytes; NaN if it has none.

    A FashionCNN counts as the file that `save` writes, without the optimizer's state.
    """
    file = _CountingFile()
    try:
        _Pickler(file, protocol=5).dump(estimator)
    except Exception:  # its classes may raise anything; the comparison works without a size
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
    """A file that counts bytes and discards them."""

    n_bytes = 0

    def write(self, piece: bytes) -> None:
        self.n_bytes += memoryview(piece).nbytes
