"""Kaggle's CSV gives the same arrays, and a file that is not exactly so an error saying where."""

import io
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skfashion.datasets import (
    DatasetError,
    _csv,
    fetch_fashion_mnist,
    load_fashion_csv,
    load_fashion_mini,
)

HEADER = ",".join(["label", *(f"pixel{i}" for i in range(1, 785))])
ROW = "9," + ",".join(str(i % 256) for i in range(784))


def csv_text(data, target):
    lines = [HEADER]
    lines += [
        f"{label},{','.join(map(str, row))}"
        for label, row in zip(target, data.tolist(), strict=True)
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def mini():
    return load_fashion_mini(subset="test")


@pytest.fixture(scope="module")
def mini_text(mini):
    return csv_text(mini.data, mini.target)


def save(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def zipped(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, **options)
    return path


def error_of(path):
    with warnings.catch_warnings(action="error"), pytest.raises(DatasetError) as caught:
        load_fashion_csv(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.rstrip(".").endswith(
        ("zalando-research/fashionmnist", "name the CSV file itself", "unpack it first", "folders")
    )
    return message


def test_arrays_are_those_of_the_other_sources(mini, mini_text, tmp_path):
    fashion = load_fashion_csv(save(tmp_path / "f.csv", mini_text))
    np.testing.assert_array_equal(fashion.data, mini.data)
    np.testing.assert_array_equal(fashion.target, mini.target)
    np.testing.assert_array_equal(fashion.images, mini.images)
    assert (fashion.data.dtype, fashion.target.dtype) == (np.uint8, np.int64)
    assert fashion.data.flags.writeable
    assert np.shares_memory(fashion.images, fashion.data)
    assert fashion.feature_names == mini.feature_names
    assert fashion.DESCR == mini.DESCR


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_gives_the_same_and_is_not_unpacked_to_disk(mini, mini_text, tmp_path, method):
    name = "fashion-mnist_test.csv"
    path = zipped(tmp_path / f"{name}.zip", {name: mini_text}, compress_type=method)
    before = sorted(tmp_path.rglob("*"))
    X, y = load_fashion_csv(path, return_X_y=True)
    np.testing.assert_array_equal(X, mini.data)
    np.testing.assert_array_equal(y, mini.target)
    assert sorted(tmp_path.rglob("*")) == before


def test_as_frame(mini, mini_text, tmp_path):
    path = save(tmp_path / "f.csv", mini_text)
    fashion = load_fashion_csv(path, as_frame=True)
    expected = load_fashion_mini(subset="test", as_frame=True)
    pd.testing.assert_frame_equal(fashion.frame, expected.frame)
    X, y = load_fashion_csv(path, as_frame=True, return_X_y=True)
    pd.testing.assert_frame_equal(X, expected.data)
    pd.testing.assert_series_equal(y, expected.target)


@pytest.mark.parametrize("n", [1, 2, _csv._BLOCK, _csv._BLOCK + 1])
def test_any_number_of_rows(tmp_path, n):
    fashion = load_fashion_csv(save(tmp_path / "f.csv", "\n".join([HEADER, *[ROW] * n])))
    assert fashion.data.shape == (n, 784)
    assert (fashion.data == np.arange(784) % 256).all()
    assert (fashion.target == 9).all()


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + f"{HEADER}\n{ROW}\n",
        f"{HEADER}\r\n{ROW}\r\n",
        f"{HEADER}\n{ROW}\n\n \n",
        '"' + HEADER.replace(",", '","') + '"\n"' + ROW.replace(",", '","') + '"\n',
        f"{HEADER}\n" + ROW.replace(",", ", "),
        f"{HEADER}\n" + ROW.replace(",", ".0,"),
    ],
    ids=["BOM", "Windows", "blank lines", "quotes", "spaces", "whole floats"],
)
def test_what_spreadsheets_do_to_a_file_does_no_harm(tmp_path, content):
    X, y = load_fashion_csv(save(tmp_path / "f.csv", content), return_X_y=True)
    np.testing.assert_array_equal(X, [np.arange(784) % 256])
    np.testing.assert_array_equal(y, [9])


def test_path_is_a_string_or_path_relative_or_with_a_tilde(tmp_path):
    for name in ["f.csv", "~/f.csv", "../work/f.csv"]:
        save(Path(name).expanduser(), f"{HEADER}\n{ROW}\n")
        for path in (name, Path(name)):
            assert load_fashion_csv(path).target.tolist() == [9]


def test_path_of_another_type_is_a_value_error():
    with pytest.raises(ValueError, match="'path' parameter of load_fashion_csv must be"):
        load_fashion_csv(3)


def with_cell(column, value):
    cells = ROW.split(",")
    cells[column] = value
    return ",".join(cells)


@pytest.mark.parametrize(
    ("column", "value", "finding"),
    [
        (7, "256", "is 256"),
        (7, "-1", "is -1"),
        (7, "3.5", "is '3.5'"),
        (7, "NaN", "is 'NaN'"),
        (7, "inf", "is 'inf'"),
        (7, "1e30", "is 1e+30"),
        (7, "", "is empty"),
        (7, " ", "is empty"),
        (784, "", "is empty"),
        (7, "abc", "is 'abc'"),
        (7, "True", "is 'True'"),
        (7, "99999999999999999999", "is 1e+20"),
        (7, "1_0", "is '1_0'"),
        (7, "٣", "is '٣'"),
        (0, "10", "is 10"),
        (0, "-1", "is -1"),
        (0, "Bag", "is 'Bag'"),
    ],
)
@pytest.mark.parametrize("before", [0, 1, _csv._BLOCK + 5])
def test_bad_cell_is_named_by_line_column_and_content(tmp_path, column, value, finding, before):
    lines = [HEADER, *[ROW] * before, with_cell(column, value), ROW]
    message = error_of(save(tmp_path / "f.csv", "\n".join(lines)))
    name = f"pixel{column}" if column else "label"
    highest = 255 if column else 9
    where = f"line {before + 2}, column '{name}'"
    assert f"{where} {finding}, not a whole number from 0 to {highest}" in message


@pytest.mark.parametrize("cell", ["True", "False"])
def test_a_whole_column_of_truth_values_is_no_column_of_numbers(tmp_path, cell):
    lines = [HEADER, *[with_cell(7, cell)] * 3]
    assert f"line 2, column 'pixel7' is '{cell}'" in error_of(
        save(tmp_path / "f.csv", "\n".join(lines))
    )


def test_line_numbers_count_blank_lines(tmp_path):
    content = f"{HEADER}\n\n{ROW}\n\n{with_cell(3, '300')}\n"
    assert "line 5, column 'pixel3' is 300" in error_of(save(tmp_path / "f.csv", content))


SHORT = ROW.rsplit(",", 1)[0]
BAD_TEXT = {
    # What pandas would take for an index without a word
    "every row shifted": (f"{HEADER}\n0,{ROW}\n1,{ROW}\n", "line 2 has 786 fields, the header 785"),
    "comma at the end": (f"{HEADER}\n{ROW},\n", "line 2 has 786 fields"),
    "one long row": (f"{HEADER}\n{ROW}\n{ROW},7\n", "line 3 has 786 fields"),
    # What pandas would fill up
    "one short row": (f"{HEADER}\n{ROW}\n{SHORT}\n{ROW}", "line 3 has 784 fields"),
    "cut in the last row": (f"{HEADER}\n{ROW}\n{ROW[:900]}", "line 3 has"),
    "quote left open": (f'{HEADER}\n{ROW}\n"{ROW}\n{ROW}', "line 3 is not CSV text"),
    "comma in quotes": (f"{HEADER}\n" + with_cell(5, '"1,2"')[:-4], "line 2 has 784 fields"),
    "index column": (f",{HEADER}\n0,{ROW}\n", "has a wrong header: has besides '';"),
    "missing column": (
        f"{HEADER.replace(',pixel9,', ',')}\n{SHORT}\n",
        "has a wrong header: lacks 'pixel9';",
    ),
    "extra column": (f"{HEADER},pixel785\n{ROW},1\n", "has besides 'pixel785';"),
    "misnamed column": (
        f"{HEADER.replace('label', 'class')}\n{ROW}\n",
        "lacks 'label'; has besides 'class';",
    ),
    "columns exchanged": (
        f"{HEADER.replace('pixel2,pixel3,', 'pixel3,pixel2,')}\n{ROW}\n",
        "has columns in the wrong place: column 3 is 'pixel3'",
    ),
    "label last": (
        f"{HEADER.removeprefix('label,')},label\n{ROW}\n",
        "has columns in the wrong place: column 1 is 'pixel1'",
    ),
    "column twice": (f"{HEADER},pixel784\n{ROW},1\n", "column 786 is 'pixel784'"),
    "no header": (f"{ROW}\n{ROW}\n", "lacks the header label,pixel1,…,pixel784"),
    "semicolons": (f"{HEADER}\n{ROW}\n".replace(",", ";"), "lacks the header"),
    "empty": ("", "is empty"),
    "header only": (f"{HEADER}\n", "has a header but not one row"),
    "header and blank lines": (f"{HEADER}\n\n\n", "has a header but not one row"),
    "junk": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "is not CSV text: it begins with"),
    "gzip": (b"\x1f\x8b\x08\0" + bytes(99), "is not CSV text"),
    "UTF-16": (f"{HEADER}\n{ROW}\n".encode("utf-16"), "is not CSV text"),
    "zeros": (bytes(1 << 20), "lacks the header"),
    "junk after the header": (f"{HEADER}\n".encode() + b"\xff" * 99, "line 2 has 1 fields"),
    "junk in a cell": (f"{HEADER}\n{ROW}".encode()[:-1] + b"\xff", "line 2 is not CSV text"),
    "lines in quotes": (
        f'{HEADER}\n{ROW[:-2]}"15\n"' + ",1" * 784,
        "line 2 is not CSV text",
    ),
    "line without end": (f"{HEADER}\n{'0' * 99_999}", "line 2 is longer than 65,536 bytes"),
}


