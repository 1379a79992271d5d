"""Define the error of this package, and open files that a user names."""

import io
import os
import stat

from skfashion._utils.types import StrPath


class DatasetError(OSError):
    """Data are missing, or are not what they should be.

    The message names the file (or place), what was found there, and what to do about it. The class
    is an :class:`OSError`, as scikit-learn's own fetchers raise one when data are missing.

    Examples
    --------
    >>> from skfashion.datasets import DatasetError, load_fashion_csv
    >>> try:
    ...     load_fashion_csv("nowhere.csv")
    ... except DatasetError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    nowhere.csv: does not exist. Take fashion-mnist_train.csv or ...
    """


def make_error(path: StrPath, finding: str | None, remedy: str) -> DatasetError:
    """Return the `DatasetError` that names the file, what was found, and what to do."""
    return DatasetError(f"{path}: {finding}. {remedy}")


def open_regular_file(path: StrPath, remedy: str) -> io.BufferedReader:
    """Open a regular file for reading bytes, or raise a `DatasetError`."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (Path.stat would normalise the name)
        if stat.S_ISREG(mode):
            return open(path, "rb")  # noqa: PTH123
        # Opening a pipe would wait for a writer for ever.
        finding = "is a directory, not a file" if stat.S_ISDIR(mode) else "is not a regular file"
    except FileNotFoundError:
        finding = "does not exist"
    except PermissionError:
        finding = "may not be read (permission denied)"
        remedy = "Give yourself permission to read it and to enter its folders."
    except (OSError, ValueError) as error:
        finding = f"cannot be opened ({error})"
    raise make_error(path, finding, remedy)
