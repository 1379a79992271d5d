"""The loader of Fashion-MNIST from CSV files like those of Kaggle, read with pandas."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from os import PathLike
from pathlib import Path, PureWindowsPath
from typing import Any, TypeAlias

import numpy as np
from sklearn.utils._param_validation import StrOptions

from skfashion._utils.files import expand_user
from skfashion._utils.types import StrPath
from skfashion.datasets._base import (
    PARTS,
    Bytes,
    Subset,
    check_parameters,
    feature_names,
    make_bunch,
)
from skfashion.datasets._errors import DatasetError, make_error, open_regular_file

_Files: TypeAlias = Mapping[Path, Callable[[], io.BufferedIOBase]]  # functions that open files

_PIXELS = feature_names()
_GRID = [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)]
_REMEDY = (
    "Take fashion-mnist_train.csv or fashion-mnist_test.csv, or an archive of them, as they are at "
    "https://www.kaggle.com/datasets/zalando-research/fashionmnist"
)
_BLOCK_ROWS = 4096  # rows that are parsed at a time
_MAX_BYTES = 1 << 29  # four times the size of Kaggle's training file
_MIN_LINE = 1569  # bytes of a row of 785 digits and 784 commas
_MAX_LINE = 1 << 14  # bytes; a header in quotes has 7.8 KB, a row 4.7
_WHOLE_NUMBER = re.compile(r"\s*\d+(\.0*)?\s*", re.ASCII)


@check_parameters(path=[str, PathLike], subset=[StrOptions(set(PARTS)), None])
def load_fashion_csv(
    path: StrPath,
    *,
    subset: Subset | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load Fashion-MNIST, or a part of it, from a CSV file in the format of Kaggle's.

    The header is ``label,pixel1,…,pixel784``. Each row is an image: its class, 0 to 9, and its
    pixels, 0 to 255, row by row. There must be at least one image. The order of images in Kaggle's
    files differs from the original files. The label may also be the last column, pixels may be
    named ``1x1`` to ``28x28``, and an index column without a name is ignored, so that files written
    by ``load_fashion_mini(as_frame=True).frame.to_csv(path)`` can be read.

    Parameters
    ----------
    path : str or path-like
        A CSV file, compressed with gzip or not, or a zip archive: with one CSV file, or the archive
        that Kaggle offers for download. Nothing is unpacked to disk. ``~`` is the home folder.

    subset : {"train", "test", "all"} or None, default=None
        Read the CSV file with "train" or "test" in its name. "all" reads both, training images
        first. None reads the only CSV file, or the training images of Kaggle's archive.

    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame and `target` a Series.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of uint8, shape (n_samples, 784)
            One image per row, in the order of the file. If `as_frame` is True, a DataFrame.
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
        If there is no such file, or its content is not as described. The message names file, line
        and column. A CSV file of more than 512 MiB, four times the size of Kaggle's, is an error
        too. The content is not compared with the original data.

    See Also
    --------
    fetch_fashion_mnist : The images in their original files, verified.
    load_fashion_mini : A tenth of the images, bundled with the package.

    References
    ----------
    https://www.kaggle.com/datasets/zalando-research/fashionmnist

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from skfashion.datasets import load_fashion_csv, load_fashion_mini
    >>> path = Path(mkdtemp()) / "fashion-mnist_train.csv.gz"
    >>> load_fashion_mini(as_frame=True).frame.head(3).to_csv(path, index=False)
    >>> X, y = load_fashion_csv(path, return_X_y=True)
    >>> X.shape, y.shape
    ((3, 784), (3,))
    """
    path = expand_user(path)
    with _open(path) as files:
        parts = [_read_table(name, files[name]) for name in _select_files(path, files, subset)]
    data, labels = map(np.concatenate, zip(*parts, strict=True))
    return make_bunch(data, labels, return_X_y=return_X_y, as_frame=as_frame)


