"""Files that are whole or not there."""

import contextlib
import uuid
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Put bytes into a file: whoever reads it finds all of them or what was there before.

    Parameters
    ----------
    path : Path
    content : bytes

    Raises
    ------
    OSError
        If it cannot be written; then nothing has changed.
    """
    # Not by `tempfile`, whose files nobody else may read: the directory may be shared.
    part = path.parent / f"{path.name}.{uuid.uuid4().hex}.part"
    try:
        part.write_bytes(content)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
