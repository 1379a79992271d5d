"""Files that are whole or not there, whatever stops the writing: errors, signals, power cuts."""

import contextlib
import os
import re
import tempfile
import uuid
from pathlib import Path

# What a process that was killed while it wrote has left behind is removed after so many seconds.
_STALE_SECONDS = 3600
_PART = re.compile(r"(?P<target>.+)\.[0-9a-f]{32}\.part")
_ATTEMPTS = 3


def write_atomically(
    path: Path, content: bytes | bytearray, *, durable: bool = True, folder_is_ours: bool = False
) -> None:
    """Put bytes into a file: whoever reads it finds all of them or what was there before.

    What a killed process left of the same file, more than an hour ago, is removed on the way.

    Parameters
    ----------
    path : Path
    content : bytes or bytearray
    durable : bool, default=True
        Hold this after a power cut as well. False is for files that are many and are checked when
        they are read: it costs half as much again for 28 MB, and now and then half a second.
    folder_is_ours : bool, default=False
        Whether nobody else has files in the folder: then what was left of any file is removed.

    Raises
    ------
    OSError
        If it cannot be written, naming the path; then nothing has changed.
    """
    for left in reversed(range(_ATTEMPTS)):
        # Not by `tempfile`, whose files nobody else may read: the directory may be shared.
        part = path.parent / f"{path.name}.{uuid.uuid4().hex}.part"
        try:
            with part.open("xb") as file:
                _remove_stale(path, file.fileno(), folder_is_ours)
                file.write(content)
                if durable:
                    # Some file systems keep the new name before they keep what is in the file.
                    file.flush()
                    os.fsync(file.fileno())
            part.replace(path)
            return
        except OSError as error:
            _remove(part)
            # A process whose clock is wrong took our part for an old one.
            if left and isinstance(error, FileNotFoundError) and path.parent.is_dir():
                continue
            raise _naming(path, error) from error
        except BaseException:
            _remove(part)
            raise


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


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        part.unlink()


def _remove_stale(path: Path, new_file: int, folder_is_ours: bool) -> None:
    """Remove parts that were left for dead, by the clock of whoever keeps the files."""
    with contextlib.suppress(OSError):
        now = os.fstat(new_file).st_mtime
        for part in path.parent.iterdir():
            name = _PART.fullmatch(part.name)
            if name and (folder_is_ours or name["target"] == path.name):
                # Also what seems to be of the future: a clock was set back.
                with contextlib.suppress(OSError):
                    if abs(now - part.stat().st_mtime) > _STALE_SECONDS:
                        part.unlink()
