"""Names for types that several modules share, and types for what has none."""

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
    """Let AutoGraph alone: it would rewrite all that a function calls inside a `tf.function`.

    A fit would take a minute there. As `tf.autograph.experimental.do_not_convert`, which imports
    TensorFlow.
    """
    function.autograph_info__ = {}  # type: ignore[attr-defined]  # of TensorFlow's own marks
    return function


def keeps_types(decorator: Callable[..., Any]) -> Callable[[_Function], _Function]:
    """Say of a decorator that it leaves the types as they are: scikit-learn's have none."""
    return decorator
