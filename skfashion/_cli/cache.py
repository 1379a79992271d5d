"""The command ``skfashion cache``."""

import argparse

from skfashion._cli.text import escape
from skfashion._utils.cache_directory import clear, limit_size, measure_usage


def run(arguments: argparse.Namespace) -> int:
    """Print the size of the cache, or of the removed files."""
    if not arguments.path.is_dir():
        raise ValueError(f"{arguments.path} is not a directory.")
    if arguments.clear:
        usage, removed = clear(arguments.path), " removed"
    elif arguments.max_size is not None:
        usage, removed = limit_size(arguments.path, arguments.max_size), " removed"
    else:
        usage, removed = measure_usage(arguments.path), ""
    print(
        f"{escape(arguments.path)}: {usage.trainings} trainings, {usage.epochs} epochs, "
        f"{usage.fits} fits of comparisons, {usage.bytes / 1e6:.1f} MB{removed}"
    )
    return 0
