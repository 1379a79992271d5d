"""The shell: what users type, and what they see."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
from helpers import run_python
from numpy.testing import assert_allclose
from sklearn.dummy import DummyClassifier
from sklearn.svm import LinearSVC

from skfashion import FashionCNN, __version__, compare, make_baselines
from skfashion._cli import compare as _compare
from skfashion._cli.main import main
from skfashion._cli.parser import BASELINES, build_parser
from skfashion.datasets import _download, _fetch, load_fashion_mini


def test_compare_prints_a_row_for_all_and_writes_a_report(tmp_path, capsys):
    frame = load_fashion_mini(as_frame=True).frame
    csv, folder = tmp_path / "fashion-mnist_train.csv", tmp_path / "out" / "deep"
    frame[frame["label"].isin([2, 4, 6])].head(90).to_csv(csv, index=False)
    assert main(["compare", "--data", str(csv), "--cv", "3", "--output", str(folder)]) == 0
    out, err = capsys.readouterr()
    rows = out.splitlines()
    estimators = [*(f"FashionCNN v{n}" for n in (1, 2, 3)), *make_baselines()]
    names = "|".join(estimators)
    pattern = re.compile(rf"^({names})\s+0\.\d{{3}} \[-?0\.\d{{3}}, [01]\.\d{{3}}\] .*\d$")
    assert len([row for row in rows if pattern.match(row)]) == len(estimators)
    assert rows[-1] == f"Report: {folder / 'report.html'}"
    assert err.splitlines()[0] == "90 images, 3 stratified folds"
    assert len(err.splitlines()) == 1 + 3 * len(estimators)

    files = sorted(path.name for path in folder.iterdir())
    assert files == ["report.html", "scores.csv", "table.csv"]
    table = pd.read_csv(folder / "table.csv", index_col="estimator")
    scores = pd.read_csv(folder / "scores.csv")
    assert len(scores) == 3 * len(estimators)
    means = scores.groupby("estimator")["score"].mean()
    assert_allclose(table["accuracy_mean"], means[table.index])
    page = (folder / "report.html").read_text(encoding="utf-8")
    command = f"skfashion compare --data {csv} --cv 3 --output {folder}"
    for told in (command, "Python 3.", "tensorflow 2.", "scikeras 0.", "cores, ", "90 images"):
        assert told in page


class TestComparesWhatIsAskedFor:
    def test_networks_baselines_epochs_folds_and_metrics_as_json(self, csv, tmp_path, capsys):
        command = ["compare", "--data", csv, "--json", "--networks", "v2", "--epochs", "2"]
        command += ["--baselines", "naive Bayes", "dummy", "--folds", "2"]
        command += ["--scoring", "f1_macro", "accuracy", "--output", str(tmp_path)]
        assert main(command) == 0
        out, err = capsys.readouterr()
        found = json.loads(out)
        assert {row["estimator"] for row in found["table"]} == {
            "FashionCNN v2",
            "naive Bayes",
            "dummy",
        }
        assert [row["f1_macro_mean"] for row in found["table"]] == sorted(
            (row["f1_macro_mean"] for row in found["table"]), reverse=True
        )
        assert found["table"][0]["f1_macro_p_value"] is None
        assert {score["metric"] for score in found["scores"]} == {"f1_macro", "accuracy"}
        assert {score["fold"] for score in found["scores"]} == {0, 1}
        assert found["interrupted"] is False
        assert found["facts"]["folds"] == "2, stratified"
        assert len(err.splitlines()) == 1 + 2 * 3
        assert (tmp_path / "report.html").exists()

    def test_nothing_but_the_table_if_quiet(self, csv, capsys):
        command = ["compare", "--data", csv, "--networks", "none", "--baselines", "dummy"]
        assert main([*command, "--quiet"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert "\ndummy " in out
        assert "FashionCNN" not in out

    def test_a_misspelled_metric_gets_a_suggestion(self, csv, capsys):
        assert main(["compare", "--data", csv, "--scoring", "acuracy"]) == 1
        assert "Did you mean 'accuracy'" in capsys.readouterr().err

    def test_baselines_are_those_of_the_library(self):
        assert list(BASELINES) == list(make_baselines())


# What is wrong with options and files is told before any work: no command gets as far as to the
# data, which are missing, but where they are what is wrong.
IS_A_FILE = ": this is a file. Give the path of a folder."


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("compare --data missing --output photo", f"--output photo{IS_A_FILE}"),
        ("compare --data missing --memory photo/deep", f"--memory photo/deep{IS_A_FILE}"),
        ("train --data missing --output new --memory photo", f"--memory photo{IS_A_FILE}"),
        ("train --data missing --output .", "--output . is a folder"),
        ("train --data minni --output new", "--data minni: does not exist. Did you mean mini?"),
        ("train --data missing --output photo/new", f"the folder of --output, photo{IS_A_FILE}"),
        ("compare --data missing", "missing: does not exist"),
        ("compare --data .", ".: has none of the four files"),
        ("compare --networks none --baselines none", "there is nothing to compare"),
        ("compare --test --data {csv}", "--test: {csv} has no test images."),
        ("compare --cv 50 --data {csv}", "--folds 50: no class has more than"),
        ("predict missing photo", "No such file or directory: 'missing'"),
        ("predict photo photo", "photo cannot be loaded: it is not a model"),
        ("predict --background #12 {model} photo", "background='#12'"),
        ("cache missing", "missing is not a directory"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    command, message, csv, model, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo").write_text("the user's own")
    assert main([word.format(csv=csv, model=model) for word in command.split()]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    assert line.startswith("skfashion: ")
    assert message.format(csv=csv) in line
    assert "Errno" not in line
    assert (tmp_path / "photo").read_text() == "the user's own"


def test_a_failed_download_of_the_full_data_names_the_bundled_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for variable in ("HOME", "KERAS_HOME", "SCIKIT_LEARN_DATA"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.delenv("SKFASHION_DATA", raising=False)
    monkeypatch.setattr(_fetch, "_SYSTEM_FOLDER", tmp_path / "no-system-package")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(_download, "MIRRORS", ("http://127.0.0.1:9/",))  # where nobody listens
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    assert main(["train", "--output", "model"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    *_, last = lines = err.splitlines()
    told = "skfashion: There is no copy of Fashion-MNIST on this machine, and none was downloaded."
    assert told in lines
    assert last.endswith(": --data mini.")


def test_reproduce_prints_its_epochs_beside_the_published(capsys):
    assert main(["reproduce", "v2", "--epochs", "1", "--data", "mini", "--seed", "3"]) == 0
    out, _ = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "v2, 6000 images, the last 20 % for validation"
    X, y = load_fashion_mini(return_X_y=True)
    clf = FashionCNN.v2(epochs=1, random_state=3)
    clf.fit(X[:4800], y[:4800], X_val=X[4800:], y_val=y[4800:])
    [accuracy], [val_accuracy] = clf.history_["accuracy"], clf.history_["val_accuracy"]
    assert lines[3].split() == ["1", f"{accuracy:.4f}", "0.6518", f"{val_accuracy:.4f}", "0.7870"]
    X_test, y_test = load_fashion_mini(subset="test", return_X_y=True)
    assert lines[4] == f"test accuracy on 1000 images: {clf.score(X_test, y_test):.4f}"


def test_kaggles_archive_has_test_images(csv, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = Path(csv).read_text().splitlines(keepends=True)
    with ZipFile("archive.zip", "w") as archive:
        archive.writestr("fashion-mnist_train.csv", "".join(lines[:101]))
        archive.writestr("fashion-mnist_test.csv", "".join(lines[:1] + lines[101:]))
    train = "train --network v2 --epochs 1 --output model --data"
    assert main([*train.split(), "archive.zip"]) == 0
    assert "test accuracy on 20 images" in capsys.readouterr().out


def test_reproduction_marks_epochs_that_the_seed_left_out(csv, capsys):
    assert main(["reproduce", "v2", "--epochs", "6", "--data", csv]) == 0
    out, _ = capsys.readouterr()
    assert out.splitlines()[8].split()[2::2] == ["-", "-"]
    assert "test accuracy" not in out


def test_a_failed_estimator_is_told_below_the_table_and_by_the_exit_code(csv, monkeypatch, capsys):
    few = {"broken": LinearSVC(C=-1), "dummy": DummyClassifier()}
    monkeypatch.setattr(_compare, "make_baselines", lambda random_state: few)
    assert main(["compare", "--cv", "2", "--data", csv]) == 1
    out, _ = capsys.readouterr()
    assert "\nbroken: InvalidParameterError: The 'C' parameter" in out
    assert "\ndummy  " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--cv", "1"], "'1' is not an integer of at least 2"),
        (["compare", "--n-jobs", "0"], "--n-jobs: '0' is not an integer other than 0"),
        (["compare", "--timeout", "-1"], "--timeout: '-1' is not a positive number of seconds"),
        (["compare", "--seed", "4294967296"], "--seed: '4294967296' is not an integer from 0 to"),
        (["reproduce", "v3"], "invalid choice: 'v3'"),
        (["coompare"], "). Did you mean compare?"),
        (["compare", "--baselines", "knn"], "). Did you mean kNN?"),
        (["compare", "--baselines", "randomforest"], "). Did you mean random forest?"),
        (["predict", "--invert", "yess", "model", "photo"], "). Did you mean yes?"),
        (
            ["compare", "--sede=1"],
            "skfashion compare: error: unrecognized arguments: --sede=1. Did",
        ),
        (["--versoin"], "unrecognized arguments: --versoin. Did you mean --version?"),
        (["reproduce", "v1", "--epochs", "many"], "'many' is not an integer of at least 1"),
    ],
)
def test_wrong_arguments_are_told_with_the_usage(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_the_module_runs_as_a_command():
    command = [sys.executable, "-m", "skfashion", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


def test_without_arguments_the_command_shows_its_help_and_examples(capsys):
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    examples = re.findall(r"^  skfashion (.*)$", out, re.MULTILINE)
    assert len(examples) == 3
    for example in examples:
        build_parser().parse_args(example.split("  ")[0].split())


def test_the_help_lists_nothing_but_the_commands(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    main([])
    listed = capsys.readouterr().out.partition("\ncommands:\n")[2].partition("\n\n")[0]
    names = [line.split()[0] for line in listed.splitlines()]
    assert names == ["compare", "reproduce", "train", "predict", "cache", "info"]


@pytest.mark.parametrize(
    ("command", "default"), [("compare", "mini"), ("reproduce", "full"), ("train", "full")]
)
def test_the_help_of_data_ends_with_its_default(command, default, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"(to train on your own pictures, use Python); default: {default} " in f"{text} "


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("re", {"reproduce"}),
        ("compare --sc", {"--scoring"}),
        ("compare --sede 1 --networks v", {"v1", "v2", "v3"}),
        ("compare --baselines kNN RBF", {r"RBF\ SVC"}),
        ("predict mod", {"model"}),
    ],
)
def test_the_shell_completes_commands_options_choices_and_files(typed, completed, tmp_path):
    pytest.importorskip("argcomplete")
    (tmp_path / "model").touch()
    line, answer = f"skfashion {typed}", tmp_path / "answer"
    environment = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    command = [sys.executable, "-m", "skfashion"]
    subprocess.run(command, env={**os.environ, **environment}, cwd=tmp_path, check=True)
    assert {word.strip() for word in answer.read_text().splitlines()} == completed


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["train", "--help"], ["trein"]])
def test_help_and_mistakes_load_nothing_heavy(arguments):
    out = run_python(f"""
        import sys
        from contextlib import redirect_stderr, redirect_stdout, suppress
        from io import StringIO
        from skfashion._cli.main import main
        with suppress(SystemExit), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            main({arguments})
        heavy = {{"numpy", "sklearn", "pandas", "matplotlib", "PIL", "tensorflow", "rich"}}
        print(sorted(heavy & set(sys.modules)))
    """)
    assert out.strip() == "[]"


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

    def test_clears_all_or_keeps_the_newest_but_does_not_guess_which(self, tmp_path, capsys):
        with pytest.raises(SystemExit):
            main(["cache", str(tmp_path), "--clear", "--max-size", "10GB"])
        assert "not allowed with argument --clear" in capsys.readouterr().err

    def test_expands_the_home_folder_as_memory_does(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "stored").mkdir()
        assert main(["cache", "~/stored"]) == 0
        assert capsys.readouterr().out.startswith(f"{tmp_path / 'stored'}: 0 trainings")
        with pytest.raises(SystemExit):
            main(["cache", ""])


def test_info_names_the_machine_and_what_is_installed(capsys):
    assert main(["info"]) == 0
    machine, versions = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"machine: .+, \d+ cores, .+", machine)
    for name in ("Python", "skfashion", "scikit-learn", "tensorflow", "keras", "scikeras"):
        assert re.search(rf"[ ]{name} \d", versions)