@pytest.mark.parametrize(("content", "finding"), BAD_TEXT.values(), ids=BAD_TEXT)
def test_bad_text_is_named_with_finding_and_remedy(tmp_path, content, finding):
    assert finding in error_of(save(tmp_path / "f.csv", content))


GOOD = f"{HEADER}\n{ROW}\n"
BAD_ZIPS = {
    "other members": ({"f.csv": GOOD, "__MACOSX/._f.csv": "x"}, "has 2 members, not one: 'f.csv',"),
    "both files": ({"a.csv": GOOD, "b.csv": GOOD}, "has 2 members, not one"),
    "none": ({}, "has 0 members, not one: none"),
    "upwards": ({"../f.csv": GOOD}, "member that points out of the zip, '../f.csv'"),
    "upwards within": ({"a/../../f.csv": GOOD}, "points out of the zip"),
    "upwards on Windows": ({"..\\f.csv": GOOD}, "points out of the zip"),
    "absolute": ({"/tmp/f.csv": GOOD}, "points out of the zip, '/tmp/f.csv'"),
    "drive": ({"C:\\f.csv": GOOD}, "points out of the zip"),
    "no CSV": ({"f.txt": GOOD}, "holds 'f.txt', which is no CSV file"),
    "folder": ({"f.csv/": ""}, "which is no CSV file"),
    "empty CSV": ({"f.csv": ""}, "is empty"),
    "bad CSV": ({"f.csv": f"{HEADER}\n{SHORT}"}, "line 2 has 784 fields"),
}


