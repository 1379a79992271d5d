"""The progress bar of the command, through rich. Import this module only where a bar is shown."""

import sys
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text


def make_progress_bar() -> Progress:
    """Make a bar on standard error that vanishes at its end. Other output is printed above it."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        _TimeLeft(),
        console=Console(stderr=True),
        refresh_per_second=2,  # more would take time from the fits that are measured
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # a file or a pipe gets its lines itself
    )


class _TimeLeft(ProgressColumn):
    """The time left if the rest is as fast as all until now.

    During a fit that takes longer than the others the estimate grows. That of rich would stand.
    """

    def render(self, task: Task) -> Text:
        if not task.completed or task.elapsed is None:
            return Text("-:--:-- left", style="progress.remaining")
        seconds = task.elapsed * (100 / task.percentage - 1)
        return Text(f"{timedelta(seconds=round(seconds))} left", style="progress.remaining")
