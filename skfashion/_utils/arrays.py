"""Memory-aligned arrays, which TensorFlow can use without a copy."""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from skfashion._utils.types import AnyArray

# In bytes. TensorFlow copies arrays with another alignment. NumPy aligns arrays to 16 bytes.
_ALIGNMENT = 64


def allocate_aligned(shape: Sequence[int], dtype: DTypeLike) -> AnyArray:
    """Make an array of zeros with the alignment that `is_aligned` checks."""
    dtype = np.dtype(dtype)
    size = prod(shape) * dtype.itemsize
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def is_aligned(array: AnyArray) -> bool:
    """Return whether TensorFlow can use the memory of an array without a copy."""
    return array.flags.c_contiguous and array.ctypes.data % _ALIGNMENT == 0
