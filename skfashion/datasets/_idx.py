"""Reading IDX files, the format of MNIST, whose bytes are known beforehand."""

import gzip
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skfashion._utils.types import StrPath

from ._errors import make_error, open_regular_file


@dataclass(frozen=True)
class IdxFile:
    """What one file of a data set must hold.

    Attributes
    ----------
    name : str
        File name when unpacked; compressed it ends in ``.gz``.
    shape : tuple of int
        ``(n, 28, 28)`` for images, ``(n,)`` for labels.
    sha256 : str
        Of the whole unpacked file. Compressed files differ from one packager to the next.
    remedy : str
        What to do about a bad copy: a sentence.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str
    remedy: str

    @property
    def header(self) -> bytes:
        n_dimensions = len(self.shape)
        return struct.pack(f">{1 + n_dimensions}I", 0x0800 | n_dimensions, *self.shape)

    @property
    def size(self) -> int:
        return len(self.header) + prod(self.shape)


def make_part(
    prefix: str, count: int, images: str, labels: str, remedy: str
) -> tuple[IdxFile, IdxFile]:
    """Return the `IdxFile` of the images and that of the labels of one part, from their SHA-256."""
    return (
        IdxFile(f"{prefix}-images-idx3-ubyte", (count, 28, 28), images, remedy),
        IdxFile(f"{prefix}-labels-idx1-ubyte", (count,), labels, remedy),
    )


_REMEDY = (
    "Put the file of https://github.com/zalandoresearch/fashion-mnist in its place, or name "
    "another folder"
)
FASHION_MNIST = {
    "train": make_part(
        "train",
        60_000,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        _REMEDY,
    ),
    "test": make_part(
        "t10k",
        10_000,
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        _REMEDY,
    ),
}
# MNIST's files have the same names, sizes and headers.
MNIST = {
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db": "train-images-idx3-ubyte",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5": "train-labels-idx1-ubyte",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7": "t10k-images-idx3-ubyte",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2": "t10k-labels-idx1-ubyte",
}
KNOWN_FILES = {
    digest: f"{name} of MNIST, handwritten digits in files of the same names"
    for digest, name in MNIST.items()
} | {
    file.sha256: f"{file.name} of Fashion-MNIST: files seem to be swapped"
    for files in FASHION_MNIST.values()
    for file in files
}
# No file is read further: gzip can expand a thousand times.
_LARGEST = max(file.size for files in FASHION_MNIST.values() for file in files)


def read_idx(path: StrPath, expected: IdxFile) -> NDArray[np.uint8]:
    """Read an IDX file, compressed by gzip or not, and verify every byte of it.

    Parameters
    ----------
    path : str or path-like
    expected : IdxFile
        What it must hold.

    Returns
    -------
    values : ndarray of uint8, shape `expected.shape`
        Read-only.

    Raises
    ------
    DatasetError
        If the file cannot be read or is not the expected one.
    """
    path = Path(path)
    with open_regular_file(path, expected.remedy) as file:
        try:
            packed = file.peek(2)[:2] == b"\x1f\x8b"
            stream = gzip.GzipFile(fileobj=file) if packed else file
            content = stream.read(_LARGEST + 1)
        except EOFError:
            finding = "is truncated: the compressed data end too early"
        except (gzip.BadGzipFile, zlib.error) as error:
            finding = f"is damaged: gzip says {str(error)!r}"
        except OSError as error:
            finding = f"cannot be read ({error})"
        else:
            digest = sha256(content).hexdigest()
            if digest == expected.sha256:
                values = np.frombuffer(content, np.uint8, offset=len(expected.header))
                return values.reshape(expected.shape)
            finding = _explain(content, digest, expected)
    raise make_error(path, finding, expected.remedy)


def _explain(content: bytes, digest: str, expected: IdxFile) -> str:
    """Say what a file is that is not the expected one."""
    if not content:
        return "is empty"
    if digest in KNOWN_FILES:
        return f"is {KNOWN_FILES[digest]}"
    if not content.startswith(expected.header[: len(content)]):
        return (
            f"is not an IDX file of unsigned bytes of shape {expected.shape}: it begins with "
            f"{content[: len(expected.header)]!r}"
        )
    if len(content) < expected.size:
        return f"is truncated: it holds {len(content):,} of {expected.size:,} bytes"
    if len(content) > expected.size:
        return f"holds more than the expected {expected.size:,} bytes"
    if len(expected.shape) == 3:
        values = np.frombuffer(content, np.uint8, offset=len(expected.header))
        n_repeated = expected.shape[0] - _count_unique(values.reshape(expected.shape))
        if n_repeated:
            return (
                f"repeats {n_repeated:,} of its images, the current release none: probably the "
                "release of before 2017-08-31"
            )
    return (
        f"is damaged, or not Fashion-MNIST of 2017-08-31 or later: its SHA-256 is {digest}, not "
        f"{expected.sha256} (Kuzushiji-MNIST, too, goes by the same file names)"
    )


def _count_unique(images: Iterable[NDArray[np.uint8]]) -> int:
    # Of each image its hash only: the images themselves would be a second copy.
    return len({hash(image.tobytes()) for image in images})
