"""Fashion-MNIST in CSV files, which pandas reads."""

from __future__ import annotations

import csv
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from skfashion._utils.types import StrPath

from ._bunch import PARTS, Arrays, Bytes, Subset, feature_names, make_bunch
from ._errors import DatasetError, make_error, open_regular_file

if TYPE_CHECKING:
    import pandas as pd

_PIXELS = feature_names()
_GRID = [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)]
_VALUES = {str(value) for value in range(256)}
_REMEDY = (
    "Take fashion-mnist_train.csv or fashion-mnist_test.csv, or an archive of them, as they are at "
    "https://www.kaggle.com/datasets/zalando-research/fashionmnist"
)
_CHUNK_ROWS = 4096
_MAX_BYTES = 1 << 29  # four times Kaggle's training file
_MAX_LINE = 1 << 16  # bytes; a header has 6.2 KB, a row in quotes 4.7


@overload
def load_fashion_csv(
    path: StrPath,
    *,
    subset: Subset | None = ...,
    return_X_y: Literal[False] = ...,
    as_frame: bool = ...,
) -> Bunch: ...
@overload
def load_fashion_csv(
    path: StrPath,
    *,
    subset: Subset | None = ...,
    return_X_y: Literal[True],
    as_frame: Literal[False] = ...,
) -> Arrays: ...
@overload
def load_fashion_csv(
    path: StrPath, *, subset: Subset | None = ..., return_X_y: bool, as_frame: bool = ...
) -> Any: ...
@validate_params(
    {
        "path": [str, PathLike],
        "subset": [StrOptions(set(PARTS)), None],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_fashion_csv(
    path: StrPath,
    *,
    subset: Subset | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Load Fashion-MNIST, or any part of it, from a CSV file in the form of Kaggle's.

    The header is ``label,pixel1,…,pixel784``; every further row is an image: its class, 0 to 9, and
    its pixels, 0 to 255, row by row. There may be any number of images from one. Kaggle's stand in
    another order than those of the original files. The label may also be the last column, pixels
    may be named ``1x1`` to ``28x28``, and an index column without a name is skipped, so that
    ``load_fashion_mini(as_frame=True).frame.to_csv(path)`` can be read.

    Parameters
    ----------
    path : str or path-like
        The CSV file, compressed (``.csv.gz``) or not, or a zip archive: of one CSV file, or the one
        that Kaggle offers for download, which is not unpacked to disk. ``~`` is the home folder.

    subset : {"train", "test", "all"} or None, default=None
        The CSV file to read, by the "train" or "test" in its name; "all" reads both, training
        images first. None reads the only CSV file, of Kaggle's archive the training images.

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
        line and column. The content is not compared with the original data. A CSV file of more than
        512 MiB, four times the size of Kaggle's, is refused.

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
    >>> path = Path(mkdtemp()) / "fashion-mnist_train.csv.gz"
    >>> load_fashion_mini(as_frame=True).frame.head(3).to_csv(path, index=False)
    >>> X, y = load_fashion_csv(path, return_X_y=True)
    >>> X.shape, y.shape
    ((3, 784), (3,))
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111 (does not fail where there is no home)
    parts = [_read_table(path, name) for name in _choose_members(path, subset)]
    data = np.concatenate([data for data, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    return make_bunch(data, labels, return_X_y=return_X_y, as_frame=as_frame)


def _choose_members(path: Path, subset: Subset | None) -> list[str | None]:
    """Return the names of the archive's members to read; None is the file itself."""
    names: dict[str, str | None] = {}
    with _open(path, None) as file:
        if not isinstance(file, zipfile.ZipFile):
            names[path.name] = None
        else:
            for name in file.namelist():
                base = name.replace("\\", "/").split("/")[-1]
                if base.lower().endswith(".csv") and not base.startswith("._"):  # macOS adds those
                    names[base] = name
    if subset is None and len(names) == 1:
        return list(names.values())
    chosen: list[str | None] = []
    for part in PARTS[subset or "train"]:
        found = [name for base, name in names.items() if part in base.lower()]
        if len(found) != 1:
            listed = f"the CSV files {_abbreviate(names)}" if names else "no CSV file"
            expected = f"expected one with '{part}' in its name"
            raise make_error(path, f"holds {listed}; {expected}", _REMEDY)
        chosen += found
    return chosen


def _abbreviate(names: Iterable[str]) -> str:
    return ", ".join([repr(name[:40]) for name in [*names][:5]] + ["…"] * (len([*names]) > 5))


@contextmanager
def _open(path: Path, member: str | None) -> Iterator[Any]:
    """Open the CSV file, unpacked, or the `ZipFile` if no member is named."""
    try:
        with open_regular_file(path, _REMEDY) as file:
            start = file.peek(4)[:4]
            if start.startswith(b"PK"):
                with zipfile.ZipFile(file) as archive:
                    if member is None:
                        yield archive
                        return
                    if archive.getinfo(member).compress_type not in (
                        zipfile.ZIP_STORED,
                        zipfile.ZIP_DEFLATED,
                    ):  # the others take memory as the file says
                        raise make_error(path, "is not compressed by deflate", _REMEDY)
                    with archive.open(member) as stream:
                        yield io.BufferedReader(_BoundedReader(path, stream), 1 << 18)
            elif start.startswith(b"\x1f\x8b"):
                with gzip.GzipFile(fileobj=file) as stream:
                    yield io.BufferedReader(_BoundedReader(path, stream), 1 << 18)
            else:
                yield io.BufferedReader(_BoundedReader(path, file), 1 << 18)
    except DatasetError:
        raise
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
        # The error may quote half the file.
        raise make_error(path, f"is a damaged archive ({str(error)[:200]})", _REMEDY) from error
    except (OSError, RuntimeError) as error:  # zipfile raises the latter for encryption
        raise make_error(path, f"cannot be read ({str(error)[:200]})", _REMEDY) from error


class _BoundedReader(io.RawIOBase):
    """A stream of lines that refuses to give more than a CSV file of images can hold."""

    def __init__(self, path: Path, stream: Any) -> None:
        self._path, self._stream = path, stream
        self._n_bytes = self._line_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._stream.read(len(buffer))
        self._n_bytes += len(chunk)
        newline = chunk.rstrip().rfind(b"\n")  # blank lines count as one
        self._line_bytes = len(chunk) - newline - 1 + (self._line_bytes if newline < 0 else 0)
        if self._line_bytes > _MAX_LINE:
            raise make_error(
                self._path, f"has a line, or blanks, of more than {_MAX_LINE:,} bytes", _REMEDY
            )
        if self._n_bytes > _MAX_BYTES:
            raise make_error(self._path, f"holds more than {_MAX_BYTES:,} bytes of CSV", _REMEDY)
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _read_table(path: Path, member: str | None) -> tuple[Bytes, Bytes]:
    """Return pixels and labels."""
    import pandas as pd

    where = path if member is None else path / member[:100]
    try:
        with _open(path, member) as stream:
            columns = _read_header(where, stream)
            types = {i: "int16" for i, name in enumerate(columns) if name}  # not for an index
            # Without names pandas takes the columns from the first row, and a longer row is an
            # error; with them, it would take a column too many for an index or drop it.
            chunks = pd.read_csv(
                stream,
                header=None,
                index_col=False,
                dtype=types,
                na_values=["True", "TRUE", "true", "False", "FALSE", "false"],  # else 1 and 0
                chunksize=_CHUNK_ROWS,
            )
            with chunks, np.errstate(invalid="ignore"):  # of infinite numbers
                blocks = [_split(chunk, columns) for chunk in chunks]
    except pd.errors.EmptyDataError:
        raise make_error(where, "has a header but not one row", _REMEDY) from None
    except (ValueError, TypeError, OverflowError) as error:
        # pandas does not say in which row, or counts columns from 0.
        with _open(path, member) as stream:
            finding = _find_fault(stream, columns) or f"is not a table of images ({error})"
        raise make_error(where, finding[:500], _REMEDY) from error
    return tuple(map(np.concatenate, zip(*blocks, strict=True)))  # type: ignore[return-value]


def _split(chunk: pd.DataFrame, columns: list[str]) -> tuple[Bytes, Bytes]:
    if chunk.shape[1] != len(columns):
        raise ValueError(f"{chunk.shape[1]} columns, not {len(columns)}")
    first = columns.index("pixel1")
    pixels = chunk.iloc[:, first : first + 784].to_numpy()
    labels = chunk.iloc[:, columns.index("label")].to_numpy()
    if min(pixels.min(), labels.min()) < 0 or pixels.max() > 255 or labels.max() > 9:
        raise ValueError("a number is out of range")
    return pixels.astype(np.uint8), labels.astype(np.uint8)


def _read_header(where: Path, stream: io.BufferedReader) -> list[str]:
    """Return the names of the columns: "label", "pixel1" to "pixel784", "" for an index."""
    line = stream.readline(_MAX_LINE)
    if not line:
        raise make_error(where, "is empty", _REMEDY)
    try:
        [names] = csv.reader([line.decode("utf-8-sig").strip("\r\n")], strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError):
        raise make_error(where, f"is not CSV text: it begins with {line[:20]!r}", _REMEDY) from None
    renamed = dict(zip(_GRID, _PIXELS, strict=True))
    columns = [renamed.get(name.strip(), name.strip()) for name in names]
    data_columns = columns[1:] if columns[0] == "" else columns
    if data_columns in (["label", *_PIXELS], [*_PIXELS, "label"]):
        return columns
    missing = [name for name in ("label", *_PIXELS) if name not in columns]
    extra = [name for name in data_columns if name not in ("label", *_PIXELS)]
    if len(missing) == 785:
        finding = f"lacks the header label,pixel1,…,pixel784: it begins with {line[:40]!r}"
    elif missing or extra:
        finding = f"has a wrong header: it lacks {_abbreviate(missing) or 'nothing'}"
        finding += f" and has besides {_abbreviate(extra)}" if extra else ""
    else:
        finding = "has columns in the wrong order, or some twice"
    raise make_error(
        where, finding, f"The header must be label,pixel1,…,pixel784, in this order. {_REMEDY}"
    )


def _find_fault(stream: io.BufferedReader, columns: list[str]) -> str | None:
    """Say what is wrong with the first bad row, by line and column."""
    rows = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", newline=""), strict=True)
    try:
        next(rows)
        for row in rows:
            if len(row) <= 1 and not "".join(row).strip():
                continue  # pandas skips blank lines, too
            if len(row) != len(columns):
                return f"line {rows.line_num} has {len(row)} fields, the header {len(columns)}"
            if _VALUES.issuperset(row) and len(row[columns.index("label")]) == 1:
                continue  # in a hundredth of the time
            for name, cell in zip(columns, row, strict=True):
                largest = 9 if name == "label" else 255
                if name and not _is_whole_number(cell, largest):
                    found = repr(cell[:40]) if cell.strip() else "empty"
                    return (
                        f"line {rows.line_num}, column {name!r} is {found}, not a whole number "
                        f"from 0 to {largest}"
                    )
    except (UnicodeDecodeError, csv.Error) as error:
        return f"line {rows.line_num + 1} is not CSV text ({error})"
    return None


def _is_whole_number(cell: str, largest: int) -> bool:
    try:
        value = float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell and value.is_integer() and 0 <= value <= largest
