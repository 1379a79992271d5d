"""CSV files give the same arrays as other sources, and a malformed one an error that says where."""

import gzip
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skfashion.datasets import (
    DatasetError,
    _csv,
    fetch_fashion_mnist,
    load_fashion_csv,
    load_fashion_mini,
)

PIXELS = ",".join(f"pixel{i}" for i in range(1, 785))
HEADER = f"label,{PIXELS}"
NUMBERS = ",".join(str(i % 256) for i in range(784))
ROW = f"9,{NUMBERS}"
GOOD = f"{HEADER}\n{ROW}\n"


@pytest.fixture(scope="module")
def mini():
    return load_fashion_mini(subset="test", as_frame=True)


@pytest.fixture(scope="module")
def kaggle(mini):
    """The text of a CSV file in the form of Kaggle's."""
    frame = mini.frame[["label", *mini.feature_names]]
    return frame.to_csv(index=False)


def save(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def make_zip(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, **options)
    return path


def error_of(path, **options):
    with warnings.catch_warnings(action="error"), pytest.raises(DatasetError) as caught:
        load_fashion_csv(path, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.endswith("zalando-research/fashionmnist")
    return message


@pytest.mark.parametrize("form", ["csv", "csv.gz", "zip", "stored.zip"])
def test_arrays_are_those_of_the_other_sources(mini, kaggle, tmp_path, form):
    path = tmp_path / f"fashion-mnist_test.{form}"
    if form.endswith("zip"):
        method = zipfile.ZIP_STORED if form == "stored.zip" else zipfile.ZIP_DEFLATED
        make_zip(path, {"fashion-mnist_test.csv": kaggle}, compress_type=method)
    else:
        save(path, kaggle if form == "csv" else gzip.compress(kaggle.encode()))
    fashion = load_fashion_csv(path, as_frame=True)
    pd.testing.assert_frame_equal(fashion.frame, mini.frame)
    assert (fashion.feature_names, fashion.DESCR) == (mini.feature_names, mini.DESCR)
    X, y = load_fashion_csv(path, return_X_y=True)
    assert_array_equal(X, mini.data)
    assert_array_equal(y, mini.target)
    assert (X.dtype, y.dtype, X.flags.writeable) == (np.uint8, np.int64, True)
    assert [*tmp_path.glob("*.*")] == [path]  # nothing is unpacked to disk


@pytest.mark.parametrize("options", [{"index": False}, {}, {"compression": "gzip"}], ids=str)
def test_what_to_csv_writes_is_read(mini, tmp_path, options):
    path = tmp_path / "frame.csv"
    frame = mini.frame.set_index(np.arange(len(mini.frame)) + 70_000)  # no int16
    frame.to_csv(path, **options)
    pd.testing.assert_frame_equal(load_fashion_csv(path, as_frame=True).frame, mini.frame)


@pytest.mark.parametrize("n", [1, _csv._BLOCK_ROWS, _csv._BLOCK_ROWS + 1])
def test_any_number_of_rows(tmp_path, n):
    fashion = load_fashion_csv(save(tmp_path / "f.csv", "\n".join([HEADER, *[ROW] * n])))
    assert_array_equal(fashion.data, np.tile(np.arange(784) % 256, (n, 1)))
    assert fashion.target.tolist() == [9] * n


GRID = ",".join(f"{i}x{j}" for i in range(1, 29) for j in range(1, 29))


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff{GOOD}",
        GOOD.replace("\n", "\r\n"),
        f"{HEADER}\n\n{ROW}\n\n \n",
        '"' + GOOD.replace(",", '","').replace("\n", '"\n"')[:-1],
        GOOD.replace(",", ", "),
        f"{HEADER}\n{ROW.replace(',', '.0,')}.0",
        f"label,{GRID}\n{ROW}\n",
        f"{GRID},label\n{NUMBERS},9\n",
    ],
    ids=["BOM", "Windows", "blanks", "quotes", "spaces", "floats", "grid", "grid-last"],
)
def test_other_ways_to_write_the_same_are_read(tmp_path, content):
    X, y = load_fashion_csv(save(tmp_path / "f.csv", content), return_X_y=True)
    assert_array_equal(X, [np.arange(784) % 256])
    assert_array_equal(y, [9])


