"""Warnings that point to the user's line."""

import os
import sys
import warnings
from pathlib import Path
from types import FrameType

import sklearn

_LIBRARIES = tuple(
    f"{folder}{os.sep}" for folder in (Path(__file__).parents[1], Path(sklearn.__file__).parent)
)


def warn(message: str) -> None:
    """Warn at the line of the user's code that called skfashion, or scikit-learn around it.

    A fixed `stacklevel` does not work: the number of frames in between depends on scikit-learn's
    version and on SciKeras.
    """
    level = outermost = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith(_LIBRARIES):
            outermost = level
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=outermost + 1)