@pytest.mark.parametrize(("members", "finding"), BAD_ZIPS.values(), ids=BAD_ZIPS)
def test_bad_zip_is_named_with_finding_and_remedy(tmp_path, members, finding):
    assert finding in error_of(zipped(tmp_path / "f.zip", members))


def test_zip_encrypted(tmp_path):
    path = zipped(tmp_path / "f.zip", {"f.csv": GOOD})
    content = bytearray(path.read_bytes())
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + flags] |= 1
    assert "is encrypted" in error_of(save(path, bytes(content)))


def test_zip_of_another_method(tmp_path):
    path = zipped(tmp_path / "f.zip", {"f.csv": GOOD}, compress_type=zipfile.ZIP_LZMA)
    assert "is compressed by method 14, not deflate" in error_of(path)


def test_zip_damaged(tmp_path, mini_text):
    content = zipped(tmp_path / "f.zip", {"f.csv": mini_text}).read_bytes()
    middle = len(content) // 2
    assert "is a damaged zip" in error_of(save(tmp_path / "cut.zip", content[:middle]))
    flipped = content[:middle] + b"\xff" * 50 + content[middle + 50 :]
    assert "is a damaged zip" in error_of(save(tmp_path / "flipped.zip", flipped))


def test_not_a_zip(tmp_path):
    assert "is not a zip: it begins with b'labe'" in error_of(save(tmp_path / "f.zip", GOOD))


