"""Figures as readers want them."""

import numpy as np


def interval(middle: float, low: float, high: float) -> str:
    """A figure and its interval; nothing where there is none."""
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]" if np.isfinite(middle) else ""


def p_value(p: float) -> str:
    """Three decimals, as APA style writes what cannot exceed one."""
    if not np.isfinite(p):
        return ""
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0")


def significant(value: float) -> str:
    """Three digits."""
    if not np.isfinite(value):
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
