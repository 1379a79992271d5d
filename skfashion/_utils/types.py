"""Shared type aliases, and a typed wrapper for untyped decorators."""

from collections.abc import Callable
from os import PathLike
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

AnyArray: TypeAlias = NDArray[Any]
FloatArray: TypeAlias = NDArray[np.floating]
FloatName: TypeAlias = Literal["float32", "float64"]
ImageShape: TypeAlias = tuple[int, int]  # rows and columns
History: TypeAlias = dict[str, list[float]]
StrPath: TypeAlias = str | PathLike[str]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def unconverted(function: _Function) -> _Function:
    """Exclude a function, and all that it calls, from AutoGraph.

    Inside a `tf.function` AutoGraph would convert all of it, and a fit would take a minute. This is
    `tf.autograph.experimental.do_not_convert` without importing TensorFlow.
    """
    function.autograph_info__ = {}  # type: ignore[attr-defined]  # TensorFlow's mark
    return function


def preserve_signature(decorator: Callable[..., Any]) -> Callable[[_Function], _Function]:
    """Declare that an untyped decorator keeps the signature."""
    return decorator
