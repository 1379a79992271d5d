"""The error of this package, and the opening of files given by users."""

import io
import os
import stat

from skfashion._utils.types import StrPath


class DatasetError(OSError):
    """Error for data that are missing, damaged, or not the expected ones.

    The message names the file (or place), the finding and the remedy. The class is an
    :class:`OSError`, which scikit-learn's fetchers raise when data are missing.

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
    """Return a `DatasetError` with the file, the finding and the remedy."""
    return DatasetError(f"{path}: {finding}. {remedy}")


def open_regular_file(path: StrPath, remedy: str) -> io.BufferedReader:
    """Open a regular file to read bytes, or raise a `DatasetError`."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (Path.stat would normalize the name)
        if stat.S_ISREG(mode):
            return open(path, "rb")  # noqa: PTH123
        # Opening a pipe would wait for a writer forever.
        finding = "is a directory, not a file" if stat.S_ISDIR(mode) else "is not a regular file"
    except FileNotFoundError:
        finding = "does not exist"
    except PermissionError:
        finding = "may not be read (permission denied)"
        remedy = "Give yourself permission to read it and to enter its folders."
    except (OSError, ValueError) as error:
        finding = f"cannot be opened ({error})"
    raise make_error(path, finding, remedy)
