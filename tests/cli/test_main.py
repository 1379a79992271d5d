"""The shell: what users type, and what they see."""

import os
import re
import subprocess
import sys

import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.dummy import DummyClassifier

from skfashion import FashionCNN, __version__, compare, make_baselines
from skfashion._cli.main import main
from skfashion.datasets import load_fashion_mini


@pytest.fixture
def csv(tmp_path):
    """Kaggle's format: 120 bundled images."""
    frame = load_fashion_mini(as_frame=True).frame.head(120)
    path = tmp_path / "fashion-mnist_train.csv"
    frame[["label", *frame.columns.drop("label")]].to_csv(path, index=False)
    return path


def test_compare_prints_a_row_for_all_and_writes_a_report(csv, tmp_path, capsys):
    folder = tmp_path / "out" / "deep"
    assert main(["compare", "--data", str(csv), "--cv", "3", "--output", str(folder)]) == 0
    out, err = capsys.readouterr()
    rows = out.splitlines()
    estimators = ["FashionCNN v1", "FashionCNN v2", *make_baselines()]
    names = "|".join(estimators)
    pattern = re.compile(rf"^({names})\s+0\.\d{{3}} \[-?0\.\d{{3}}, [01]\.\d{{3}}\] .*\d$")
    assert len([row for row in rows if pattern.match(row)]) == len(estimators)
    assert rows[-1] == f"Report: {folder / 'report.html'}"
    assert err.splitlines()[0] == "120 images, 3 stratified folds"
    assert len(err.splitlines()) == 1 + 3 * len(estimators)

    assert sorted(path.name for path in folder.iterdir()) == [
        "report.html",
        "scores.csv",
        "table.csv",
    ]
    table = pd.read_csv(folder / "table.csv", index_col="estimator")
    scores = pd.read_csv(folder / "scores.csv")
    assert len(scores) == 3 * len(estimators)
    means = scores.groupby("estimator")["score"].mean()
    assert_allclose(table["accuracy_mean"], means[table.index])
    page = (folder / "report.html").read_text(encoding="utf-8")
    command = f"skfashion compare --data {csv} --cv 3 --output {folder}"
    for told in (command, "Python 3.", "tensorflow 2.", "scikeras 0.", "cores, ", "120 images"):
        assert told in page


class TestOutputThatCannotBeWritten:
    @pytest.mark.parametrize("option", ["--output", "--memory"])
    def test_is_told_before_data_are_read(self, option, tmp_path, capsys):
        (tmp_path / "file").write_text("the user's own")
        for folder in (tmp_path / "file", tmp_path / "file" / "deep"):
            assert main(["compare", "--data", "missing.csv", option, str(folder)]) == 1
            out, err = capsys.readouterr()
            assert out == ""
            assert (
                err == f"skfashion: {option} {folder}: this is a file. Give the path of a folder.\n"
            )
        assert (tmp_path / "file").read_text() == "the user's own"


def test_test_images_that_are_not_there_are_told_before_any_training(csv, capsys):
    assert main(["compare", "--data", str(csv), "--test"]) == 1
    assert f"--test: {csv} has no test images" in capsys.readouterr().err


def test_reproduce_prints_its_epochs_beside_the_published(capsys):
    assert main(["reproduce", "v2", "--epochs", "2", "--data", "mini", "--seed", "3"]) == 0
    out, _ = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "v2, 6000 images, the last 20 % for validation"
    X, y = load_fashion_mini(return_X_y=True)
    clf = FashionCNN.v2(epochs=2, random_state=3)
    clf.fit(X[:4800], y[:4800], X_val=X[4800:], y_val=y[4800:])
    for epoch, published in ((1, ("0.6518", "0.7870")), (2, ("0.7585", "0.8083"))):
        ours = [f"{clf.history_[name][epoch - 1]:.4f}" for name in ("accuracy", "val_accuracy")]
        expected = [str(epoch), ours[0], published[0], ours[1], published[1]]
        assert lines[2 + epoch].split() == expected
    X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)
    assert lines[5] == f"test accuracy on 1000 images: {clf.score(X_test, y_test):.4f}"


