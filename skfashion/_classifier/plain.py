"""Parameters as JSON, and back. What JSON has no word for stands in an object of one key."""

import math
import os
from numbers import Integral, Real
from typing import Any

import numpy as np

_KEYS = 624  # of the state of MT19937, whose next one is at a position from 0 to here


def encode(name: str, value: Any) -> Any:
    """A parameter as JSON.

    Parameters
    ----------
    name : str
        For messages.
    value : object
        None, text, a path, a finite real number, a `RandomState`, or a list, tuple, array or dict
        of such. Of NumPy's types and arrays only the values are kept.

    Raises
    ------
    ValueError
        If it is nothing of these, or a number that Python's own cannot hold.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and math.isfinite(value) and float(value) == value:
        return float(value)
    if isinstance(value, os.PathLike) and isinstance(path := os.fspath(value), str):
        return path
    if isinstance(value, tuple):
        return {"tuple": [encode(name, item) for item in value]}
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim):
        return [encode(name, item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[encode(name, part) for part in pair] for pair in value.items()]}
    if isinstance(value, np.random.RandomState):
        state: Any = value.get_state(legacy=False)
        if state["bit_generator"] == "MT19937":
            keys, position = state["state"]["key"].tolist(), int(state["state"]["pos"])
            return {"MT19937": [keys, position, int(state["has_gauss"]), float(state["gauss"])]}
    raise ValueError(
        f"{name}={value!r} cannot be saved: a model file holds plain, finite values alone."
    )


def decode(value: Any) -> Any:
    """A parameter from JSON.

    Raises
    ------
    ValueError, TypeError
        If `encode` writes no such thing.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    [entry] = value.items()
    match entry:
        case "tuple", [*items]:
            return tuple(decode(item) for item in items)
        case "dict", [*pairs]:
            return {decode(key): decode(item) for key, item in pairs}
        case "MT19937", [[*keys], position, has_gauss, gauss]:
            return _generator(keys, position, has_gauss, gauss)
        case kind, _:
            raise ValueError(f"a parameter is of the kind {kind!r}, and not as it is known.")


def _generator(keys: list[Any], position: Any, has_gauss: Any, gauss: Any) -> np.random.RandomState:
    # NumPy checks nothing of it, and reads its memory at whatever position it is told.
    if not (
        len(keys) == _KEYS
        and all(type(key) is int and 0 <= key < 2**32 for key in keys)
        and type(position) is int
        and 0 <= position <= _KEYS
        and has_gauss in (0, 1)
        and type(gauss) is float
    ):
        raise ValueError("a parameter is a generator in a state that none can be in.")
    generator = np.random.RandomState()
    generator.set_state(
        ("MT19937", np.array(keys, dtype=np.uint32), position, int(has_gauss), gauss)
    )
    return generator
