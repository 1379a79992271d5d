"""The bundled images are real ones, balanced and shuffled, and come as scikit-learn's data do."""

import gzip
import pickle
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

import skfashion.datasets
from skfashion.datasets import CLASS_NAMES, DatasetError, _mini, load_fashion_mini

FOLDER = Path(skfashion.datasets.__file__).parent / "data"


@pytest.mark.parametrize(("subset", "n"), [("train", 6000), ("test", 1000), ("all", 7000)])
def test_every_ten_rows_hold_each_class_once(subset, n):
    fashion = load_fashion_mini(subset=subset)
    assert fashion.target.shape == (n,)
    blocks = fashion.target.reshape(-1, 10)
    assert (np.sort(blocks) == np.arange(10)).all()
    assert len({tuple(block) for block in blocks.tolist()}) > 0.99 * len(blocks)


def test_bunch_is_that_of_scikit_learn():
    fashion = load_fashion_mini()
    assert isinstance(fashion, Bunch)
    assert fashion.data.shape == (6000, 784)
    assert fashion.data.dtype == np.uint8
    assert fashion.images.shape == (6000, 28, 28)
    assert np.shares_memory(fashion.images, fashion.data)
    assert fashion.target.dtype == np.int64
    assert tuple(fashion.target_names) == CLASS_NAMES
    assert fashion.target_names[fashion.target].shape == (6000,)
    assert fashion.feature_names[0] == "pixel1"
    assert fashion.feature_names[-1] == "pixel784"
    assert fashion.frame is None
    assert "Zalando" in fashion.DESCR
    assert "MIT" in fashion.DESCR


def test_all_is_train_then_test():
    with pytest.raises(ValueError, match=r"'subset' parameter of load_fashion_mini .*Got 'Train'"):
        load_fashion_mini(subset="Train")
    whole = load_fashion_mini(subset="all")
    for subset, rows in {"train": slice(6000), "test": slice(6000, None)}.items():
        part = load_fashion_mini(subset=subset)
        np.testing.assert_array_equal(whole.data[rows], part.data)
        np.testing.assert_array_equal(whole.target[rows], part.target)


def test_arrays_belong_to_the_caller():
    first = load_fashion_mini(subset="test")
    before = first.data.copy()
    first.data[:] = 7
    first.target[:] = 7
    first.target_names[:] = "x"
    first.feature_names.clear()
    second = load_fashion_mini(subset="test")
    np.testing.assert_array_equal(second.data, before)
    assert set(second.target) == set(range(10))
    assert tuple(second.target_names) == CLASS_NAMES
    assert len(second.feature_names) == 784


def test_as_frame():
    plain = load_fashion_mini(subset="test")
    fashion = load_fashion_mini(subset="test", as_frame=True)
    assert isinstance(fashion.data, pd.DataFrame)
    assert list(fashion.data) == plain.feature_names
    assert (fashion.data.dtypes == np.uint8).all()
    assert isinstance(fashion.target, pd.Series)
    assert fashion.target.name == "label"
    np.testing.assert_array_equal(fashion.data, plain.data)
    np.testing.assert_array_equal(fashion.target, plain.target)
    assert list(fashion.frame) == [*plain.feature_names, "label"]
    pd.testing.assert_frame_equal(fashion.frame.drop(columns="label"), fashion.data)
    X, y = load_fashion_mini(subset="test", as_frame=True, return_X_y=True)
    pd.testing.assert_frame_equal(X, fashion.data)
    pd.testing.assert_series_equal(y, fashion.target)
    X, y = load_fashion_mini(subset="test", return_X_y=True)
    np.testing.assert_array_equal(X, plain.data)
    np.testing.assert_array_equal(y, plain.target)


@pytest.mark.parametrize("alone", [False, True])
def test_frame_changed_in_place_leaves_the_rest(alone):
    fashion = load_fashion_mini(subset="test", as_frame=True)
    before = fashion.images.copy()
    if alone:
        # While two frames share their memory, it is pandas 3 that keeps them apart.
        fashion.frame = None
    fashion.data.iloc[3, 400] ^= 255
    fashion.target.iloc[3] = 77
    np.testing.assert_array_equal(fashion.images, before)
    if not alone:
        rows = fashion.frame.drop(columns="label")
        np.testing.assert_array_equal(rows, before.reshape(1000, 784))
        assert fashion.frame["label"].max() == 9


def test_images_are_real_ones(package):
    """Each stands with its label in the original files."""
    for subset, prefix in {"train": "train", "test": "t10k"}.items():
        with gzip.open(package / f"{prefix}-images-idx3-ubyte.gz") as file:
            rows = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
        with gzip.open(package / f"{prefix}-labels-idx1-ubyte.gz") as file:
            labels = file.read()[8:]
        real = {row.tobytes(): label for row, label in zip(rows, labels, strict=True)}
        X, y = load_fashion_mini(subset=subset, return_X_y=True)
        assert [real[row.tobytes()] for row in X] == y.tolist()
        assert len({row.tobytes() for row in X}) == len(X)


def test_script_makes_the_shipped_files_again(package, tmp_path, monkeypatch, capsys):
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


def test_bundle_is_small_and_brings_its_licence():
    assert sum(path.stat().st_size for path in FOLDER.glob("*.gz")) < 4e6
    licence = (FOLDER / "LICENSE").read_text()
    assert "Copyright (c) 2017 Zalando SE" in licence
    assert "MIT" in licence


def test_damaged_bundle_is_reported(tmp_path, monkeypatch):
    folder = shutil.copytree(FOLDER, tmp_path / "data")
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    monkeypatch.setattr(_mini, "_FOLDER", folder)
    with pytest.raises(DatasetError, match=r"truncated.*install skfashion again") as caught:
        load_fashion_mini(subset="test")
    assert str(path) in str(caught.value)
    load_fashion_mini(subset="train")


def test_error_is_the_one_of_scikit_learn_and_can_be_pickled():
    error = pickle.loads(pickle.dumps(DatasetError("what and why")))
    assert isinstance(error, OSError)
    assert str(error) == "what and why"
