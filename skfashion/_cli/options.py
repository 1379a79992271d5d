"""Options shared by several commands, and data loading for ``--data``."""

import argparse
import math
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from skfashion._utils.files import expand_user, make_folder
from skfashion.datasets import fetch_fashion_mnist, load_fashion_csv, load_fashion_mini
from skfashion.datasets._fetch import read_folder

# The original shows no noticeable improvement of version 1 after the fifth epoch.
EPOCHS = {"v1": 5, "v2": 20}

_Number = TypeVar("_Number", int, float)


def add_data(command: argparse.ArgumentParser, *, default: str) -> None:
    """Add ``--data``, whose value `load_data` reads."""
    command.add_argument(
        "--data",
        default=default,
        metavar="{mini,full,PATH}",
        help=f"7,000 images, all 70,000, or a folder, CSV or zip file; default: {default}",
    )


def add_memory(command: argparse.ArgumentParser) -> None:
    """Add ``--memory``, a directory for `prepare_folder`."""
    command.add_argument(
        "--memory",
        type=parse_path,
        metavar="DIR",
        help="store progress here; repeat a stopped command to continue",
    )


def add_seed(command: argparse.ArgumentParser) -> None:
    """Add ``--seed``."""
    command.add_argument("--seed", type=_seed, default=0, help="random seed; default: 0")


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


def at_least(minimum: int) -> Callable[[str], int]:
    """Return an argparse type for integers of at least `minimum`."""
    return _number(int, lambda n: n >= minimum, f"an integer of at least {minimum}")


_seed = _number(int, lambda n: 0 <= n < 2**32, f"an integer from 0 to {2**32 - 1:,}")
positive_seconds = _number(float, lambda n: 0 < n < math.inf, "a positive number of seconds")
number_of_jobs = _number(int, bool, "an integer other than 0 (-1 uses all cores)")


def parse_path(text: str) -> Path:
    """Parse the path of a file or a folder, for argparse; ``~`` is the home folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, but it is empty")
    return expand_user(text)


def escape(text: object) -> str:
    """Escape line breaks, control characters, and characters not in the output encoding."""
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii")
        for c in name_in_unicode(str(text))
    )
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def name_in_unicode(name: str) -> str:
    r"""Replace bytes of a file's name that are not UTF-8 by escapes such as ``\xff``."""
    # Python represents these bytes by lone surrogates, which cannot be encoded.
    return re.sub("[\udc80-\udcff]", lambda match: f"\\x{ord(match[0]) - 0xDC00:x}", name)


def message_in_unicode(message: object) -> str:
    """Do as `name_in_unicode` in a message, where names may be quoted, as in an OSError."""
    return re.sub(r"\\udc([89a-f][0-9a-f])", r"\\x\1", name_in_unicode(str(message)))


def prepare_folder(option: str, folder: Path) -> None:
    """Create the folder given by an option, before any long work.

    Raises
    ------
    ValueError
        If the folder cannot be created or written to. The error names the option.
    """
    try:
        make_folder(folder)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"{option} {folder}: this is a file. Give the path of a folder.") from None
    except OSError as error:
        raise ValueError(
            f"{option} {folder}: cannot write to the folder ({error.strerror}). Give another one."
        ) from error


def load_data(data: str, subset: Literal["train", "test"]) -> Any:
    """Return X and y of a subset. A CSV file has no test images: then return None."""
    if data == "mini":
        return load_fashion_mini(subset=subset, return_X_y=True)
    if data == "full":
        return fetch_fashion_mnist(subset=subset, return_X_y=True, progress=True)
    if expand_user(data).is_dir():
        return read_folder(data, subset=subset)
    return load_fashion_csv(data, return_X_y=True) if subset == "train" else None
