"""Model files: a zip of arrays and a manifest, read without running anything that is in it.

Members are not compressed, each a ``.npy`` that `numpy.load` reads as well. The manifest names them
with shape, dtype and SHA-256. A reader says what it expects; whatever else is there, or is there
otherwise, is refused before memory is taken for it.
"""

import contextlib
import hashlib
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np

from skfashion._classifier import members as _members
from skfashion._utils.types import AnyArray

FORMAT = "skfashion.FashionCNN"
VERSION = 1
_MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 2**18  # parsed, it takes up to 45 times as much
_MAX_NPY_HEADER = 1000
_MAX_MESSAGE = 500  # of what a forged file can make a message say
_CHUNK = 2**20
_PLAIN_DTYPE = re.compile(r"[<>|][biufUMm]\d{1,6}(\[\w{1,9}\])?")  # no objects, no structures


class ModelFileError(ValueError):
    """A model file that cannot be trusted or understood."""


class Expected(NamedTuple):
    """What an array must be."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    finite: bool = True


@contextlib.contextmanager
def refusing(what: str) -> Iterator[None]:
    """Whatever a damaged or forged file makes us or libraries raise is one error.

    Parameters
    ----------
    what : str
        What the message begins with.
    """
    try:
        yield
    except (OSError, MemoryError):  # the disk's and the machine's fault
        raise
    except ModelFileError as error:
        raise ModelFileError(f"{what}: {_cut(error)}") from error.__cause__
    except Exception as error:
        raise ModelFileError(
            f"{what}: it is no model file of skfashion, or is damaged: {_cut(error)}"
        ) from error


def _cut(error: Exception) -> str:
    message = str(error)
    return message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}…"


def pack(manifest: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> bytes:
    """The content of a model file.

    Parameters
    ----------
    manifest : dict
        JSON-able. Format and `members` are added.
    arrays : dict of str to ndarray
        Without objects.

    Raises
    ------
    ValueError
        If they are too large.
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
    whole = {"format": FORMAT, "format_version": VERSION, **manifest, "members": members}
    text = json.dumps(whole, indent=1, allow_nan=False)
    return _members.pack({_MANIFEST: text.encode(), **content})


