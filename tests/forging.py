"""Model files as they should not be: from the members of a good one to those that are written."""

import hashlib
import io
import json
import zipfile

import numpy as np

MANIFEST = "manifest.json"


def unpack(content):
    """The members of a model file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(members, method=zipfile.ZIP_STORED):
    """A model file of these members, true in all that surrounds them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, content)
    return buffer.getvalue()


def with_text(text):
    """Members with another text of the manifest."""
    return lambda members: {**members, MANIFEST: text if isinstance(text, bytes) else text.encode()}


def edited(change):
    """Members with another manifest."""

    def forge(members):
        manifest = json.loads(members[MANIFEST])
        change(manifest)
        return {**members, MANIFEST: json.dumps(manifest).encode()}

    return forge


def put(*path, value):
    """Members with another value in the manifest."""

    def change(manifest):
        for key in path[:-1]:
            manifest = manifest[key]
        manifest[path[-1]] = value

    return edited(change)


def put_text(*path, value):
    """Members with a value in the manifest that only its text can express."""

    def forge(members):
        forged = put(*path, value="@")(members)
        return {**forged, MANIFEST: forged[MANIFEST].replace(b'"@"', value.encode())}

    return forge


def with_content(name, content, **listed):
    """Members with another file of an array, of the right SHA-256."""

    def forge(members):
        manifest = json.loads(members[MANIFEST])
        entry = manifest["members"].setdefault(name, {})
        entry |= {"sha256": hashlib.sha256(content).hexdigest(), **listed}
        return {**members, f"{name}.npy": content, MANIFEST: json.dumps(manifest).encode()}

    return forge


def with_array(name, array, **listed):
    """Members with another array, whose entry in the manifest is as true as can be."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    listed = {"shape": array.shape, "dtype": array.dtype.str, **listed}
    return with_content(name, buffer.getvalue(), **listed)


def without(name):
    return lambda members: {key: value for key, value in members.items() if key != name}


def renamed(name, other):
    return lambda members: {
        (other if key == name else key): value for key, value in members.items()
    }


def all_of(*forgeries):
    """One forgery after the other."""

    def forge(members):
        for forgery in forgeries:
            members = forgery(members)
        return members

    return forge
