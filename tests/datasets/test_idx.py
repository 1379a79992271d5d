"""A file is read only if it is, byte for byte, the one it should be; if not, the error says why."""

import gzip
import os
import struct
import tracemalloc
from hashlib import sha256

import numpy as np
import pytest

from skfashion.datasets import DatasetError, _release
from skfashion.datasets._idx import IdxFile, read_idx

SHAPE = (20, 28, 28)
PIXELS = np.random.RandomState(0).randint(256, size=SHAPE).astype(np.uint8)
CONTENT = struct.pack(">4I", 0x0803, *SHAPE) + PIXELS.tobytes()
IMAGES = IdxFile("toy-images", SHAPE, 5, sha256(CONTENT).hexdigest(), "Do something.")


def labels_header(n):
    return struct.pack(">2I", 0x0801, n)


def read(path, expected=IMAGES, **options):
    out = np.zeros(expected.shape, np.uint8)
    read_idx(path, expected, out, **options)
    return out


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("toy-images.gz", gzip.compress(CONTENT)),
        ("toy-images.gz", gzip.compress(CONTENT[:99]) + gzip.compress(CONTENT[99:])),
        ("toy-images", CONTENT),
    ],
)
def test_packed_and_unpacked_files_give_the_same_array(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    np.testing.assert_array_equal(read(tmp_path / name), PIXELS)


PACKED = gzip.compress(CONTENT)
BAD_FILES = {
    "truncated gzip": ("f.gz", PACKED[:-2000], "truncated: the compressed data end too early"),
    "gzip without its end": ("f.gz", PACKED[:-4], "truncated: the compressed data end too early"),
    "truncated in the gzip header": ("f.gz", PACKED[:5], "truncated: the compressed data"),
    "flipped bits": ("f.gz", PACKED[:5000] + b"\xaa" * 9 + PACKED[5009:], "damaged: "),
    "rubbish after the end": ("f.gz", PACKED + b"rubbish", "damaged: gzip says"),
    "empty": ("f.gz", b"", "is empty"),
    "not gzip": ("f.gz", b"<!DOCTYPE html>", r"is not gzip: it begins with b'<!DO'"),
    "unpacked under .gz": ("f.gz", CONTENT, r"unpacked already. Take .gz off"),
    "packed without .gz": ("f", PACKED, r"still compressed by gzip. Add .gz"),
    "header cut": ("f", CONTENT[:10], r"truncated: it holds 10 of 15,696 bytes"),
    "payload cut": ("f", CONTENT[:-1], r"truncated: it holds 15,695 of 15,696 bytes"),
    "short inside gzip": ("f.gz", gzip.compress(CONTENT[:-1]), "truncated: it holds 15,695 of"),
    "one byte more": ("f.gz", gzip.compress(CONTENT + b"x"), "holds more than the expected 15,696"),
    "wrong magic": ("f", b"\0\0\x0d\x03" + CONTENT[4:], "not an IDX file of images.*0x00000d03"),
    "labels": ("f", labels_header(99) + b"0" * 99, "holds labels where images .* swapped"),
    "other part": (
        "f",
        struct.pack(">4I", 0x0803, 5, 28, 28) + CONTENT,
        "holds 5 images, not 20: it is the test file under the name of the training file",
    ),
    "wrong size": (
        "f",
        struct.pack(">4I", 0x0803, 20, 32, 32) + CONTENT,
        r"wrong size: its header says \(20, 32, 32\), not \(20, 28, 28\)",
    ),
    "one pixel off": ("f", CONTENT[:-1] + b"\0", "damaged: its SHA-256 is .*, not "),
}


@pytest.mark.parametrize(("name", "content", "finding"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_file_is_named_with_finding_and_remedy(tmp_path, name, content, finding):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=finding) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(("Do something.", "off its name.", "or unpack it."))


def test_images_under_the_name_of_labels_are_called_swapped(tmp_path):
    (tmp_path / "f").write_bytes(CONTENT)
    expected = IdxFile("toy-labels", (20,), 5, "", "")
    with pytest.raises(DatasetError, match=r"holds images where labels are expected.*swapped"):
        read(tmp_path / "f", expected)


def test_training_file_under_the_name_of_the_test_file(tmp_path):
    (tmp_path / "f").write_bytes(CONTENT)
    expected = IdxFile("toy-images", (5, 28, 28), 20, "", "")
    with pytest.raises(DatasetError, match="it is the training file under the name of the test"):
        read(tmp_path / "f", expected)


def test_bomb_costs_less_than_twice_the_payload(tmp_path):
    """47 MB of images, and a gigabyte of zeros behind them, in 1 MB of gzip."""
    expected = _release.FILES["train"][0]
    zeros = gzip.compress(bytes(1 << 26))
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(expected.header) + zeros * 16)
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match="holds more than the expected 47,040,016 bytes"):
            read(tmp_path / "bomb.gz", expected)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * expected.size


