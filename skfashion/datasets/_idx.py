"""Reading an IDX file, the format of MNIST, when one knows exactly which bytes it must hold."""

import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skfashion._utils.types import StrPath

from ._errors import DatasetError, open_file, problem

_GZIP_MAGIC = b"\x1f\x8b"
_IMAGES, _LABELS = 0x0803, 0x0801  # unsigned bytes in three dimensions and in one
_CHUNK = 1 << 20


@dataclass(frozen=True)
class IdxFile:
    """What one file of a data set must hold.

    Attributes
    ----------
    name : str
        File name when unpacked; compressed it ends in ``.gz``.
    shape : tuple of int
        ``(n, 28, 28)`` for images, ``(n,)`` for labels.
    other_count : int
        The `n` of the other part, to recognise training and test files that were exchanged.
    sha256 : str
        Of the whole unpacked file. Compressed files differ from one packager to the next.
    remedy : str
        What to do about a bad copy: a sentence.
    """

    name: str
    shape: tuple[int, ...]
    other_count: int
    sha256: str
    remedy: str

    @property
    def magic(self) -> int:
        return _IMAGES if len(self.shape) == 3 else _LABELS

    @property
    def header(self) -> bytes:
        return struct.pack(f">{1 + len(self.shape)}I", self.magic, *self.shape)

    @property
    def size(self) -> int:
        return len(self.header) + prod(self.shape)


def pair_of_files(
    prefix: str, count: int, other_count: int, images: str, labels: str, remedy: str
) -> tuple[IdxFile, IdxFile]:
    """Return the `IdxFile` of the images and that of the labels of one part, from their SHA-256."""
    return (
        IdxFile(f"{prefix}-images-idx3-ubyte", (count, 28, 28), other_count, images, remedy),
        IdxFile(f"{prefix}-labels-idx1-ubyte", (count,), other_count, labels, remedy),
    )


def say_damaged(expected: IdxFile, digest: str, values: NDArray[np.uint8]) -> str:
    """Say of a well-formed file of the wrong content that it is damaged."""
    return f"is damaged: its SHA-256 is {digest}, not {expected.sha256}"


def read_idx(
    path: StrPath,
    expected: IdxFile,
    out: NDArray[np.uint8],
    explain: Callable[[IdxFile, str, NDArray[np.uint8]], str] = say_damaged,
) -> None:
    """Read an IDX file, compressed or not, into an array and verify every byte of it.

    The array is filled in place, never more than one byte beyond it is unpacked, so a file that
    expands without end costs no memory.

    Parameters
    ----------
    path : str or path-like
        The file. If the name ends in ``.gz`` it must be gzip, otherwise it must not.
    expected : IdxFile
        What it must hold.
    out : ndarray of uint8
        C-contiguous, of as many elements as the file has values.
    explain : callable, default=say_damaged
        Called as ``explain(expected, digest, out)`` for a well-formed file with the wrong
        SHA-256; returns what to say about it.

    Raises
    ------
    DatasetError
        If the file cannot be read or is not the expected one.
    """
    path = Path(path)
    view = out.data.cast("B")
    with open_file(path, expected.remedy) as file, _gzip_errors(path, expected):
        stream = _unpacked(path, file, expected)
        header = stream.read(len(expected.header))
        _check_header(path, header, expected)
        digest = sha256(header)
        done = 0
        while done < len(view):
            count = stream.readinto(view[done : done + _CHUNK])
            if not count:
                raise problem(
                    path,
                    f"is truncated: it holds {len(header) + done:,} of {expected.size:,} bytes",
                    expected.remedy,
                )
            digest.update(view[done : done + count])
            done += count
        if stream.read(1):
            raise problem(
                path,
                f"holds more than the expected {expected.size:,} bytes; the rest was not read",
                expected.remedy,
            )
    if digest.hexdigest() != expected.sha256:
        raise problem(path, explain(expected, digest.hexdigest(), out), expected.remedy)


def _unpacked(
    path: Path, file: io.BufferedReader, expected: IdxFile
) -> io.BufferedReader | gzip.GzipFile:
    """Return a stream of the unpacked bytes, having checked that name and content agree."""
    start = file.peek(4)[:4]
    packed = start.startswith(_GZIP_MAGIC)
    if not start:
        raise problem(path, "is empty", expected.remedy)
    if path.suffix != ".gz":
        if packed:
            raise problem(path, "is still compressed by gzip", "Add .gz to its name, or unpack it.")
        return file
    if packed:
        return gzip.GzipFile(fileobj=file)
    if start == struct.pack(">I", expected.magic):
        raise problem(path, "is not gzip: it is unpacked already", "Take .gz off its name.")
    raise problem(path, f"is not gzip: it begins with {start!r}", expected.remedy)


@contextmanager
def _gzip_errors(path: Path, expected: IdxFile) -> Iterator[None]:
    """Turn what `gzip` and the disk raise into `DatasetError`."""
    try:
        yield
    except DatasetError:
        raise
    except EOFError:
        finding = "is truncated: the compressed data end too early"
    except (gzip.BadGzipFile, zlib.error) as error:
        finding = f"is damaged: gzip says {str(error)!r}"
    except OSError as error:
        finding = f"cannot be read ({error})"
    else:
        return
    raise problem(path, finding, expected.remedy)


def _check_header(path: Path, header: bytes, expected: IdxFile) -> None:
    wanted = expected.header
    if header == wanted:
        return
    kinds = {_IMAGES: "images", _LABELS: "labels"}
    kind = kinds[expected.magic]
    remedy = expected.remedy
    if len(header) < len(wanted):
        finding = f"is truncated: it holds {len(header)} of {expected.size:,} bytes"
        raise problem(path, finding, remedy)
    magic, *shape = struct.unpack(f">{len(wanted) // 4}I", header)
    if magic != expected.magic and magic in kinds:
        finding = f"holds {kinds[magic]} where {kind} are expected"
        remedy = f"Images and labels seem to be swapped: exchange the file names. {remedy}"
    elif magic != expected.magic:
        finding = (
            f"is not an IDX file of {kind}: its magic number is 0x{magic:08x}, "
            f"not 0x{expected.magic:08x}"
        )
    elif shape == [expected.other_count, *expected.shape[1:]]:
        right, wrong = (
            ("training", "test") if shape[0] < expected.shape[0] else ("test", "training")
        )
        finding = (
            f"holds {shape[0]:,} {kind}, not {expected.shape[0]:,}: it is the {wrong} file under "
            f"the name of the {right} file"
        )
    else:
        finding = f"is of the wrong size: its header says {tuple(shape)}, not {expected.shape}"
    raise problem(path, finding, remedy)