def has_test_file(path: StrPath) -> bool:
    """Return whether an archive has a CSV file of test images beside others, as Kaggle's has."""
    with _open(expand_user(path)) as files:
        return len(files) > 1 and any("test" in file.name.lower() for file in files)


@contextmanager
def _open(path: Path) -> Iterator[_Files]:
    """Open a file or archive, and yield a function that opens each CSV file, by path."""
    try:
        with open_regular_file(path, _REMEDY) as file:
            start = file.peek(4)
            if start.startswith(b"PK"):
                with zipfile.ZipFile(file) as archive:
                    yield _list_members(path, archive)
            elif start.startswith(b"\x1f\x8b"):
                yield {path: lambda: gzip.GzipFile(fileobj=file)}
            else:
                yield {path: lambda: file}
    except DatasetError:
        raise
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        # zipfile raises RuntimeError for encrypted files. Some messages quote half the file.
        finding = f"is damaged or cannot be read ({str(error)[:200]})"
        raise make_error(path, finding, _REMEDY) from error


def _list_members(path: Path, archive: zipfile.ZipFile) -> _Files:
    bases = [(name, PureWindowsPath(name).name) for name in archive.namelist()]
    members = [
        (name, path / base[-100:])
        for name, base in bases
        if base.lower().endswith(".csv") and not base.startswith("._")  # which macOS adds
    ]
    files = {file: partial(_open_member, path, archive, name) for name, file in members}
    if len(files) < len(members):
        listed = _abbreviate(name for name, _ in members)
        raise make_error(path, f"holds CSV files of the same name: {listed}", _REMEDY)
    return files


def _open_member(path: Path, archive: zipfile.ZipFile, name: str) -> io.BufferedIOBase:
    if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Other methods allocate as much memory as the file asks for.
        raise make_error(path, "is not compressed by deflate", _REMEDY)
    return io.BufferedReader(archive.open(name), 1 << 18)  # type: ignore[type-var]


def _select_files(path: Path, files: Collection[Path], subset: Subset | None) -> list[Path]:
    """Return the CSV files of a subset."""
    if subset is None and len(files) == 1:
        return list(files)
    selected = []
    for part in PARTS[subset or "train"]:
        found = [file for file in files if part in file.name.lower()]
        if len(found) != 1:
            names = _abbreviate(file.name for file in files)
            listed = f"the CSV files {names}" if files else "no CSV file"
            finding = f"holds {listed}; expected one with '{part}' in its name"
            raise make_error(path, finding, _REMEDY)
        selected += found
    return selected


def _abbreviate(names: Iterable[str]) -> str:
    """Return the first five names for a message."""
    names = [repr(name[:40]) for name in names]
    return ", ".join(names[:5] + ["…"] * (len(names) > 5))


def _read_table(name: Path, open_file: Callable[[], io.BufferedIOBase]) -> tuple[Bytes, Bytes]:
    """Read pixels and labels of one CSV file."""
    with open_file() as stream:
        lines = _read_lines(name, stream)
        columns = _read_header(name, next(lines, (1, b""))[1])
        rows = ((number, line) for number, line in lines if line.strip())
        blocks = []
        while block := dict(itertools.islice(rows, _BLOCK_ROWS)):
            try:
                blocks.append(_parse(block.values(), columns))
            except (ValueError, TypeError, OverflowError) as error:
                # pandas does not say which line is wrong.
                finding = _find_fault(block, columns) or f"is not a table of images ({error})"
                raise make_error(name, finding[:500], _REMEDY) from error
    if not blocks:
        raise make_error(name, "has a header but no rows", _REMEDY)
    pixels, labels = map(np.concatenate, zip(*blocks, strict=True))
    return pixels, labels


