"""Progress bars and tables that fit the terminal. Elsewhere, such as in a file, plain lines."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from skfashion._utils.steps import Unit, listen

if TYPE_CHECKING:
    from skfashion.comparison import Comparison

_SECONDS_BETWEEN_LINES = 30
_NAME_WIDTH = 10  # the longest word in the name of an estimator


@contextmanager
def show_progress() -> Iterator[None]:
    """Show on standard error how many fits and epochs within this context are finished.

    On a terminal this is a bar with the time left, below everything that is printed. Elsewhere the
    epochs of a comparison are printed at times.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        with listen(_Lines()):
            yield
        return
    from skfashion._cli.progress_bar import make_progress_bar

    bar = make_progress_bar()
    with bar, listen(_Bar(bar)):
        yield


class _Steps(ABC):
    """Counts the finished fits of a comparison, and the epochs of the current fit."""

    def __init__(self) -> None:
        self._counts: dict[Unit, tuple[int, int]] = {}

    def __call__(self, unit: Unit, finished: int, total: int) -> None:
        if unit == "fits":
            self._counts.clear()  # the epochs were those of the last fit
        self._counts[unit] = finished, total
        self.show(unit)

    def __str__(self) -> str:
        return ", ".join(f"{done}/{total} {unit}" for unit, (done, total) in self._counts.items())

    @property
    def share(self) -> float:
        """The finished share of the whole, where each fit counts the same."""
        epoch, n_epochs = self._counts.get("epochs", (0, 1))
        fits, n_fits = self._counts.get("fits", (0, 1))
        return (fits + epoch / n_epochs) / n_fits

    @abstractmethod
    def show(self, unit: Unit) -> None:
        """Show the counts after a step."""


class _Bar(_Steps):
    """Shows the steps as a progress bar of rich."""

    def __init__(self, bar: Any) -> None:
        super().__init__()
        self._bar = bar
        self._task = bar.add_task("starting", total=1.0)

    def show(self, unit: Unit) -> None:
        self._bar.update(self._task, completed=self.share, description=str(self))


class _Lines(_Steps):
    """Prints epochs of a comparison, which prints a line after each fit, if a fit takes long."""

    def __init__(self) -> None:
        super().__init__()
        self._last_line = time.monotonic()

    def show(self, unit: Unit) -> None:
        now = time.monotonic()
        if unit == "epochs" and "fits" in self._counts:
            if now < self._last_line + _SECONDS_BETWEEN_LINES:
                return
            print(self, file=sys.stderr, flush=True)
        self._last_line = now


def print_comparison(comparison: "Comparison") -> None:
    """Print the table of a comparison, its warnings and errors; wrap cells to fit a terminal."""
    if not sys.stdout.isatty():
        print(comparison, flush=True)
        return
    from rich.console import Console
    from rich.table import Table

    from skfashion.comparison._comparison import list_notes

    console = Console(markup=False, highlight=False, emoji=False)
    cells = comparison.readable()
    # Headers and names of estimators wrap between words. Figures wrap only where all else fails.
    widths = {name: max(map(len, [*name.split(), *cells[name]])) for name in cells.columns}
    fits = _NAME_WIDTH + sum(width + 2 for width in widths.values()) <= console.width
    table = Table(box=None, pad_edge=False)
    table.add_column(str(cells.index.name), overflow="fold")
    for name, width in widths.items():
        table.add_column(name, justify="right", width=width if fits else None, overflow="fold")
    for row in cells.itertuples():
        table.add_row(*row)
    console.print(table)
    for note in list_notes(comparison):
        print(note, flush=True)
