"""The key under which `memory` stores the checkpoints of a training."""

import hashlib
from dataclasses import asdict
from typing import Any

import numpy as np

from skfashion._network.architecture import Architecture
from skfashion._network.training_settings import TrainingSettings
from skfashion._training.data import TrainingData
from skfashion._utils import environment
from skfashion._utils.cache_directory import hash_settings
from skfashion._utils.types import FloatName

_ROWS_HASHED_AT_ONCE = 1000  # as floats they take 3 MB


def compute_checkpoint_key(
    architecture: Architecture, settings: TrainingSettings, data: TrainingData
) -> str:
    """Hash everything that affects the weights: parameters, data, versions and the machine.

    Trainings with equal keys have bitwise equal weights after each epoch.
    """
    hyperparameters = asdict(settings)
    pixel_max = hyperparameters.pop("pixel_max")  # the images are divided by it
    digest = hashlib.sha256()
    for rows in filter(None, (data, data.validation)):
        _hash_rows(digest, rows, pixel_max, architecture.dtype)
    return hash_settings(
        {
            "architecture": asdict(architecture),
            "settings": hyperparameters,
            "data": digest.hexdigest(),
            "environment": environment.fingerprint(),
        }
    )


def _hash_rows(digest: Any, rows: TrainingData, pixel_max: float, dtype: FloatName) -> None:
    """Hash the arrays as the network uses them: equal scaled values have equal hashes."""
    for array in rows.arrays:
        digest.update(f"|{array.shape}|".encode())
        for first in range(0, len(array), _ROWS_HASHED_AT_ONCE):
            part = array[first : first + _ROWS_HASHED_AT_ONCE]
            if part.dtype == np.uint8:
                part = part.astype(dtype) / np.dtype(dtype).type(pixel_max)
            digest.update(np.ascontiguousarray(part).data)
