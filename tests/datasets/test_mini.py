"""The bundled images are real ones, balanced and shuffled, and come as scikit-learn's data do."""

import gzip
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

import skfashion.datasets
from skfashion.datasets import (
    CLASS_NAMES,
    DatasetError,
    _mini,
    fetch_fashion_mnist,
    load_fashion_csv,
    load_fashion_mini,
)

FOLDER = Path(skfashion.datasets.__file__).parent / "data"


@pytest.mark.parametrize(("subset", "n"), [("train", 6000), ("test", 1000), ("all", 7000)])
def test_every_ten_rows_hold_each_class_once_in_random_order(subset, n):
    y = load_fashion_mini(subset=subset, return_X_y=True)[1]
    assert y.shape == (n,)
    blocks = y.reshape(-1, 10)
    assert (np.sort(blocks) == np.arange(10)).all()
    assert len({tuple(block) for block in blocks.tolist()}) > 0.99 * len(blocks)


def test_bunch_is_that_of_scikit_learn():
    fashion = load_fashion_mini()
    assert isinstance(fashion, Bunch)
    assert (fashion.data.shape, fashion.data.dtype) == ((6000, 784), np.uint8)
    assert fashion.images.shape == (6000, 28, 28)
    assert np.shares_memory(fashion.images, fashion.data)
    assert fashion.target.dtype == np.int64
    assert tuple(fashion.target_names) == CLASS_NAMES
    assert fashion.feature_names == [f"pixel{i}" for i in range(1, 785)]
    assert fashion.frame is None
    assert "Zalando" in fashion.DESCR
    assert "MIT" in fashion.DESCR


def test_all_is_train_then_test():
    whole, train, test = (
        load_fashion_mini(subset=subset, return_X_y=True) for subset in ("all", "train", "test")
    )
    for array, *parts in zip(whole, train, test, strict=True):
        np.testing.assert_array_equal(array, np.concatenate(parts))


@pytest.mark.parametrize(
    ("load", "name", "value"),
    [
        (load_fashion_mini, "subset", "Train"),
        (load_fashion_mini, "as_frame", 2),
        (load_fashion_csv, "path", 3),
        (fetch_fashion_mnist, "data_home", 3),
        (fetch_fashion_mnist, "n_retries", -1),
        (fetch_fashion_mnist, "delay", -0.5),
    ],
)
def test_wrong_argument_is_a_value_error_that_names_it(load, name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of {load.__name__} must be"):
        load(**{name: value})


def test_arrays_belong_to_the_caller():
    first, expected = (load_fashion_mini(subset="test") for _ in range(2))
    for array in (first.data, first.target, first.target_names):
        array[:] = 7
    first.feature_names.clear()
    second = load_fashion_mini(subset="test")
    for name in ("data", "target", "target_names", "feature_names"):
        np.testing.assert_array_equal(second[name], expected[name])


def test_as_frame():
    plain = load_fashion_mini(subset="test")
    fashion = load_fashion_mini(subset="test", as_frame=True)
    expected = pd.DataFrame(plain.data, columns=plain.feature_names)
    pd.testing.assert_frame_equal(fashion.data, expected)
    pd.testing.assert_series_equal(fashion.target, pd.Series(plain.target, name="label"))
    pd.testing.assert_frame_equal(fashion.frame, expected.assign(label=plain.target))
    X, y = load_fashion_mini(subset="test", as_frame=True, return_X_y=True)
    pd.testing.assert_frame_equal(X, fashion.data)
    pd.testing.assert_series_equal(y, fashion.target)


def test_a_frame_changed_in_place_leaves_the_images():
    fashion = load_fashion_mini(subset="test", as_frame=True)
    images = fashion.images.copy()
    # While two frames share their memory, it is pandas 3 that keeps them apart.
    fashion.frame = None
    fashion.data.iloc[3, 400] ^= 255
    np.testing.assert_array_equal(fashion.images, images)


def test_script_makes_the_shipped_files_again_from_the_real_ones(
    package, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("SKFASHION_DATA", str(package))
    monkeypatch.setattr(sys, "argv", ["make_mini.py", str(tmp_path)])
    # At its highest level zlib takes ten seconds, and the level is not what is tested.
    monkeypatch.setattr(gzip, "compress", lambda content, **_: content)
    runpy.run_path(str(FOLDER / "make_mini.py"), run_name="__main__")
    made = {path.name: path.read_bytes() for path in tmp_path.glob("*.gz")}
    assert made == {path.name: gzip.decompress(path.read_bytes()) for path in FOLDER.glob("*.gz")}
    assert len(made) == 4
    printed = capsys.readouterr().out
    assert all(file.sha256 in printed for part in _mini.FILES.values() for file in part)


def test_damaged_bundle_is_reported(tmp_path, monkeypatch):
    folder = shutil.copytree(FOLDER, tmp_path / "data")
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    monkeypatch.setattr(_mini, "_FOLDER", folder)
    with pytest.raises(DatasetError, match=r"damaged.*install skfashion again") as caught:
        load_fashion_mini(subset="test")
    assert str(path) in str(caught.value)
    load_fashion_mini(subset="train")
