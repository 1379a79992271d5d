"""``skfashion cache``."""

import argparse
from pathlib import Path

from skfashion._utils.cache_directory import clear, usage

HELP = "show or clear what is stored in a directory of memory"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    command.add_argument("path", type=Path, help="the directory given as memory or --memory")
    command.add_argument("--clear", action="store_true", help="remove it")


def run(arguments: argparse.Namespace) -> int:
    """Print what is stored, and with ``--clear`` remove it."""
    if not arguments.path.is_dir():
        raise ValueError(f"{arguments.path} is no directory: nothing is stored there.")
    found = clear(arguments.path) if arguments.clear else usage(arguments.path)
    print(
        f"{arguments.path}: {found.trainings} trainings, {found.epochs} epochs, "
        f"{found.fits} fits of comparisons, {found.bytes / 1e6:.1f} MB"
        f"{' removed' if arguments.clear else ''}"
    )
    return 0