def test_path_is_a_string_or_path_relative_or_with_a_tilde(tmp_path):
    for name in ["f.csv", "~/f.csv", "../work/f.csv"]:
        save(Path(name).expanduser(), GOOD)
        for path in (name, Path(name)):
            assert load_fashion_csv(path).target.tolist() == [9]


# Archives


@pytest.mark.parametrize(
    ("subset", "labels"), [(None, [3, 4]), ("train", [3, 4]), ("test", [9]), ("all", [3, 4, 9])]
)
def test_of_kaggles_archive_the_subset_is_read(tmp_path, subset, labels):
    members = {
        "fashion-mnist_test.csv": GOOD,
        "fashion-mnist_train.csv": f"{HEADER}\n3,{NUMBERS}\n4,{NUMBERS}",
        "t10k-labels-idx1-ubyte": b"\0\0\x08\x01",
        "__MACOSX/._fashion-mnist_train.csv": b"x",
    }
    path = make_zip(tmp_path / "archive.zip", members)
    assert load_fashion_csv(path, subset=subset).target.tolist() == labels


def test_a_single_file_has_the_subset_of_its_name(tmp_path):
    path = save(tmp_path / "fashion-mnist_test.csv", GOOD)
    assert load_fashion_csv(path, subset="test").target.tolist() == [9]
    message = error_of(path, subset="all")
    assert "the CSV files 'fashion-mnist_test.csv'; expected one with 'train' in its" in message


BAD_ZIPS = {
    "several": ({"a.csv": GOOD, "b.csv": GOOD}, "holds the CSV files 'a.csv', 'b.csv'; expected"),
    "twice": (
        {"a/f.csv": GOOD, "b/f.csv": GOOD},
        "holds CSV files of the same name: 'a/f.csv', 'b/f.csv'",
    ),
    "no CSV": ({"f.txt": GOOD}, "holds no CSV file"),
    "bad CSV": ({"f.csv": f"{HEADER}\n9"}, "f.csv: line 2 has 1 fields"),
}


@pytest.mark.parametrize(("members", "finding"), BAD_ZIPS.values(), ids=BAD_ZIPS)
def test_bad_archive_is_named_with_finding_and_remedy(tmp_path, members, finding):
    assert finding in error_of(make_zip(tmp_path / "f.zip", members))


def test_damaged_archives(tmp_path, kaggle):
    path = make_zip(tmp_path / "f.zip", {"f.csv": kaggle})
    for content in (path.read_bytes(), gzip.compress(kaggle.encode())):
        for bad in (content[: len(content) // 2], content[:-20] + b"\xff" * 4 + content[-16:]):
            assert "is damaged or cannot be read" in error_of(save(tmp_path / "bad", bad))
    misnamed = make_zip(path, {"é.csv": kaggle}).read_bytes().replace("é".encode(), b"\xff\xff")
    assert "is damaged or cannot be read" in error_of(save(path, misnamed))
    encrypted = bytearray(make_zip(path, {"f.csv": GOOD}).read_bytes())
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(magic) + flags] |= 1
    assert "encrypted" in error_of(save(path, bytes(encrypted)))
    make_zip(path, {"f.csv": GOOD}, compress_type=zipfile.ZIP_LZMA)
    assert "is not compressed by deflate" in error_of(path)


@pytest.mark.parametrize("form", ["gz", "zip"])
@pytest.mark.parametrize(
    ("filling", "finding"),
    [
        ("0" * (1 << 16), "16,384 bytes or more"),
        ("\n" * (1 << 16), "holds more than 8,388,608 bytes of CSV"),
        (f"{ROW}\n" * 20, "holds more than 8,388,608 bytes of CSV"),
    ],
    ids=["one line", "blank lines", "rows"],
)
def test_bombs_cost_neither_memory_nor_time(tmp_path, monkeypatch, form, filling, finding):
    monkeypatch.setattr(_csv, "_MAX_BYTES", 1 << 23)
    content = f"{HEADER}\n{filling * 1000}".encode()
    path = tmp_path / f"bomb.{form}"
    if form == "gz":
        save(path, gzip.compress(content, 1))
    else:
        make_zip(path, {"f.csv": content})
    del content
    start = time.perf_counter()
    tracemalloc.start()
    try:
        assert finding in error_of(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30e6
    assert time.perf_counter() - start < 5


# What is wrong in the text


def with_cell(column, value):
    cells = ROW.split(",")
    cells[column] = value
    return ",".join(cells)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[(7, value) for value in ("256", "-1", "3.5", "NaN", "inf", "99999999999999999999")],
        *[(7, "1_0"), (7, "٣"), (7, " "), (784, ""), (0, "10"), (0, "Bag")],
    ],
)
def test_bad_cell_is_named_by_line_column_and_content(tmp_path, column, value):
    before = _csv._BLOCK_ROWS if value == "256" else 1
    lines = [HEADER, *[ROW] * before, with_cell(column, value), ROW]
    message = error_of(save(tmp_path / "f.csv", "\n".join(lines)))
    name, largest = (f"pixel{column}", 255) if column else ("label", 9)
    found = repr(value) if value.strip() else "empty"
    assert (
        f": line {before + 2}, column '{name}' is {found}, not a whole number from 0 to {largest}."
        in message
    )