def test_directory_in_place_of_a_file(tmp_path):
    with pytest.raises(DatasetError, match="is a directory, not a file"):
        read(tmp_path)


def test_missing_file(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        read(tmp_path / "f.gz")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_in_place_of_a_file_does_not_wait_for_ever(tmp_path):
    os.mkfifo(tmp_path / "f.gz")
    with pytest.raises(DatasetError, match="is not a regular file"):
        read(tmp_path / "f.gz")


def test_no_permission(tmp_path, unprivileged):
    (tmp_path / "f").write_bytes(CONTENT)
    (tmp_path / "f").chmod(0)
    with unprivileged(), pytest.raises(DatasetError, match=r"permission denied.*Give yourself"):
        read(tmp_path / "f")


# What goes by the names of Fashion-MNIST, at full size


def read_release(path, part, kind, values):
    expected = _release.FILES[part][kind]
    path.write_bytes(expected.header + values.tobytes())
    with pytest.raises(DatasetError) as caught:
        read(path, expected, explain=_release.explain)
    assert str(path) in str(caught.value)
    assert "github.com/zalandoresearch/fashion-mnist" in str(caught.value)
    return str(caught.value)


def different_images(n):
    """Return noise with the row number in it, so that no image comes twice."""
    images = np.random.RandomState(0).randint(256, size=(n, 784), dtype=np.uint8)
    images[:, :8] = np.arange(n, dtype=">u8").view(np.uint8).reshape(n, 8)
    return images


def test_digits_are_told_by_their_hash(tmp_path, monkeypatch):
    values = np.repeat(np.arange(10, dtype=np.uint8), 1000)
    content = _release.FILES["test"][1].header + values.tobytes()
    monkeypatch.setattr(_release, "MNIST", {sha256(content).hexdigest()})
    message = read_release(tmp_path / "f", "test", 1, values)
    assert "holds the handwritten digits of MNIST" in message


@pytest.mark.parametrize("part", ["train", "test"])
def test_digits_are_told_by_their_unequal_classes(tmp_path, part):
    # As frequent as in MNIST's test part
    counts = np.array([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    counts = counts if part == "test" else counts * 6
    message = read_release(
        tmp_path / "f", part, 1, np.repeat(np.arange(10, dtype=np.uint8), counts)
    )
    assert "labels per class" in message
    assert "probably the digits of MNIST" in message


def test_a_few_wrong_labels_are_not_taken_for_digits(tmp_path):
    values = np.repeat(np.arange(10, dtype=np.uint8), 1000)
    values[:3] = 5
    message = read_release(tmp_path / "f", "test", 1, values)
    assert "well-formed but not Fashion-MNIST of 2017-08-31 or later" in message


def test_labels_beyond_nine_are_damage(tmp_path):
    values = np.repeat(np.arange(10, dtype=np.uint8), 1000)
    values[7] = 77
    assert "is damaged: it holds the label 77" in read_release(tmp_path / "f", "test", 1, values)


def test_old_release_is_told_by_its_duplicates(tmp_path):
    images = different_images(10_000)
    images[9_990:] = images[:10]
    message = read_release(tmp_path / "f", "test", 0, images)
    assert "repeats 10 of its images" in message
    assert "before 2017-08-31" in message


def test_other_images_get_all_explanations(tmp_path):
    message = read_release(tmp_path / "f", "test", 0, different_images(10_000))
    assert "well-formed but not Fashion-MNIST of 2017-08-31 or later" in message
    assert "repeats" not in message
