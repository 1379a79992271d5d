"""Files of arrays with a JSON header, and a checksum that detects damage by a power cut."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from skfashion._utils.files import write_atomically
from skfashion._utils.types import AnyArray

_DIGEST_BYTES = hashlib.sha256().digest_size


def write_arrays(
    path: Path, header: Mapping[str, Any], arrays: Mapping[str, AnyArray], *, sweep: bool = True
) -> None:
    """Write a file for `read_arrays`. A missing folder is created.

    Parameters
    ----------
    path : Path
    header : dict
        JSON-serializable.
    arrays : dict of str to ndarray
        Arrays of numbers. The name "header" is reserved.
    sweep : bool, default=True
        As in `write_atomically`.

    Raises
    ------
    OSError
        As `write_atomically`.
    """
    file = io.BytesIO(bytes(_DIGEST_BYTES))
    file.seek(_DIGEST_BYTES)
    named: dict[str, Any] = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    np.savez(file, **named, **arrays)  # type: ignore[arg-type]  # none is named "allow_pickle"
    content = file.getbuffer()
    content[:_DIGEST_BYTES] = hashlib.sha256(content[_DIGEST_BYTES:]).digest()
    try:
        write_atomically(path, content, durable=False, sweep=sweep)
    except FileNotFoundError:  # the folder is new, or another process removed it
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content, durable=False, sweep=sweep)


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Read the header and the arrays of a file that `write_arrays` wrote.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the checksum does not match, or the file has another format.
    KeyError
        If it has no header.
    """
    content = memoryview(path.read_bytes())
    if hashlib.sha256(content[_DIGEST_BYTES:]).digest() != content[:_DIGEST_BYTES]:
        raise ValueError("its checksum does not match")
    with np.load(io.BytesIO(content[_DIGEST_BYTES:]), allow_pickle=False) as archive:
        arrays = dict(archive)
    return json.loads(arrays.pop("header").tobytes()), arrays
