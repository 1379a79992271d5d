"""The arguments of the command ``skfashion``.

Nothing here may import NumPy or scikit-learn: help and mistakes are answered at once. The module of
a subcommand is imported when it runs.
"""

import argparse
import math
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from skfashion import __version__
from skfashion._cli.text import clean_message, suggest
from skfashion._utils.files import expand_user

EXAMPLES = """\
examples:
  skfashion compare --output report        compare all classifiers on 6,000 images
  skfashion train --data mini --output clothes.skfashion
  skfashion predict clothes.skfashion photo.jpg

Add --help to a command to see its options.
"""
# Those of the networks themselves, except for version 1. The original shows no noticeable
# improvement of version 1 after the fifth epoch.
EPOCHS = {"v1": 5, "v2": 20, "v3": 12}
_DEFAULT_EPOCHS = "default: 5 for v1, 20 for v2, 12 for v3"
# Those of `make_baselines`, which would import scikit-learn.
BASELINES = (
    "dummy",
    "naive Bayes",
    "logistic regression",
    "linear SVC",
    "kNN",
    "RBF SVC",
    "random forest",
    "histogram gradient boosting",
    "MLP",
)

_Number = TypeVar("_Number", int, float)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors suggest what may have been meant."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)$", message)
        if wrong is not None:
            message += suggest(wrong[1], [choice.strip("'") for choice in wrong[2].split(", ")])
        super().error(clean_message(message))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # The parser of the subcommand knows its options. By default the main parser would complain.
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            hint = suggest(
                unknown[0].partition("=")[0], re.findall(r"--[\w-]+", self.format_help())
            )
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return namespace, unknown


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """A formatter that lists the commands without the line "command" above them."""

    def _format_action(self, action: argparse.Action) -> str:
        if isinstance(action, argparse._SubParsersAction):
            return "".join(map(self._format_action, action._get_subactions()))
        return super()._format_action(action)


def build_parser() -> argparse.ArgumentParser:
    """Build the argument parser with all subcommands."""
    parser = _Parser(
        prog="skfashion",
        description="Train convolutional networks on Fashion-MNIST, and compare and use them.",
        epilog=EXAMPLES,
        formatter_class=_Formatter,
    )
    parser.add_argument("-V", "--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="command")
    for name, add_arguments, summary in (
        ("compare", _add_compare_arguments, "cross-validate networks and classical baselines"),
        ("reproduce", _add_reproduce_arguments, "train v1 or v2, and compare with its publication"),
        ("train", _add_train_arguments, "train a network and save it to a file"),
        ("predict", _add_predict_arguments, "classify photos with a network that `train` saved"),
        ("cache", _add_cache_arguments, "show, limit or clear a directory of --memory"),
        ("info", _add_info_arguments, "show versions and the machine, for bug reports"),
    ):
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
        )
        add_arguments(command)
        command.set_defaults(run=partial(_run, name))
    return parser


def _run(name: str, arguments: argparse.Namespace) -> int:
    """Import the module of a subcommand, and run it."""
    status: int = import_module(f"skfashion._cli.{name}").run(arguments)
    return status


def _add_compare_arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    _add_data(command, default="mini")
    add(
        "--networks",
        nargs="+",
        choices=(*EPOCHS, "none"),
        metavar="NAME",
        help="any of v1, v2 and v3, or none; default: all",
    )
    add(
        "--baselines",
        nargs="+",
        choices=(*BASELINES, "none"),
        metavar="NAME",
        help=f"any of {', '.join(map(repr, BASELINES))}, or none; default: all",
    )
    add(
        "--epochs",
        type=_at_least(1),
        metavar="N",
        help=f"epochs of each network; {_DEFAULT_EPOCHS}",
    )
    add(
        "--scoring",
        nargs="+",
        default=["accuracy"],
        metavar="METRIC",
        help="metrics of scikit-learn, such as f1_macro; the table is sorted by the first; "
        "default: accuracy",
    )
    add(
        "--folds",
        "--cv",
        type=_at_least(2),
        default=3,
        metavar="N",
        help="number of folds, at least 2; default: 3",
    )
    add(
        "--n-jobs",
        type=_number_of_jobs,
        metavar="N",
        help="number of parallel fits, or -1 for one on each core; default: 1",
    )
    add(
        "--test",
        action="store_true",
        help="also fit on all training images, and score on the test images",
    )
    add(
        "--timeout",
        type=_positive_seconds,
        metavar="SECONDS",
        help="stop a fit that takes longer, and go on with the others; default: no limit",
    )
    _add_memory(command)
    add("--output", type=_path, metavar="DIR", help="write tables and a report to this folder")
    add("--json", action="store_true", help="print the table and the scores of each fold as JSON")
    add("--quiet", action="store_true", help="show no progress")
    _add_seed(command)


