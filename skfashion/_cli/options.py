"""What several commands do with their options: data, folders, and how to resume."""

import sys
from pathlib import Path
from typing import Any, Literal

from skfashion._cli.text import suggest
from skfashion._utils.files import expand_user, make_folder
from skfashion.datasets import (
    DatasetError,
    fetch_fashion_mnist,
    load_fashion_csv,
    load_fashion_mini,
)
from skfashion.datasets._csv import has_test_file
from skfashion.datasets._fetch import read_folder


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


def report_interruption(memory: Path | None) -> None:
    """Print how to go on after Ctrl-C."""
    hint = "Use --memory DIR if you want to resume next time."
    if memory:
        hint = "To resume, run the same command again."
    print(f"skfashion: interrupted. {hint}", file=sys.stderr)


def load_data(data: str, subset: Literal["train", "test"]) -> Any:
    """Return X and y of a subset. A single CSV file has no test images: then return None."""
    names = ("mini", "full")
    hint = suggest(data, names)
    if hint and data not in names and not expand_user(data).exists():
        raise FileNotFoundError(f"--data {data}: does not exist{hint}")
    if data == "mini":
        return load_fashion_mini(subset=subset, return_X_y=True)
    if data == "full":
        try:
            return fetch_fashion_mnist(subset=subset, return_X_y=True, progress=True)
        except DatasetError as error:
            raise DatasetError(
                f"{error}\n"
                "In the shell, give the folder to --data, or take the bundled images: --data mini."
            ) from error
    if expand_user(data).is_dir():
        return read_folder(data, subset=subset)
    if subset == "train":
        return load_fashion_csv(data, return_X_y=True)
    return load_fashion_csv(data, subset="test", return_X_y=True) if has_test_file(data) else None
