"""A file is read only if it is, byte for byte, the expected one; if not, the error says why."""

import gzip
import struct
import tracemalloc
from hashlib import sha256

import numpy as np
import pytest

from skfashion.datasets import DatasetError, _idx
from skfashion.datasets._idx import FASHION_MNIST, IdxFile, read_idx

SHAPE = (20, 28, 28)
PIXELS = np.random.RandomState(0).randint(256, size=SHAPE).astype(np.uint8)
CONTENT = struct.pack(">4I", 0x0803, *SHAPE) + PIXELS.tobytes()
IMAGES = IdxFile("toy-images", SHAPE, sha256(CONTENT).hexdigest(), "Do something.")
PACKED = gzip.compress(CONTENT)


@pytest.mark.parametrize("name", ["toy-images.gz", "toy-images"])
@pytest.mark.parametrize("content", [CONTENT, PACKED], ids=["unpacked", "packed"])
def test_packed_and_unpacked_files_give_the_same_array_whatever_their_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    np.testing.assert_array_equal(read_idx(tmp_path / name, IMAGES), PIXELS)


LABELS = struct.pack(">2I", 0x0801, 99) + b"0" * 99
BAD_FILES = {
    "truncated gzip": (PACKED[:-4], r"damaged or cannot be read \(Compressed file ended"),
    "flipped bits": (PACKED[:5000] + b"\xaa" * 9 + PACKED[5009:], "damaged or cannot be read"),
    "rubbish after the end": (PACKED + b"rubbish", "damaged or cannot be read"),
    "empty": (b"", "it begins with b''"),
    "no IDX": (b"<!DOCTYPE html>" * 9, r"not an IDX file .* it begins with b'<!DO"),
    "cut": (CONTENT[:-1], r"truncated: it holds 15,695 of 15,696 bytes"),
    "short inside gzip": (gzip.compress(CONTENT[:-1]), "truncated: it holds 15,695 of"),
    "one byte more": (gzip.compress(CONTENT + b"x"), "holds more than the expected 15,696"),
    "labels": (LABELS, r"not an IDX file of bytes of shape \(20, 28, 28\)"),
    "one pixel off": (CONTENT[:-1] + b"\0", "or another data set: .* of before 2017-08-31"),
}


@pytest.mark.parametrize(("content", "finding"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_file_is_named_with_finding_and_remedy(tmp_path, content, finding):
    path = tmp_path / "f"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=finding) as caught:
        read_idx(path, IMAGES)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(". Do something.")


@pytest.mark.parametrize(("part", "kind"), [("train", 0), ("test", 1)])
def test_swapped_files_are_told_by_their_hash_and_none_is_to_be_deleted(package, part, kind):
    with pytest.raises(DatasetError, match=r"is train-labels.* of Fashion-MNIST.*swapped") as told:
        read_idx(package / "train-labels-idx1-ubyte.gz", FASHION_MNIST[part][kind])
    assert "Put the file of https://github.com/zalandoresearch/fashion-mnist" in str(told.value)
    assert not any(word in str(told.value).lower() for word in ("delete", "remove"))


def test_digits_are_told_by_their_hash(tmp_path, monkeypatch):
    """A stand-in takes the place of a file of MNIST, of which only the hashes are at hand."""
    known = next(_idx.KNOWN_FILES[digest] for digest in _idx.MNIST)
    monkeypatch.setitem(_idx.KNOWN_FILES, sha256(LABELS).hexdigest(), known)
    (tmp_path / "f").write_bytes(LABELS)
    with pytest.raises(DatasetError, match=r"is train-images.* of MNIST, handwritten digits"):
        read_idx(tmp_path / "f", FASHION_MNIST["train"][1])


def test_bomb_costs_less_than_twice_the_payload(tmp_path):
    """47 MB of images, and a gigabyte of zeros behind them, in 1 MB of gzip."""
    expected = FASHION_MNIST["train"][0]
    zeros = gzip.compress(bytes(1 << 26))
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(expected.header) + zeros * 16)
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match="holds more than the expected 47,040,016 bytes"):
            read_idx(tmp_path / "bomb.gz", expected)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * expected.size
