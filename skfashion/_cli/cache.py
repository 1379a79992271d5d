"""The command ``skfashion cache``."""

import argparse
import re

from skfashion._cli.options import escape, parse_path
from skfashion._utils.cache_directory import clear, limit_size, measure_usage

HELP = "show, limit or clear the cache in the directory given as memory"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument("path", type=parse_path, help="the directory given as memory or --memory")
    command.add_argument("--clear", action="store_true", help="remove everything")
    command.add_argument(
        "--max-size",
        type=_parse_size,
        metavar="SIZE",
        help="remove the least recently used entries beyond this size, such as 10GB or 10GiB",
    )


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


def _parse_size(text: str) -> float:
    """Parse a size in bytes, with or without a unit."""
    number = r"(\d+(?:\.\d+)?(?:e\d+)?)"
    match = re.fullmatch(rf"{number}\s*(?:([KMGT])(i?))?B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500MB or 10GB")
    power = "KMGT".index(match[2].upper()) + 1 if match[2] else 0
    return float(match[1]) * (1024 if match[3] else 1000) ** power
