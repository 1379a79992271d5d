"""Format numbers for tables and texts."""

import numpy as np

from skfashion.comparison._statistics import SIGNIFICANCE_LEVEL


def format_interval(value: float, low: float, high: float) -> str:
    """Format a score and its interval, if they exist."""
    if not np.isfinite(value):
        return ""
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if np.isfinite(low) else f"{value:.3f}"


def format_p(p: float) -> str:
    """Format a p-value with three decimals and no leading zero (APA style)."""
    if not np.isfinite(p):
        return ""
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def format_difference(difference: float, p: float) -> str:
    """Format a difference and its p-value, with a star if it is significant."""
    if not np.isfinite(difference) or (difference == 0 and not np.isfinite(p)):
        return ""
    if not np.isfinite(p):
        return f"{difference:+.3f}"
    return f"{difference:+.3f} ({format_p(p)}){'*' if p < SIGNIFICANCE_LEVEL else ''}"


def format_cost(value: float) -> str:
    """Format a time or a size with three significant digits."""
    if not np.isfinite(value):
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
