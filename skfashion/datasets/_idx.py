"""Read files in the IDX format of MNIST, verified by their SHA-256."""

import gzip
import struct
import zlib
from dataclasses import dataclass
from hashlib import sha256
from math import prod

import numpy as np
from numpy.typing import NDArray

from skfashion._utils.types import StrPath
from skfashion.datasets._errors import make_error, open_regular_file


@dataclass(frozen=True)
class IdxFile:
    """The expected content of a file.

    Attributes
    ----------
    name : str
        The name of the unpacked file. Compressed files have the suffix ``.gz``.
    shape : tuple of int
        ``(n, 28, 28)`` for images, ``(n,)`` for labels.
    sha256 : str
        The SHA-256 of the unpacked file. That of compressed files depends on the compressor.
    remedy : str
        What to do about a bad file, without the final period.
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


def make_files(
    n_train: int, n_test: int, remedy: str, *digests: str
) -> dict[str, tuple[IdxFile, IdxFile]]:
    """Return the files of images and labels for each part. The digests are in the same order."""
    remaining = iter(digests)
    return {
        part: (
            IdxFile(f"{prefix}-images-idx3-ubyte", (count, 28, 28), next(remaining), remedy),
            IdxFile(f"{prefix}-labels-idx1-ubyte", (count,), next(remaining), remedy),
        )
        for part, prefix, count in (("train", "train", n_train), ("test", "t10k", n_test))
    }


FASHION_MNIST = make_files(
    60_000,
    10_000,
    "Put the file of https://github.com/zalandoresearch/fashion-mnist in its place, or name "
    "another folder",
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)
# The files of MNIST have the same names, sizes and headers. These are their SHA-256.
MNIST = {
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db": "train-images-idx3-ubyte",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5": "train-labels-idx1-ubyte",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7": "t10k-images-idx3-ubyte",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2": "t10k-labels-idx1-ubyte",
}
# Descriptions of wrong files by their SHA-256.
KNOWN_FILES = {
    digest: f"{name} of MNIST, handwritten digits in files of the same names"
    for digest, name in MNIST.items()
} | {
    file.sha256: f"{file.name} of Fashion-MNIST: files seem to be swapped"
    for files in FASHION_MNIST.values()
    for file in files
}
# The size limit for reading: gzip can expand data a thousand times.
_LARGEST = max(file.size for files in FASHION_MNIST.values() for file in files)


def read_idx(path: StrPath, expected: IdxFile) -> NDArray[np.uint8]:
    """Read an IDX file, compressed with gzip or not, and verify its SHA-256.

    Parameters
    ----------
    path : str or path-like
    expected : IdxFile
        The expected content.

    Returns
    -------
    values : ndarray of uint8, shape `expected.shape`
        Read-only.

    Raises
    ------
    DatasetError
        If the file cannot be read or is not the expected one.
    """
    with open_regular_file(path, expected.remedy) as file:
        packed = file.peek(2).startswith(b"\x1f\x8b")
        try:
            content = (gzip.GzipFile(fileobj=file) if packed else file).read(_LARGEST + 1)
        except (OSError, EOFError, zlib.error) as error:
            finding = f"is damaged or cannot be read ({error})"
            raise make_error(path, finding, expected.remedy) from error
    digest = sha256(content).hexdigest()
    if digest != expected.sha256:
        raise make_error(path, _explain(content, digest, expected), expected.remedy)
    values = np.frombuffer(content, np.uint8, offset=len(expected.header))
    return values.reshape(expected.shape)


def _explain(content: bytes, digest: str, expected: IdxFile) -> str:
    """Describe a file that is not the expected one."""
    if digest in KNOWN_FILES:
        return f"is {KNOWN_FILES[digest]}"
    header = content[: len(expected.header)]
    if header != expected.header:
        return f"is not an IDX file of bytes of shape {expected.shape}: it begins with {header!r}"
    if len(content) < expected.size:
        return f"is truncated: it holds {len(content):,} of {expected.size:,} bytes"
    if len(content) > expected.size:
        return f"holds more than the expected {expected.size:,} bytes"
    return (
        f"is damaged or another data set: its SHA-256 is {digest}, not {expected.sha256} "
        "(Fashion-MNIST of before 2017-08-31 and Kuzushiji-MNIST have the same file names)"
    )