def test_reproduction_marks_epochs_that_the_seed_left_out(csv, capsys):
    assert main(["reproduce", "v2", "--epochs", "6", "--data", str(csv)]) == 0
    out, _ = capsys.readouterr()
    assert out.splitlines()[8].split()[2::2] == ["-", "-"]
    assert "test accuracy" not in out


def test_data_that_cannot_be_read_are_an_error_in_one_line(tmp_path, capsys):
    """Above all, a folder without a copy is not silently replaced by a copy elsewhere."""
    for path in (tmp_path / "missing.csv", tmp_path):
        assert main(["compare", "--data", str(path)]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("skfashion: ")
        assert str(path) in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "--cv", "50"],
        ["reproduce", "v2", "--seed", "99999999999"],
    ],
)
def test_what_cannot_be_trained_is_an_error_in_one_line(arguments, csv, capsys):
    assert main([*arguments, "--data", str(csv)]) == 1
    _, err = capsys.readouterr()
    assert err.splitlines()[-1].startswith("skfashion: ")


def test_a_failed_estimator_is_told_below_the_table_and_by_the_exit_code(csv):
    done = subprocess.run(
        [sys.executable, "-m", "skfashion", "compare", "--cv", "2", "--data", str(csv)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "\nFashionCNN v2: RuntimeError: FashionCNN trains on TensorFlow" in done.stdout
    assert "\nkNN  " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required"),
        (["compare", "--cv", "1"], "'1' is not an integer of at least 2"),
        (["compare", "--n-jobs", "0"], "--n-jobs: '0' is not an integer other than 0"),
        (["compare", "--timeout", "-1"], "--timeout: '-1' is not a positive number of seconds"),
        (["reproduce", "v3"], "invalid choice: 'v3'"),
        (["reproduce", "v1", "--epochs", "many"], "'many' is not an integer of at least 1"),
    ],
)
def test_wrong_arguments_are_told_with_the_usage(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_the_module_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "skfashion", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == __version__


class TestCache:
    def test_shows_and_clears_what_memory_stored_and_nothing_else(
        self, images, small, tmp_path, capsys
    ):
        X, y = images
        for seed in (0, 1):
            FashionCNN(**{**small, "epochs": 3, "random_state": seed}, memory=tmp_path).fit(X, y)
        compare({"dummy": DummyClassifier()}, X, y, cv=2, memory=tmp_path)
        own = tmp_path / ".skfashion-cache" / "notes.txt"
        own.write_text("the user's own")
        others = tmp_path / "others" / "00001.weights"
        others.parent.mkdir()
        others.touch()
        (tmp_path / ".skfashion-cache" / ("0" * 40)).symlink_to(others.parent)
        stored = [
            path
            for path in tmp_path.glob(".skfashion-cache/*/*")
            if path.is_file() and not path.parent.is_symlink()
        ]
        size = f"{sum(path.stat().st_size for path in stored) / 1e6:.1f} MB"
        told = f"{tmp_path}: 2 trainings, 6 epochs, 2 fits of comparisons, {size}"
        assert main(["cache", str(tmp_path)]) == 0
        assert capsys.readouterr().out == f"{told}\n"
        assert all(path.exists() for path in stored)

        assert main(["cache", str(tmp_path), "--clear"]) == 0
        assert capsys.readouterr().out == f"{told} removed\n"
        assert {path for path in tmp_path.rglob("*") if path.is_file()} == {others, own}

        assert main(["cache", str(tmp_path)]) == 0
        assert " 0 trainings, 0 epochs, 0 fits of comparisons, 0.0 MB" in capsys.readouterr().out

    def test_expands_the_home_folder_as_memory_does(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "stored").mkdir()
        assert main(["cache", "~/stored"]) == 0
        assert capsys.readouterr().out.startswith(f"{tmp_path / 'stored'}: 0 trainings")
        with pytest.raises(SystemExit):
            main(["cache", ""])

    def test_a_path_that_is_no_directory_is_an_error(self, tmp_path, capsys):
        assert main(["cache", str(tmp_path / "none")]) == 1
        assert "none is not a directory" in capsys.readouterr().err