class Archive:
    """The content of a model file. What it raises is for `refusing`.

    Parameters
    ----------
    file : binary file
        Open for reading.

    Attributes
    ----------
    manifest : dict
        As it was given to `pack`.
    listed : dict of str to Expected
        What the manifest says of each array.

    Raises
    ------
    ModelFileError, or whatever libraries raise
        If it is no model file or was changed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._zip, self._infos = _members.unpack(file)
        self.manifest = self._read_manifest()
        members = take(self.manifest, "members", dict)
        self.listed: dict[str, Expected] = {}
        self._digests: dict[str, str] = {}
        for name, member in members.items():
            self.listed[name], self._digests[name] = _description(name, member)
        strange = {_MANIFEST, *map(_file_name, self.listed)} ^ set(self._infos)
        if strange:
            raise ModelFileError(f"{_MANIFEST} and members disagree on {some(strange)}.")

    def _read_manifest(self) -> dict[str, Any]:
        info = self._infos.get(_MANIFEST)
        if info is None:
            raise ModelFileError(f"it has no {_MANIFEST}.")
        if info.file_size > _MAX_MANIFEST_BYTES:
            raise ModelFileError(
                f"parameters and names take {info.file_size:,} bytes of {_MANIFEST}: expected "
                f"{_MAX_MANIFEST_BYTES:,} at the most."
            )
        manifest = json.loads(
            self._zip.read(info),
            object_pairs_hook=_object,
            parse_constant=_finite,
            parse_float=_finite,
        )
        if not isinstance(manifest, dict):
            raise ModelFileError(f"{_MANIFEST} holds no object.")
        if (found := manifest.pop("format", None)) != FORMAT:
            raise ModelFileError(f"it holds {found!r}: expected {FORMAT!r}.")
        version = manifest.pop("format_version", None)
        if type(version) is not int or not 1 <= version <= VERSION:
            raise ModelFileError(
                f"it has format version {version!r}, written with {manifest.get('versions')!r}: "
                f"this skfashion reads up to {VERSION}. A newer one may read it."
            )
        return manifest

    def read(self, expected: Mapping[str, Expected]) -> dict[str, AnyArray]:
        """Arrays by name: exactly the expected ones.

        Parameters
        ----------
        expected : dict of str to Expected

        Raises
        ------
        ModelFileError, or whatever libraries raise
            If one is missing, is too much, or is not what was expected or listed.
        """
        if strange := set(expected) ^ set(self.listed):
            raise ModelFileError(f"missing or unknown: {some(strange)}.")
        for name, wanted in expected.items():
            listed = self.listed[name]
            if (listed.shape, listed.dtype) != (wanted.shape, wanted.dtype):
                raise ModelFileError(f"{name} is {_said(listed)}: expected {_said(wanted)}.")
            if not 0 < self._payload(name) - _n_bytes(wanted) <= _MAX_NPY_HEADER:
                raise ModelFileError(
                    f"{name} has {self._payload(name):,} bytes: expected those of {_said(wanted)}."
                )
        return {name: self._read_array(name, wanted) for name, wanted in expected.items()}

    def _payload(self, name: str) -> int:
        return self._infos[_file_name(name)].file_size

    def _read_array(self, name: str, wanted: Expected) -> AnyArray:
        digest = hashlib.sha256()
        with self._zip.open(self._infos[_file_name(name)]) as member:
            header = member.read(self._payload(name) - _n_bytes(wanted))
            digest.update(header)
            if _npy_header(header) != (wanted.shape, False, wanted.dtype):
                raise ModelFileError(f"{name}: its header is not that of {_said(wanted)}.")
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
        if array.dtype.kind == "f" and wanted.finite and not np.isfinite(array).all():
            raise ModelFileError(f"{name} holds values that are not finite.")
        if not _is_sound(array):
            raise ModelFileError(f"{name} holds values that {array.dtype} has not.")
        return array


def take(container: dict[str, Any], key: str, kind: type[Any]) -> Any:
    """Take out of a part of the manifest what must be of a type."""
    if key not in container:
        raise ModelFileError(f"{_MANIFEST} lacks {key!r}.")
    value = container.pop(key)
    if type(value) is not kind:
        raise ModelFileError(f"{key} is {value!r}: expected {_JSON_NAMES[kind]}.")
    return value


_JSON_NAMES = {dict: "an object", list: "a list", str: "text", bool: "true or false"}


def some(names: Iterable[str]) -> str:
    """The first few of some names, for a message."""
    return ", ".join(sorted(names)[:5])


def _file_name(name: str) -> str:
    return f"{name}.npy"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ModelFileError(f"{_MANIFEST} says something twice.")
    return result


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ModelFileError(f"{_MANIFEST} holds {text}: expected finite numbers.")
    return value


def _description(name: str, member: Any) -> tuple[Expected, str]:
    """What the manifest says of an array, and its SHA-256."""
    if not isinstance(member, dict):
        raise ModelFileError(f"{name} is {member!r}: expected {_JSON_NAMES[dict]}.")
    shape, dtype, digest = (
        take(member, key, kind) for key, kind in (("shape", list), ("dtype", str), ("sha256", str))
    )
    if member or not all(type(length) is int and length >= 0 for length in shape):
        raise ModelFileError(f"{_MANIFEST} says of {name} what cannot be.")
    if not _PLAIN_DTYPE.fullmatch(dtype):
        raise ModelFileError(f"{name} is of dtype {dtype!r}: expected plain values.")
    return Expected(tuple(shape), np.dtype(dtype)), digest


def _npy_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    stream: IO[bytes] = io.BytesIO(header)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ModelFileError("a member is no .npy of version 1.0.")
    found = np.lib.format.read_array_header_1_0(stream, max_header_size=_MAX_NPY_HEADER)
    if stream.read(1):
        raise ModelFileError("a member is longer than its header says.")
    return found


def _n_bytes(wanted: Expected) -> int:
    return math.prod(wanted.shape) * wanted.dtype.itemsize  # of Python's integers: no overflow


def _said(wanted: Expected) -> str:
    return f"{wanted.dtype.str} of shape {wanted.shape}"


def _is_sound(array: AnyArray) -> bool:
    """Whether these bytes are values of that dtype: not all are truth values or characters."""
    if array.dtype.kind == "b":
        return bool((array.view(np.uint8) <= 1).all())
    if array.dtype.kind == "U" and array.size:
        codes = array.reshape(-1).view(f"{array.dtype.str[0]}u4")
        return bool((codes <= 0x10FFFF).all())
    return True
