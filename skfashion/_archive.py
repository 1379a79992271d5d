"""Model files: a zip of arrays and a manifest, read without running anything that is in it.

Members are stored, not compressed, each a ``.npy`` that `numpy.load` reads as well. The manifest
names them with shape, dtype and SHA-256. A reader says what it expects; whatever else is there, or
is there otherwise, is refused before memory is taken for it.
"""

import contextlib
import hashlib
import io
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

import numpy as np

from skfashion._files import write_atomically
from skfashion._typing import AnyArray, StrPath

_MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 2**16  # parsed, it takes up to twenty times as much
_MAX_NPY_HEADER = 1000
_CHUNK = 2**20
_PLAIN_DTYPE = re.compile(r"[<>|][biufUSMm]\d{1,6}(\[\w{1,9}\])?")  # no objects, no structures


class ModelFileError(ValueError):
    """A model file that cannot be trusted or understood."""


class Expected(NamedTuple):
    """What an array must be."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def write(path: StrPath, manifest: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> None:
    """Write a model file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
    manifest : dict
        JSON-able. `members` is added.
    arrays : dict of str to ndarray
        Without objects.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    members, content = {}, {}
    for name, array in arrays.items():
        array = np.asarray(array, order="C")
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
        content[f"{name}.npy"] = buffer.getvalue()
        members[name] = {
            "shape": array.shape,
            "dtype": array.dtype.str,
            "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        }
    text = json.dumps({**manifest, "members": members}, indent=1, allow_nan=False)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        # The date is that of no day: equal models make equal files.
        for name, data in {_MANIFEST: text.encode(), **content}.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    write_atomically(Path(path), packed.getvalue())


class Archive:
    """A model file opened for reading: a context manager.

    Parameters
    ----------
    path : str or path-like

    Attributes
    ----------
    manifest : dict
        As it was written, less the members.
    listed : dict of str to Expected
        What the manifest says of each array.

    Raises
    ------
    ModelFileError
        If it is no model file or was changed.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        self._file = self.path.open("rb")
        try:
            with self.refusing():
                self._zip = zipfile.ZipFile(self._file)
                self._infos = self._check_directory()
                self._read_manifest()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Whatever a damaged or forged file makes libraries raise is one error."""
        try:
            yield
        except ModelFileError as error:
            raise ModelFileError(f"{self.path}: {error}") from error.__cause__
        except (
            zipfile.BadZipFile,
            zlib.error,
            struct.error,
            EOFError,
            LookupError,
            MemoryError,
            NotImplementedError,
            OverflowError,
            RecursionError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            raise ModelFileError(
                f"{self.path} is no model file of skfashion, or is damaged: {error}"
            ) from error

    def _check_directory(self) -> dict[str, zipfile.ZipInfo]:
        infos = self._zip.infolist()
        names = [info.filename for info in infos]
        if len(set(names)) < len(names):
            raise ModelFileError("a member stands twice in it.")
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG) or info.is_dir():
                raise ModelFileError(f"member {info.filename!r} is no plain file.")
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise ModelFileError(f"member {info.filename!r} is compressed.")
            if info.flag_bits & 1:
                raise ModelFileError(f"member {info.filename!r} is encrypted.")
        # Members that lie over one another would make much of little.
        if sum(info.file_size for info in infos) > self.path.stat().st_size:
            raise ModelFileError("its members are larger than the file.")
        return dict(zip(names, infos, strict=True))

    def _read_manifest(self) -> None:
        info = self._infos.get(_MANIFEST)
        if info is None:
            raise ModelFileError(f"it has no {_MANIFEST}.")
        if info.file_size > _MAX_MANIFEST_BYTES:
            raise ModelFileError(
                f"{_MANIFEST} has {info.file_size:,} bytes: expected {_MAX_MANIFEST_BYTES:,} at "
                "the most."
            )
        manifest = json.loads(self._zip.read(info), parse_constant=_refuse_constant)
        if not isinstance(manifest, dict):
            raise ModelFileError(f"{_MANIFEST} holds no object.")
        members = manifest.pop("members")
        self.manifest = manifest
        self.listed: dict[str, Expected] = {}
        self._digests: dict[str, str] = {}
        for name, member in members.items():
            shape, dtype, digest = (member[key] for key in ("shape", "dtype", "sha256"))
            if len(member) > 3 or not all(type(n) is int and n >= 0 for n in shape):
                raise ModelFileError(f"{_MANIFEST} says of {name!r} what cannot be.")
            if not (isinstance(dtype, str) and _PLAIN_DTYPE.fullmatch(dtype)):
                raise ModelFileError(f"{name!r} is of dtype {dtype!r}: expected plain values.")
            self.listed[name] = Expected(tuple(shape), np.dtype(dtype))
            self._digests[name] = digest
        files = {_MANIFEST, *(f"{name}.npy" for name in self.listed)}
        if files != set(self._infos):
            strange = sorted(files ^ set(self._infos))
            raise ModelFileError(f"{_MANIFEST} and members disagree on {', '.join(strange[:5])}.")

    def read(self, expected: Mapping[str, Expected]) -> dict[str, AnyArray]:
        """Arrays by name: exactly the expected ones.

        Parameters
        ----------
        expected : dict of str to Expected

        Raises
        ------
        ModelFileError
            If one is missing, is too much, or is not what was expected or listed.
        """
        with self.refusing():
            if strange := sorted(set(expected) ^ set(self.listed)):
                raise ModelFileError(f"missing or unknown: {', '.join(strange[:5])}.")
            for name, wanted in expected.items():
                if self.listed[name] != wanted:
                    raise ModelFileError(
                        f"{name} is {_described(self.listed[name])}: expected {_described(wanted)}."
                    )
                if not 0 <= self._payload(name) - _n_bytes(wanted) <= _MAX_NPY_HEADER:
                    raise ModelFileError(
                        f"{name} has {self._payload(name):,} bytes: expected those of "
                        f"{_described(wanted)}."
                    )
            return {name: self._read_array(name, wanted) for name, wanted in expected.items()}

    def _payload(self, name: str) -> int:
        return self._infos[f"{name}.npy"].file_size

    def _read_array(self, name: str, wanted: Expected) -> AnyArray:
        digest = hashlib.sha256()
        with self._zip.open(self._infos[f"{name}.npy"]) as member:
            header = member.read(self._payload(name) - _n_bytes(wanted))
            digest.update(header)
            if _npy_header(header) != (wanted.shape, False, wanted.dtype):
                raise ModelFileError(f"{name}: its header is not that of {_described(wanted)}.")
            array = np.empty(wanted.shape, wanted.dtype)
            flat = array.reshape(-1).view(np.uint8)
            filled = 0
            while filled < len(flat):
                chunk = member.read(min(_CHUNK, len(flat) - filled))
                if not chunk:
                    raise ModelFileError(f"{name} ends after {filled:,} bytes.")
                flat[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
                digest.update(chunk)
                filled += len(chunk)
            member.read(1)  # the end, where its checksum is compared
        if digest.hexdigest() != self._digests[name]:
            raise ModelFileError(f"{name} was changed: its SHA-256 is not that of the manifest.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelFileError(f"{name} holds values that are not finite.")
        return array


def _npy_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    stream: IO[bytes] = io.BytesIO(header)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ModelFileError("a member is no .npy of version 1.0.")
    found = np.lib.format.read_array_header_1_0(stream, max_header_size=_MAX_NPY_HEADER)
    if stream.read(1):
        raise ModelFileError("a member is longer than its header says.")
    return found


def _n_bytes(wanted: Expected) -> int:
    size = 1
    for length in wanted.shape:
        size *= length  # of Python's own integers, which do not overflow
    return size * wanted.dtype.itemsize


def _described(wanted: Expected) -> str:
    return f"{wanted.dtype.str} of shape {wanted.shape}"


def _refuse_constant(name: str) -> None:
    raise ModelFileError(f"{_MANIFEST} holds {name}, which is no number.")
