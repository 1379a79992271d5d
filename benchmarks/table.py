"""The lines of the table, and their words."""

from typing import NamedTuple

from contest import ratio, seconds


class Line(NamedTuple):
    """A line of the table: what was measured of us and of another, and what was asked."""

    work: str
    ours: str
    other: str
    figure: str
    bar: str


def ratios(work, results, bars, ours="skfashion"):
    taken = seconds(results)
    for name, bar in bars.items():
        yield Line(
            work,
            duration(taken[ours]),
            f"{name}: {duration(taken[name])}",
            fraction(ratio(results, ours, name)),
            f"<= {fraction(bar)}",
        )


def duration(value):
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def fraction(value):
    return f"1/{1 / value:.3g}" if value < 0.2 else f"{value:.2f}"


def print_table(lines):
    heading = Line("work", "skfashion", "peer", "ratio", "asked")
    widths = [max(map(len, column)) for column in zip(heading, *lines, strict=True)]
    for line in [heading, Line(*("-" * width for width in widths)), *lines]:
        print(
            "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        )
