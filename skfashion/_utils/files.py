"""Files that are whole or not there, whatever stops the writing: errors, signals, power cuts."""

import contextlib
import errno
import hashlib
import os
import re
import tempfile
import uuid
from pathlib import Path

from skfashion._utils.types import StrPath

# What a process that was killed while it wrote has left behind is removed after so many seconds.
_STALE_SECONDS = 3600
_PART = re.compile(r"\.skfashion-[0-9a-f]{32}\.part")
_ATTEMPTS = 3
_DIGEST_BYTES = hashlib.sha256().digest_size


def write_atomically(path: Path, content: bytes | bytearray, *, durable: bool = True) -> None:
    """Put bytes into a file: whoever reads it finds all of them or what was there before.

    A file that was there leaves its permissions to the new one, and what a symbolic link names is
    written, not the link. Pipes and devices are written into. Half files of killed processes in the
    same folder go after an hour.

    Parameters
    ----------
    path : Path
    content : bytes or bytearray
    durable : bool, default=True
        Hold this after a power cut as well. It costs half as much again for 28 MB, and now and then
        half a second.

    Raises
    ------
    OSError
        If it cannot be written, naming the path; then no file has changed.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(path)), content, durable)
    except OSError as error:
        raise _naming(path, error) from error


def _replace(path: Path, content: bytes | bytearray, durable: bool) -> None:
    for left in reversed(range(_ATTEMPTS)):
        # Not by `tempfile`, whose files nobody else may read: the directory may be shared.
        part = path.parent / f".skfashion-{uuid.uuid4().hex}.part"
        try:
            with part.open("xb") as file:
                _inherit(path, part)
                _remove_stale(path.parent, file.fileno())
                file.write(content)
                if durable:
                    # Some file systems keep the new name before they keep what is in the file.
                    file.flush()
                    os.fsync(file.fileno())
            part.replace(path)
            return
        except BaseException as error:
            with contextlib.suppress(OSError):
                part.unlink()
            # A process whose clock is wrong took our part for an old one.
            if left and isinstance(error, FileNotFoundError) and path.parent.is_dir():
                continue
            raise


def write_sealed(path: Path, content: bytes | memoryview) -> None:
    """Put bytes and their checksum into a file, for `read_sealed`.

    The folder is made if need be. The checksum tells what a power cut has spoilt.

    Parameters
    ----------
    path : Path
    content : bytes or memoryview

    Raises
    ------
    OSError
        As `write_atomically`.
    """
    sealed = hashlib.sha256(content).digest() + content
    try:
        write_atomically(path, sealed, durable=False)
    except FileNotFoundError:  # the first, or somebody clears the directory
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, sealed, durable=False)


def read_sealed(path: Path) -> memoryview:
    """The bytes of a file that `write_sealed` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    memoryview

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not what was written.
    """
    sealed = memoryview(path.read_bytes())
    digest, content = sealed[:_DIGEST_BYTES], sealed[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("its checksum does not match")
    return content


def expand_user(path: StrPath) -> Path:
    """Replace a leading ``~`` by the home folder.

    Where there is no such folder the path stays as it is; `Path.expanduser` would raise.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111


def is_part(name: str) -> bool:
    """Whether a file of this name is one that `write_atomically` has not ended."""
    return _PART.fullmatch(name) is not None


def make_folder(folder: Path) -> None:
    """Make a folder and see that files can be written into it, before any long work.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OSError
        If it cannot be made or written to, naming it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _naming(folder, error) from error


def _naming(path: Path, error: OSError) -> OSError:
    """The same error of the path that the user knows: a full disk names none."""
    return error if error.errno is None else OSError(error.errno, error.strerror, str(path))


def _inherit(path: Path, part: Path) -> None:
    """Give owner and permissions of the old file to the new, as far as the file system has them."""
    with contextlib.suppress(OSError):
        old = path.stat()
        if hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):  # only root gives files away
                os.chown(part, old.st_uid, old.st_gid)
        part.chmod(old.st_mode & 0o777)


def _remove_stale(folder: Path, new_file: int) -> None:
    """Remove parts that were left for dead, by the clock of whoever keeps the files."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        now = os.fstat(new_file).st_mtime
        for entry in entries:
            # Also what seems to be of the future: a clock was set back.
            with contextlib.suppress(OSError):
                if is_part(entry.name) and abs(now - entry.stat().st_mtime) > _STALE_SECONDS:
                    Path(entry).unlink()
