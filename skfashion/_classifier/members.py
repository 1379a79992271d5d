"""A zip of plain files that lie one after the other, uncompressed: it is as large as they are.

`zipfile` takes zips as they come: with rubbish before, between and after the members, with members
that lie over one another or are packed a thousandfold, with a list of members of any length. Here
such a zip is a damaged one.
"""

import io
import os
import stat
import struct
import zipfile
from collections.abc import Mapping
from typing import BinaryIO

_MAX_BYTES = 2**31 - 1  # past them a zip is of another layout
_MAX_LIST_BYTES = 2**18  # of a list of members, which becomes up to 20 times as large in memory

# What surrounds the members, as APPNOTE.TXT of PKWARE describes it.
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE, _ZIP64_SIGNATURE = b"PK\5\6", b"PK\6\7"
_ZIP64_LOCATOR = 20  # bytes before the end, if there is one
_LOCAL_HEADER = 30  # bytes before a member's name


def pack(members: Mapping[str, bytes]) -> bytes:
    """Such a zip.

    Parameters
    ----------
    members : dict of str to bytes

    Raises
    ------
    ValueError
        If they are too large.
    """
    n_bytes = sum(map(len, members.values()))
    if n_bytes + _MAX_LIST_BYTES > _MAX_BYTES:
        raise ValueError(
            f"A file of {n_bytes:,} bytes and more would be too large: expected {_MAX_BYTES:,} at "
            "the most."
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            # The date is that of no day: equal members make equal files.
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def unpack(file: BinaryIO) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """Open such a zip.

    Parameters
    ----------
    file : binary file

    Returns
    -------
    archive : ZipFile
    members : dict of str to ZipInfo
        Of each `file_size` is its true size.

    Raises
    ------
    zipfile.BadZipFile
        If it is no such zip. Of damaged ones `zipfile` may raise other exceptions.
    """
    start = _start_of_list(file)
    archive = zipfile.ZipFile(file)
    members = {info.filename: info for info in archive.infolist()}
    if len(members) < len(archive.infolist()):
        raise zipfile.BadZipFile("a member stands twice in it.")
    place = 0
    for name, info in members.items():
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG) or info.is_dir():
            raise zipfile.BadZipFile(f"member {name!r} is no plain file.")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise zipfile.BadZipFile(f"member {name!r} is compressed.")
        if info.flag_bits & 1:
            raise zipfile.BadZipFile(f"member {name!r} is encrypted.")
        if info.header_offset != place:
            raise zipfile.BadZipFile(f"member {name!r} is not where the one before it ends.")
        place += _LOCAL_HEADER + len(name.encode()) + info.file_size
    if place != start:
        raise zipfile.BadZipFile("its members do not end where the list of them begins.")
    return archive, members


def _start_of_list(file: BinaryIO) -> int:
    """Where the list of members begins, which must be short and end with the file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - _ZIP64_LOCATOR))
    tail = file.read()
    end = tail[-_END.size :]
    if len(end) < _END.size or not end.startswith(_END_SIGNATURE):
        raise zipfile.BadZipFile("it does not end as a zip does.")
    *_, length, start, _ = _END.unpack(end)
    if length > _MAX_LIST_BYTES:
        raise zipfile.BadZipFile(
            f"its list of members has {length:,} bytes: expected {_MAX_LIST_BYTES:,} at the most."
        )
    if start + length + _END.size != size or tail.startswith(_ZIP64_SIGNATURE):
        raise zipfile.BadZipFile("there is something before, between or after its parts.")
    return start
