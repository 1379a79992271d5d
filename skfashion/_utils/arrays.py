"""Arrays where other libraries can take them as they are."""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from skfashion._utils.types import AnyArray

# Bytes. TensorFlow copies what begins elsewhere, and NumPy's own arrays begin at any 16.
_ALIGNMENT = 64


def allocate_aligned(shape: Sequence[int], dtype: DTypeLike) -> AnyArray:
    """Make an array of zeros that `is_aligned`."""
    dtype = np.dtype(dtype)
    size = prod(shape) * dtype.itemsize
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def is_aligned(array: AnyArray) -> bool:
    """Whether TensorFlow can take the memory of an array as it is."""
    return array.flags.c_contiguous and array.ctypes.data % _ALIGNMENT == 0