def _read_lines(name: Path, stream: io.BufferedIOBase) -> Iterator[tuple[int, bytes]]:
    """Yield line numbers and lines, up to the size limits."""
    n_bytes = 0
    for number, line in enumerate(iter(lambda: stream.readline(_MAX_LINE), b""), 1):
        n_bytes += max(len(line), _MIN_LINE)  # so that a file of blank lines ends soon
        if len(line) == _MAX_LINE:
            raise make_error(name, f"line {number} has {_MAX_LINE:,} bytes or more", _REMEDY)
        if n_bytes > _MAX_BYTES:
            raise make_error(name, f"holds more than {_MAX_BYTES:,} bytes of CSV", _REMEDY)
        yield number, line


def _read_header(name: Path, line: bytes) -> list[str]:
    """Return the column names: "label", "pixel1" to "pixel784", and "" for an index."""
    if not line:
        raise make_error(name, "is empty", _REMEDY)
    try:
        [names] = csv.reader([line.decode("utf-8-sig")], strict=True)
    except (csv.Error, ValueError):
        raise make_error(name, f"is not CSV text: it begins with {line[:20]!r}", _REMEDY) from None
    renamed = dict(zip(_GRID, _PIXELS, strict=True))
    columns = [renamed.get(column.strip(), column.strip()) for column in names]
    data_columns = columns[1:] if columns[:1] == [""] else columns
    expected = ["label", *_PIXELS]
    if data_columns in (expected, [*_PIXELS, "label"]):
        return columns
    missing = [column for column in expected if column not in columns]
    extra = [column for column in data_columns if column not in expected]
    findings = [f"lacks {_abbreviate(missing)}"] if missing else []
    findings += [f"has the extra columns {_abbreviate(extra)}"] if extra else []
    finding = " and ".join(findings) or "has columns in another order, or twice"
    remedy = f"The header must be label,pixel1,…,pixel784, in this order. {_REMEDY}"
    raise make_error(name, f"has a wrong header: it {finding}", remedy)


def _parse(lines: Collection[bytes], columns: list[str]) -> tuple[Bytes, Bytes]:
    """Parse pixels and labels.

    Raises ValueError, TypeError or OverflowError if anything is wrong.
    """
    import pandas as pd

    # pandas would pad short lines, use the first columns of long ones as an index, and join quoted
    # lines.
    if any(line.count(b",") != len(columns) - 1 for line in lines):
        raise ValueError("a line has more or fewer commas than the header")
    with np.errstate(invalid="ignore"):  # infinite numbers
        frame = pd.read_csv(
            io.BytesIO(b"".join(lines)),
            names=columns,
            usecols=[*_PIXELS, "label"],
            dtype="int16",
            na_values=["True", "TRUE", "true", "False", "FALSE", "false"],  # would be 1 and 0
        )
    if len(frame) != len(lines):
        raise ValueError("a row has several lines")
    pixels, labels = frame[_PIXELS].to_numpy(), frame["label"].to_numpy()
    if min(pixels.min(), labels.min()) < 0 or pixels.max() > 255 or labels.max() > 9:
        raise ValueError("a number is out of range")
    return pixels.astype(np.uint8), labels.astype(np.uint8)


def _find_fault(block: Mapping[int, bytes], columns: list[str]) -> str | None:
    """Describe the first bad line; None if all lines are correct."""
    for number, line in block.items():
        try:
            [cells] = csv.reader([line.decode()], strict=True)
        except (csv.Error, ValueError) as error:
            return f"line {number} is not CSV text ({error})"
        if len(cells) != len(columns):
            return f"line {number} has {len(cells)} fields, the header {len(columns)}"
        for column, cell in zip(columns, cells, strict=True):
            largest = 9 if column == "label" else 255
            if column and not (_WHOLE_NUMBER.fullmatch(cell) and float(cell) <= largest):
                found = repr(cell[:40]) if cell.strip() else "empty"
                return (
                    f"line {number}, column {column!r} is {found}, not a whole number from 0 to "
                    f"{largest}"
                )
    return None