def _add_reproduce_arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("version", choices=("v1", "v2"), help="network to train; v3 was not published")
    add("--epochs", type=_at_least(1), default=20, metavar="N", help="number; default: 20")
    _add_data(command, default="full")
    _add_seed(command)


def _add_train_arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    _add_data(command, default="full")
    add("--output", type=_path, required=True, metavar="MODEL", help="model file to write")
    add("--network", choices=EPOCHS, default="v1", help="network to train; default: v1")
    add(
        "--epochs",
        type=_at_least(1),
        metavar="N",
        help=f"number of epochs; {_DEFAULT_EPOCHS}",
    )
    _add_memory(command)
    _add_seed(command)


def _add_predict_arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("model", metavar="MODEL", help="model file of `train` or FashionCNN.save")
    add(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="image file, folder or pattern such as '*.png'; - reads standard input",
    )
    add("--json", action="store_true", help="print one JSON object for each image")
    add(
        "--background",
        default="auto",
        metavar="COLOR",
        help="colour behind the object, such as white or #fdfdfd; default: auto (the corners)",
    )
    add(
        "--invert",
        choices=("auto", "yes", "no"),
        default="auto",
        help="invert grey values; default: auto (if the object is darker than the background)",
    )


def _add_cache_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", type=_path, help="directory that you passed as memory or --memory")
    add = command.add_mutually_exclusive_group().add_argument
    add("--clear", action="store_true", help="remove everything that is stored there")
    add(
        "--max-size",
        type=_size,
        metavar="SIZE",
        help="remove the least recently used entries beyond this size, such as 10GB or 10GiB",
    )


def _add_info_arguments(command: argparse.ArgumentParser) -> None:
    """Add no options: this command has none."""


def _add_data(command: argparse.ArgumentParser, *, default: str) -> None:
    command.add_argument(
        "--data",
        default=default,
        metavar="{mini,full,PATH}",
        help="mini: the 7,000 bundled images; full: all 70,000, downloaded if needed; or a folder, "
        "CSV or zip file with Fashion-MNIST (to train on your own pictures, use Python); "
        f"default: {default}",
    )


def _add_memory(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--memory",
        type=_path,
        metavar="DIR",
        help="directory to store progress in; to resume, run the same command again",
    )


def _add_seed(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="random seed; default: 0"
    )


def _number(
    convert: Callable[[str], _Number], is_valid: Callable[[_Number], bool], expected: str
) -> Callable[[str], _Number]:
    """Return an argparse type for valid numbers."""

    def parse(text: str) -> _Number:
        with suppress(ValueError):
            if is_valid(value := convert(text)):
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")

    return parse


def _at_least(minimum: int) -> Callable[[str], int]:
    """Return an argparse type for integers of at least `minimum`."""
    return _number(int, lambda n: n >= minimum, f"an integer of at least {minimum}")


_seed = _number(int, lambda n: 0 <= n < 2**32, f"an integer from 0 to {2**32 - 1:,}")
_positive_seconds = _number(float, lambda n: 0 < n < math.inf, "a positive number of seconds")
_number_of_jobs = _number(int, bool, "an integer other than 0 (-1 uses all cores)")


def _path(text: str) -> Path:
    """Parse the path of a file or a folder; ``~`` is the home folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, but it is empty")
    return expand_user(text)


def _size(text: str) -> float:
    """Parse a size in bytes, with or without a unit."""
    number = r"(\d+(?:\.\d+)?(?:e\d+)?)"
    match = re.fullmatch(rf"{number}\s*(?:([KMGT])(i?))?B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500MB or 10GB")
    power = "KMGT".index(match[2].upper()) + 1 if match[2] else 0
    return float(match[1]) * (1024 if match[3] else 1000) ** power
