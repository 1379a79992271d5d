"""The command ``skfashion cache``."""

import argparse
import re
from pathlib import Path

from skfashion._utils.cache_directory import clear, limit_size, measure_usage

HELP = "show, limit or clear the cache in a directory of memory"
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument("path", type=Path, help="the directory given as memory or --memory")
    command.add_argument("--clear", action="store_true", help="remove everything")
    command.add_argument(
        "--max-size",
        type=_parse_size,
        metavar="SIZE",
        help="remove the least recently used trainings and fits beyond this size, such as 10GB",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the size of the cache, or of what was removed."""
    if not arguments.path.is_dir():
        raise ValueError(f"{arguments.path} is not a directory.")
    if arguments.clear:
        usage, removed = clear(arguments.path), " removed"
    elif arguments.max_size is not None:
        usage, removed = limit_size(arguments.path, arguments.max_size), " removed"
    else:
        usage, removed = measure_usage(arguments.path), ""
    print(
        f"{arguments.path}: {usage.trainings} trainings, {usage.epochs} epochs, "
        f"{usage.fits} fits of comparisons, {usage.bytes / 1e6:.1f} MB{removed}"
    )
    return 0


def _parse_size(text: str) -> float:
    """Parse a size in bytes, with or without a unit."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500MB or 10GB")
    return float(match[1]) * _UNITS[match[2].upper()]
