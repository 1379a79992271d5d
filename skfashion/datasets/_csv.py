"""Fashion-MNIST in the CSV file of Kaggle, or the zip of it, which is never unpacked to disk.

pandas reads a column too many as an index and a row too short as missing values, without a word. So
the fields of every line are counted before pandas sees it, and every cell must be a whole number.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from skfashion._utils.types import AnyArray, StrPath

from ._bunch import Arrays, Bytes, feature_names, make_result
from ._errors import DatasetError, open_file, problem

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["label", *feature_names()]
_REMEDY = (
    "Take fashion-mnist_train.csv or fashion-mnist_test.csv, or the zip of one, as they are at "
    "https://www.kaggle.com/datasets/zalando-research/fashionmnist"
)
_BLOCK = 2048  # rows
_PLAIN = b"0123456789,- \r\n"
_LONGEST_LINE = 1 << 16  # bytes; a header has 6.2 KB, a row in quotes 4.7
_MOST_BLANK_LINES = 10_000  # a zip of 1 MB can hold a thousand million, and take half an hour
_LARGEST_MEMBER = 1 << 30  # bytes, eight times Kaggle's training file


@overload
def load_fashion_csv(
    path: StrPath, *, return_X_y: Literal[False] = ..., as_frame: bool = ...
) -> Bunch: ...
@overload
def load_fashion_csv(
    path: StrPath, *, return_X_y: Literal[True], as_frame: Literal[False] = ...
) -> Arrays: ...
@overload
def load_fashion_csv(
    path: StrPath, *, return_X_y: Literal[True], as_frame: Literal[True]
) -> tuple[pd.DataFrame, pd.Series[int]]: ...
@overload
def load_fashion_csv(path: StrPath, *, return_X_y: bool, as_frame: bool = ...) -> Any: ...
@validate_params(
    {"path": [str, PathLike], "return_X_y": ["boolean"], "as_frame": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def load_fashion_csv(path: StrPath, *, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load Fashion-MNIST, or any part of it, from the CSV file of Kaggle or a zip of it.

    The first line is the header ``label,pixel1,…,pixel784``, every other line an image: its class,
    0 to 9, and its pixels, 0 to 255, row by row. There may be any number of them from one. Kaggle's
    rows stand in another order than those of the original files.

    Parameters
    ----------
    path : str or path-like
        The CSV file, or a zip with nothing else in it than that file, of at most 1 GiB when
        unpacked. ``~`` is the home folder.

    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame and `target` a Series.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of uint8, shape (n_samples, 784)
            One image a row, in the order of the file. If `as_frame` is True, a DataFrame.
        images : ndarray of uint8, shape (n_samples, 28, 28)
            The same images; a view of `data`, unless that is a DataFrame.
        target : ndarray of int64, shape (n_samples,)
            The classes, 0 to 9. If `as_frame` is True, a Series named ``label``.
        target_names : ndarray of str, shape (10,)
            The names of the classes: `CLASS_NAMES`.
        feature_names : list of str
            ``pixel1`` to ``pixel784``, row by row from the upper left corner.
        frame : DataFrame of shape (n_samples, 785)
            `data` and `target` side by side. None unless `as_frame` is True.
        DESCR : str
            The description of the data set, with source and licence.

    (data, target) : tuple if `return_X_y` is True
        The two described above.

    Raises
    ------
    DatasetError
        If there is no such file, or anything in it is not as described: the message names file,
        row and column. The content is not compared with the original data.

    See Also
    --------
    fetch_fashion_mnist : The images in their original files, verified.
    load_fashion_mini : A tenth of the images, which come with the package.

    References
    ----------
    https://www.kaggle.com/datasets/zalando-research/fashionmnist

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from skfashion.datasets import load_fashion_csv, load_fashion_mini
    >>> frame = load_fashion_mini(as_frame=True).frame.head(3)
    >>> path = Path(mkdtemp()) / "fashion-mnist_train.csv"
    >>> frame[["label", *frame.columns.drop("label")]].to_csv(path, index=False)  # as Kaggle's is
    >>> X, y = load_fashion_csv(path, return_X_y=True)
    >>> X.shape, y.shape
    ((3, 784), (3,))
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111 (does not fail where there is no home)
    with _opened(path) as stream:
        _check_header(path, stream)
        blocks = [_parsed(path, *block) for block in _blocks(path, stream)]
    if not blocks:
        raise problem(path, "has a header but not one row", _REMEDY)
    data = np.concatenate([pixels for pixels, _ in blocks])
    labels = np.concatenate([labels for _, labels in blocks])
    return make_result(data, labels, return_X_y=return_X_y, as_frame=as_frame)


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    """Open the CSV file, in its zip or not, for reading lines of bytes."""
    with open_file(path, _REMEDY) as file:
        try:
            start = file.peek(4)[:4]
            if start.startswith(b"PK"):
                with zipfile.ZipFile(file) as archive:
                    member = _only_member(path, archive)
                    unpacked: Any = archive.open(member)  # more than the IO that its type says
                    with io.BufferedReader(unpacked, 1 << 20) as stream:
                        yield stream
                return
            if path.suffix.lower() == ".zip" and start:
                raise problem(path, f"is not a zip: it begins with {start!r}", _REMEDY)
            yield file
            return
        except DatasetError:
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            finding = f"is a damaged zip ({str(error)[:200]})"  # it may quote half the file
        except (OSError, NotImplementedError) as error:
            finding = f"cannot be read ({error})"
        raise problem(path, finding, _REMEDY)


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = archive.infolist()
    names = [member.filename for member in members]
    remedy = "Make a zip of the one CSV file and nothing else, or name the CSV file itself."
    if len(members) != 1:
        finding = f"has {len(members)} members, not one: {_shown(names) or 'none'}"
        raise problem(path, finding, remedy)
    [member], [name] = members, names
    shown = _shown(names)
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or parts[0].endswith(":"):
        raise problem(path, f"has a member that points out of the zip, {shown}", remedy)
    if not name.lower().endswith(".csv"):
        raise problem(path, f"holds {shown}, which is no CSV file", remedy)
    if member.flag_bits & 1:
        raise problem(path, f"is encrypted ({shown})", remedy)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise problem(path, f"is compressed by method {member.compress_type}, not deflate", remedy)
    # zipfile reads no more than the declared size.
    if member.file_size > _LARGEST_MEMBER:
        finding = (
            f"expands to {member.file_size:,} bytes, more than the {_LARGEST_MEMBER:,} allowed "
            f"({shown})"
        )
        raise problem(path, finding, "If it is what it should be, unpack it first.")
    return member


def _check_header(path: Path, stream: io.BufferedReader) -> None:
    line = stream.readline(_LONGEST_LINE)
    if not line:
        raise problem(path, "is empty", _REMEDY)
    try:
        text = line.decode("utf-8-sig")
        [names] = csv.reader([text.strip("\r\n")], strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError):
        raise problem(path, f"is not CSV text: it begins with {line[:20]!r}", _REMEDY) from None
    names = [name.strip() for name in names]
    if names == COLUMNS:
        return
    missing = [name for name in COLUMNS if name not in names]
    extra = [name for name in names if name not in COLUMNS]
    if len(missing) == len(COLUMNS):
        finding = f"lacks the header label,pixel1,…,pixel784: it begins with {text[:40]!r}"
    elif missing or extra:
        finding = "has a wrong header:" + _some(" lacks", missing) + _some(" has besides", extra)
    else:
        column = next(i for i, name in enumerate(names) if i == len(COLUMNS) or name != COLUMNS[i])
        finding = f"has columns in the wrong place: column {column + 1} is {names[column]!r}"
    raise problem(path, finding, f"The header must be label,pixel1,…,pixel784. {_REMEDY}")


def _some(what: str, names: Sequence[str]) -> str:
    return f"{what} {_shown(names)};" if names else ""


def _shown(names: Sequence[str]) -> str:
    return ", ".join([repr(name[:40]) for name in names[:5]] + ["…"] * (len(names) > 5))


def _blocks(path: Path, stream: io.BufferedReader) -> Iterator[tuple[list[bytes], list[int]]]:
    """Yield lists of lines, each of the right number of fields, with their line numbers."""
    lines: list[bytes] = []
    numbers: list[int] = []
    number = 1
    blank = 0
    while line := stream.readline(_LONGEST_LINE):
        number += 1
        fields = line.count(b",") + 1
        if fields != len(COLUMNS):
            blank += not line.strip()
            if not line.strip() and blank <= _MOST_BLANK_LINES:
                continue  # blank lines, at the end above all, do no harm
            finding = f"line {number} has {fields} fields, the header {len(COLUMNS)}"
            if blank > _MOST_BLANK_LINES:
                finding = f"has more than {_MOST_BLANK_LINES:,} blank lines"
            if len(line) == _LONGEST_LINE:
                finding = f"line {number} is longer than {_LONGEST_LINE:,} bytes"
            raise problem(path, finding, _REMEDY)
        lines.append(line)
        numbers.append(number)
        if len(lines) == _BLOCK:
            yield lines, numbers
            lines, numbers = [], []
    if lines:
        yield lines, numbers


def _parsed(path: Path, lines: list[bytes], numbers: list[int]) -> tuple[Bytes, Bytes]:
    """Return the pixels and labels of a block as bytes."""
    values = _plain_numbers(lines)
    if values is None:
        values = _whole_numbers(path, lines, numbers)
    upper = np.full(len(COLUMNS), 255)
    upper[0] = 9
    outside = (values < 0) | (values > upper)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise _bad_cell(path, numbers[row], column, f"is {values[row, column]:.15g}")
    return values[:, 1:].astype(np.uint8), values[:, 0].astype(np.uint8)


def _plain_numbers(lines: list[bytes]) -> AnyArray | None:
    """Parse a block in which every cell is a plain integer, or return None."""
    import pandas as pd

    text = b"".join(lines)
    # To pandas True is a number, and two lines are one where a quote opens and closes between.
    if text.translate(None, _PLAIN):
        return None
    try:
        with np.errstate(invalid="raise"):  # for numbers without end pandas might but warn
            return pd.read_csv(
                io.BytesIO(text),
                header=None,
                names=COLUMNS,
                index_col=False,
                low_memory=False,
                dtype="int64",
            ).to_numpy()
    except (ValueError, ArithmeticError):  # ParserError is a ValueError
        return None


def _whole_numbers(path: Path, lines: list[bytes], numbers: list[int]) -> AnyArray:
    """Parse a block in which not every cell is a plain integer, such as 3.0, or say which is none.

    Ten times slower than pandas, but it knows line, column and text of the cell.
    """
    values = np.empty((len(lines), len(COLUMNS)))
    for row, (line, number) in enumerate(zip(lines, numbers, strict=True)):
        try:
            [cells] = csv.reader([line.decode("utf-8")], strict=True)
        except (UnicodeDecodeError, csv.Error, ValueError) as error:
            raise problem(path, f"line {number} is not CSV text ({error})", _REMEDY) from None
        if len(cells) != len(COLUMNS):
            finding = f"line {number} has {len(cells)} fields, the header {len(COLUMNS)}"
            raise problem(path, finding, _REMEDY)
        for column, cell in enumerate(cells):
            values[row, column] = _number(cell)
            if not values[row, column].is_integer():
                finding = f"is {cell[:40]!r}" if cell.strip() else "is empty"
                raise _bad_cell(path, number, column, finding)
    return values


def _number(cell: str) -> float:
    if not cell.isascii() or "_" in cell:  # which are digits to Python, and to nobody else
        return np.nan
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _bad_cell(path: Path, number: int, column: int, finding: str) -> DatasetError:
    return problem(
        path,
        f"line {number}, column {COLUMNS[column]!r} {finding}, "
        f"not a whole number from 0 to {255 if column else 9}",
        _REMEDY,
    )
