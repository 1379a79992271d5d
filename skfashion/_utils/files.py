"""Atomic file writing: after an error, signal or power cut a file is complete or unchanged."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the module imports NumPy, which the command's help does not need
    from skfashion._utils.types import StrPath

# Temporary files of killed processes are removed after this time.
_STALE_SECONDS = 3600
_TEMPORARY = re.compile(r"\.skfashion-[0-9a-f]{32}\.part")
_ATTEMPTS = 3


def write_atomically(
    path: Path, content: bytes | bytearray | memoryview, *, durable: bool = True, sweep: bool = True
) -> None:
    """Write bytes to a file atomically.

    Readers see the old content or all of the new content. The new file keeps the old permissions.
    Symbolic links are followed. Pipes and devices are written directly. Temporary files of killed
    processes in the folder are removed after an hour.

    Parameters
    ----------
    path : Path
    content : bytes, bytearray or memoryview
    durable : bool, default=True
        Also survive a power cut. This takes 50 % longer for 28 MB, and sometimes half a second.
    sweep : bool, default=True
        Remove temporary files of killed processes. This takes longer the more files there are.

    Raises
    ------
    OSError
        If the file cannot be written. The error names the path, and no file has changed.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(path)), content, durable, sweep)
    except OSError as error:
        raise _add_path(path, error) from error


def _replace(
    path: Path, content: bytes | bytearray | memoryview, durable: bool, sweep: bool
) -> None:
    for attempts_left in reversed(range(_ATTEMPTS)):
        # `tempfile` makes files that other users cannot read, but the directory may be shared.
        temporary = path.parent / f".skfashion-{uuid.uuid4().hex}.part"
        try:
            with temporary.open("xb") as file:
                _copy_owner_and_permissions(path, temporary)
                if sweep:
                    _remove_stale(path.parent, file.fileno())
                file.write(content)
                if durable:
                    # Some file systems store the new name before the file's content.
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
            return
        except BaseException as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            # A process with a wrong clock removed our temporary file as stale.
            if attempts_left and isinstance(error, FileNotFoundError) and path.parent.is_dir():
                continue
            raise


def expand_user(path: StrPath) -> Path:
    """Replace a leading ``~`` by the home folder.

    If there is no such folder, the path is returned unchanged. `Path.expanduser` would raise.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111


def is_temporary(name: str) -> bool:
    """Return whether this is the name of a temporary file of `write_atomically`."""
    return _TEMPORARY.fullmatch(name) is not None


def make_folder(folder: Path) -> None:
    """Create a folder if needed and check that files can be written to it, before any long work.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OSError
        If the folder cannot be created or written to. The error names the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _add_path(folder, error) from error


def _add_path(path: Path, error: OSError) -> OSError:
    """Return the same error with the user's path: the error of a full disk has none."""
    return error if error.errno is None else OSError(error.errno, error.strerror, str(path))


def _copy_owner_and_permissions(path: Path, temporary: Path) -> None:
    """Copy owner and permissions of the old file, as far as the file system supports them."""
    with contextlib.suppress(OSError):
        old = path.stat()
        if hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):  # only root can do that
                os.chown(temporary, old.st_uid, old.st_gid)
        temporary.chmod(old.st_mode & 0o777)


def _remove_stale(folder: Path, new_file: int) -> None:
    """Remove stale temporary files. Ages are measured by the file server's clock."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        now = os.fstat(new_file).st_mtime
        for entry in entries:
            # Files from the future are stale too: a clock was set back.
            with contextlib.suppress(OSError):
                if is_temporary(entry.name) and abs(now - entry.stat().st_mtime) > _STALE_SECONDS:
                    Path(entry).unlink()