def test_zip_bomb_of_one_line_costs_no_memory(tmp_path):
    path = zipped(tmp_path / "f.zip", {"f.csv": HEADER + "\n" + "0" * 100_000_000})
    tracemalloc.start()
    try:
        assert "line 2 is longer than" in error_of(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6


def test_zip_bomb_of_blank_lines_costs_no_time(tmp_path):
    took = {}
    for n_lines in (20_000_000, 20_000):
        path = zipped(tmp_path / f"{n_lines}.zip", {"f.csv": HEADER + "\n" * n_lines + ROW})
        start = time.perf_counter()
        assert "has more than 10,000 blank lines" in error_of(path)
        took[n_lines] = time.perf_counter() - start
    assert took[20_000_000] < 100 * took[20_000]  # read whole it would be 1,500


def test_names_are_told_in_short(tmp_path):
    assert len(error_of(save(tmp_path / "f.csv", f"{HEADER},{'x' * 50_000}\n{ROW},1"))) < 500
    assert len(error_of(zipped(tmp_path / "f.zip", {"x" * 50_000: "", "y": ""}))) < 500
    assert len(error_of(zipped(tmp_path / "f.zip", {"x" * 50_000: ""}))) < 500
    path = zipped(tmp_path / "f.zip", {"f.csv": bytes(99_999)}, compress_type=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[26:28] = b"\xff\xff"  # so long is the name, says what stands before the member
    assert len(error_of(save(path, bytes(content)))) < 500


def test_zip_bomb_is_refused_by_its_declared_size(tmp_path):
    path = tmp_path / "f.zip"
    zeros = bytes(1 << 24)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("f.csv", "w", force_zip64=True) as member,
    ):
        for _ in range(65):
            member.write(zeros)
    assert "expands to 1,090,519,040 bytes, more than the 1,073,741,824 allowed" in error_of(path)


def test_zip_that_declares_less_than_it_holds_is_damaged(tmp_path):
    path = zipped(tmp_path / "f.zip", {"f.csv": f"{GOOD}{ROW}\n"})
    content = path.read_bytes()
    size = len(f"{GOOD}{ROW}\n").to_bytes(4, "little")
    less = len(GOOD).to_bytes(4, "little")
    assert content.count(size) == 2
    assert "is a damaged zip" in error_of(save(path, content.replace(size, less)))


def test_missing_file_and_directory(tmp_path):
    assert "does not exist" in error_of(tmp_path / "f.csv")
    assert "is a directory, not a file" in error_of(tmp_path)


def test_no_permission(tmp_path, unprivileged):
    path = save(tmp_path / "f.csv", GOOD)
    path.chmod(0)
    with unprivileged():
        assert "permission denied" in error_of(path)


@pytest.mark.slow
def test_all_training_images_from_a_zip_of_kaggles_size(package, tmp_path):
    """In another order, as Kaggle's are, and without a second copy in 64-bit numbers."""
    fashion = fetch_fashion_mnist(data_home=package)
    order = np.random.RandomState(0).permutation(60_000)
    text = io.BytesIO()
    frame = pd.DataFrame(fashion.data[order], columns=fashion.feature_names)
    frame.insert(0, "label", fashion.target[order])
    frame.to_csv(text, index=False)
    path = zipped(tmp_path / "fashion-mnist_train.csv.zip", {"train.csv": text.getvalue()})
    del frame, text
    tracemalloc.start()
    try:
        X, y = load_fashion_csv(path, return_X_y=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(X, fashion.data[order])
    np.testing.assert_array_equal(y, fashion.target[order])
    assert peak < 3 * X.nbytes
