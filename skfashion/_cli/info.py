"""The command ``skfashion info``."""

import argparse

from skfashion._utils.environment import describe


def run(arguments: argparse.Namespace) -> int:
    """Print the machine and the versions."""
    for name, value in describe().items():
        print(f"{name}: {value}")
    return 0
