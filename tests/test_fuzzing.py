"""Whatever happens to a file, its reader gives a right answer or its own error, and soon."""

import csv
import gzip
import hashlib
import io
import random
import struct
import time
import warnings
import zipfile

import numpy as np
import pytest
from mutations import mutate, mutate_end

from skfashion.datasets import DatasetError, load_fashion_csv
from skfashion.datasets._idx import IdxFile, read_idx

LONGEST = 5  # seconds of the processor

# Readers. Each takes a file and says whether what it gives is right.

PIXELS = np.random.RandomState(0).randint(256, size=(3, 28, 28)).astype(np.uint8)
IDX = struct.pack(">4I", 0x0803, *PIXELS.shape) + PIXELS.tobytes()
EXPECTED = IdxFile("toy", PIXELS.shape, hashlib.sha256(IDX).hexdigest(), "Do something.")


def read_images(path):
    np.testing.assert_array_equal(read_idx(path, EXPECTED), PIXELS)


CSV = "\n".join(
    [
        ",".join(["label", *(f"pixel{i}" for i in range(1, 785))]),
        *(",".join(map(str, [label, *row.ravel()])) for label, row in enumerate(PIXELS)),
        "",
    ]
).encode()


def read_csv(path):
    X, y = load_fashion_csv(path, return_X_y=True)
    content = path.read_bytes()
    if content.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            content = archive.read(archive.namelist()[0])
    lines = [line for line in content.decode("utf-8-sig").split("\n")[1:] if line.strip()]
    rows = [[float(cell) for cell in row] for row in csv.reader(lines)]
    np.testing.assert_array_equal(np.column_stack([y, X]), rows)


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("f.csv", content)
    return buffer.getvalue()


def mutate_zipped(rng, content):
    return zipped(mutate(rng, content))


# Reader, name and content of a valid file, what is done to it, and how often.
CASES = {
    "idx": (read_images, "toy", IDX, mutate, 50),
    "gzip": (read_images, "toy.gz", gzip.compress(IDX), mutate, 100),
    "csv": (read_csv, "f.csv", CSV, mutate, 100),
    "zip": (read_csv, "f.zip", zipped(CSV), mutate, 50),
    "zip's end": (read_csv, "f.zip", zipped(CSV), mutate_end, 100),
    "zipped": (read_csv, "f.zip", CSV, mutate_zipped, 50),
}


def refusal(read, path):
    """What the reader says of a file, None if it takes it. It must not warn either."""
    try:
        with warnings.catch_warnings(action="error"):
            read(path)
    except DatasetError as error:
        return str(error)
    return None


@pytest.mark.parametrize("case", CASES)
def test_a_mutated_file_is_read_right_or_refused_by_the_readers_own_error(tmp_path, case):
    read, name, content, mutation, times = CASES[case]
    path = tmp_path / name
    refusals = 0
    for seed in range(times):
        path.write_bytes(mutation(random.Random(f"{case} {seed}"), content))
        start = time.process_time()
        try:
            message = refusal(read, path)
        except Exception as error:
            error.add_note(f"{case}, seed {seed}")
            raise
        assert time.process_time() - start < LONGEST, f"seed {seed}"
        assert list(tmp_path.iterdir()) == [path], f"seed {seed}"
        if message is not None:
            refusals += 1
            assert message.startswith(str(path)), f"seed {seed}"
            assert len(message) < 2000, f"seed {seed}"
    assert refusals > times / 4, "hardly anything was wrong with them"
