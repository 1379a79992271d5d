"""The command ``skfashion info``."""

import argparse

from skfashion._utils.environment import describe

HELP = "show the machine and the versions of the libraries, for a bug report"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add no options: this command has none."""


def run(arguments: argparse.Namespace) -> int:
    """Print the machine and the versions."""
    for name, value in describe().items():
        print(f"{name}: {value}")
    return 0
