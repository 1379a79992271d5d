"""Warnings that name the user's line, however deep they come from."""

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
    """Warn at the line that called into this package, or into scikit-learn round it.

    A fixed `stacklevel` cannot tell: how many decorators and wrappers stand between depends on
    scikit-learn's version, and on whether a fit goes through SciKeras.
    """
    level = outermost = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith(_LIBRARIES):
            outermost = level
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=outermost + 1)