SHORT = ROW.rsplit(",", 1)[0]
BAD_TEXT = {
    # What pandas would take for an index, drop or fill up
    "every row shifted": (f"{HEADER}\n0,{ROW}\n1,{ROW}\n", "line 2 has 786 fields, the header 785"),
    "one short row": (f"{HEADER}\n{ROW}\n{SHORT}\n{ROW}", "line 3 has 784 fields"),
    "quote left open": (f'{HEADER}\n{ROW}\n"{ROW}\n{ROW}', "is not CSV text"),
    "row over two lines": (f'{HEADER}\n{SHORT},"5\n",{NUMBERS}\n', "line 2 is not CSV text"),
    "comma in an index": (f',{HEADER}\n"0,1",{ROW}\n', "is not a table of images (a line has"),
    "extra column": (f"{HEADER},pixel785\n{ROW},1\n", "it has the extra columns 'pixel785'."),
    "misnamed column": (
        f"{HEADER.replace('label', 'class')}\n{ROW}\n",
        "lacks 'label' and has the extra columns 'class'.",
    ),
    "columns exchanged": (GOOD.replace("pixel2,pixel3,", "pixel3,pixel2,"), "in another order, or"),
    "no header": (f"{ROW}\n{ROW}\n", "lacks 'label', 'pixel1'"),
    "semicolons": (GOOD.replace(",", ";"), "The header must be label,pixel1,…,pixel784"),
    "empty": ("", "is empty"),
    "header and blank lines": (f"{HEADER}\n\n\n", "has a header but no rows"),
    "junk": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "is not CSV text: it begins with"),
    "long name": (f"{HEADER},{'x' * 8_000}\n{ROW},1", "has a wrong header"),
    "truth values": (
        f"{HEADER}\n{with_cell(7, 'True')}\n{with_cell(7, 'False')}",
        "line 2, column 'pixel7' is 'True'",
    ),
    "after blank lines": (
        f"{HEADER}\n\n{ROW}\n\n{with_cell(3, '300')}\n",
        "line 5, column 'pixel3' is '300'",
    ),
    "junk in a cell": (GOOD.encode()[:-2] + b"\xff", "is not CSV text"),
}


@pytest.mark.parametrize(("content", "finding"), BAD_TEXT.values(), ids=BAD_TEXT)
def test_bad_text_is_named_with_finding_and_remedy(tmp_path, content, finding):
    message = error_of(save(tmp_path / "f.csv", content))
    assert finding in message
    assert len(message) < 700


def test_a_missing_file_is_told(tmp_path):
    assert "does not exist" in error_of(tmp_path / "f.csv")


@pytest.mark.slow
def test_all_training_images_from_a_zip_of_kaggles_size(package, tmp_path):
    """In another order, as Kaggle's are, and without a second copy in wider numbers."""
    frame = fetch_fashion_mnist(data_home=package, as_frame=True).frame
    frame = frame.sample(frac=1, random_state=0)
    path = make_zip(tmp_path / "archive.zip", {"train.csv": frame.to_csv(index=False)})
    tracemalloc.start()
    try:
        X, y = load_fashion_csv(path, return_X_y=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert_array_equal(X, frame.drop(columns="label"))
    assert_array_equal(y, frame["label"])
    assert peak < 3 * X.nbytes
