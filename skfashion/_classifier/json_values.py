"""Converts parameters and labels to JSON and back, for model files."""

import math
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from skfashion._utils.messages import shorten
from skfashion._utils.types import AnyArray

_MAX_LABEL_BYTES = 2**24  # a few labels of "<U999999" would take more
_LABEL_DTYPE = re.compile(r"[<>|](b1|[iu][1248]|f[248]|U\d{1,7}|[mM]8(\[\w{1,9}\])?|O)")


class ModelFileError(ValueError):
    """Error in a model file, or in a network to be saved, with a message written for users."""


def parameter_to_json(name: str, value: Any) -> Any:
    """Convert a parameter to JSON. Tuples and dicts become objects with one key."""
    if isinstance(value, np.random.RandomState):
        return None  # fits after loading draw new numbers, as further fits would
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    match value:
        case None | str() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case list():
            return [parameter_to_json(name, item) for item in value]
        case tuple():
            return {"tuple": parameter_to_json(name, list(value))}
        case dict():
            return {"dict": parameter_to_json(name, [list(value), list(value.values())])}
    raise ModelFileError(
        f"{name}={shorten(value)} is not a plain, finite value: replace it by set_params."
    )


def parameter_from_json(value: Any) -> Any:
    """Convert JSON to a parameter."""
    match value:
        case list():
            return [parameter_from_json(item) for item in value]
        case {"tuple": [*items]}:
            return tuple(parameter_from_json(items))
        case {"dict": [[*keys], [*values]]}:
            return dict(zip(parameter_from_json(keys), parameter_from_json(values), strict=True))
    return value


def labels_to_json(labels: AnyArray) -> dict[str, Any]:
    """Convert an array of labels or feature names to JSON."""
    dtype = labels.dtype
    values = labels.astype(np.int64).tolist() if dtype.kind in "mM" else labels.tolist()
    is_plain = dtype.kind != "O" or all(isinstance(label, str) for label in values)
    if not is_plain or _LABEL_DTYPE.fullmatch(dtype.str) is None:
        raise ModelFileError(
            f"a model file cannot hold labels of dtype {dtype}, such as {shorten(values[0])}."
        )
    return {"dtype": dtype.str, "values": values}


def labels_from_json(stored: Mapping[str, Any], n: int) -> AnyArray:
    """Convert JSON to an array of `n` labels or feature names."""
    name, values = stored["dtype"], stored["values"]
    if _LABEL_DTYPE.fullmatch(name) is not None and len(values) == n:
        dtype = np.dtype(name)
        if n * dtype.itemsize <= _MAX_LABEL_BYTES:
            labels = np.array(values, np.int64 if dtype.kind in "mM" else dtype).astype(dtype)
            if labels.shape == (n,) and labels_to_json(labels) == stored:
                return labels
    raise ModelFileError(
        f"it holds {len(values):,} labels or names of dtype {name!r}: expected {n:,} of a plain "
        f"dtype that take at most {_MAX_LABEL_BYTES:,} bytes."
    )
