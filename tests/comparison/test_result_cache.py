"""With memory a comparison does no finished fit again, whatever ended it, and tells the same."""

import io
import os
import random
import signal
import sys
import textwrap
import time
import uuid
import warnings
from hashlib import sha256
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import make_images, run_function, run_python
from PIL import Image
from sklearn.metrics import make_scorer
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skfashion import FashionCNN, compare
from skfashion.datasets import ImageFileReader

IMAGES, LABELS = make_images()
ROWS = IMAGES.reshape(120, -1)


class Counted(GaussianNB):
    """Leaves a file for each fit, in a folder that it goes into; there "broken" makes it fail."""

    def __init__(self, folder, *, priors=None, var_smoothing=1e-9):
        super().__init__(priors=priors, var_smoothing=var_smoothing)
        self.folder = folder

    def fit(self, X, y, sample_weight=None):
        os.chdir(self.folder)
        Path(uuid.uuid4().hex).touch()
        if Path("broken").exists():
            raise RuntimeError("not yet")
        return super().fit(X, y, sample_weight)


class Abstaining(GaussianNB):
    def predict(self, X):
        return np.full(len(X), -1)


def sum_of_rows(estimator, X, y):
    return float(np.sum(X))


@pytest.fixture
def counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fits").mkdir()
    return Counted(str(tmp_path / "fits"))


@pytest.fixture
def cached(counted, tmp_path):
    """`compare` with memory and three folds, and how often it fitted the counted estimator."""

    def cached(estimators=None, X=ROWS, y=LABELS, **how):
        before = len([*Path(counted.folder).iterdir()])
        estimators = estimators or {"counted": counted}
        found = compare(estimators, X, y, **{"cv": 3, "memory": tmp_path / "memory", **how})
        return found, len([*Path(counted.folder).iterdir()]) - before

    return cached


def assert_same(one, other):
    for name in ("table", "scores", "histories", "predictions"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    assert one.out_of_fold.keys() == other.out_of_fold.keys()
    for name, probabilities in one.out_of_fold.items():
        np.testing.assert_array_equal(probabilities, other.out_of_fold[name])


class TestAnEqualCall:
    @pytest.mark.parametrize("dtype", [str, object])
    def test_fits_nothing_and_tells_the_same_with_times_and_epochs(
        self, cached, counted, small, capsys, dtype
    ):
        estimators = {
            "counted": counted,
            "scaled": make_pipeline(MinMaxScaler(), counted),
            "network": FashionCNN(**{**small, "epochs": 2}),
        }
        y = np.array(["a", "bc", "d"], dtype=dtype)[LABELS]
        how = {"y": y, "X_test": ROWS[:40], "y_test": y[:40]}
        how["scoring"] = ["accuracy", "neg_log_loss"]
        first, fits = cached(estimators, **how)
        assert fits == 2 * (3 + 1)
        again, fits = cached(estimators, **how, verbose=1)
        assert fits == 0
        assert_same(again, first)
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 12
        assert all(line.endswith(" s, from memory") for line in lines)

    def test_fits_nothing_in_other_processes_with_other_threads(self, cached):
        """Baselines do not depend on their number, which `n_jobs` shares out."""
        first, _ = cached()
        for how in ({"n_jobs": 2}, {"n_jobs": 2, "timeout": 60}):
            again, fits = cached(**how)
            assert fits == 0
            pd.testing.assert_frame_equal(again.table, first.table)

    def test_does_not_depend_on_names(self, cached, counted):
        first, fits = cached({"one": counted, "other": counted})
        assert fits == 3
        renamed, fits = cached({"another": counted})
        assert fits == 0
        assert renamed.scores["score"].tolist() == first.scores["score"].tolist()[:3]


class TestAnotherMetric:
    @pytest.mark.parametrize(
        "metric",
        [
            "f1_macro",
            "roc_auc_ovr",
            ["neg_log_loss", "balanced_accuracy"],
            make_scorer(lambda y, predictions: np.mean(y == predictions) / 2),
        ],
        ids=["labels", "probabilities", "several", "own"],
    )
    def test_costs_no_fit(self, cached, metric):
        test_set = {"X_test": ROWS[::2], "y_test": LABELS[::2]}
        cached(**test_set)
        found, fits = cached(**test_set, scoring=metric)
        assert fits == 0
        expected, _ = cached(**test_set, scoring=metric, memory=None)
        pd.testing.assert_series_equal(found.scores["score"], expected.scores["score"])
        tests = [name for name in found.table.columns if name.startswith("test_")]
        pd.testing.assert_frame_equal(found.table[tests], expected.table[tests])

    def test_that_sees_estimator_and_rows_costs_one_that_is_kept(self, cached):
        cached()
        for expected in (3, 0):
            found, fits = cached(scoring={"sum": sum_of_rows, "f1": "f1_macro"})
            assert fits == expected
            assert (found.scores.query("metric == 'sum'")["score"] > 1e5).all()


class TestAnotherCall:
    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({"cv": StratifiedKFold(3, shuffle=True, random_state=0)}, 3),
            ({"X": make_images(seed=1)[0].reshape(120, -1)}, 3),
            ({"y": LABELS[::-1]}, 3),
            ({"params": {"sample_weight": np.linspace(0.01, 9, 120)}}, 3),
            ({"X_test": ROWS, "y_test": LABELS}, 1),
        ],
        ids=["folds", "X", "y", "metadata", "test set"],
    )
    def test_fits_what_is_new(self, cached, changed, expected):
        cached()
        found, fits = cached(**changed)
        assert fits == expected
        plain, _ = cached(**changed, memory=None)
        pd.testing.assert_series_equal(found.scores["score"], plain.scores["score"])

    def test_has_other_parameters(self, cached, counted):
        cached()
        assert cached({"counted": counted.set_params(var_smoothing=0.1)})[1] == 3

    def test_trains_networks_anew_in_another_environment_but_no_baseline(
        self, cached, counted, small, monkeypatch, capsys
    ):
        estimators = {"network": make_pipeline(FashionCNN(**small)), "counted": counted}
        cached(estimators)
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
        cached(estimators, verbose=1)
        lines = capsys.readouterr().err.splitlines()
        assert [line.endswith("from memory") for line in lines] == [False] * 3 + [True] * 3

    def test_has_other_photos_of_the_same_names(self, cached, counted, tmp_path):
        photos = [str(tmp_path / f"{number}.png") for number in range(6)]
        estimators = {"photos": make_pipeline(ImageFileReader(), counted)}
        for seed in (0, 1):
            for path, image in zip(photos, make_images(n=6, seed=seed, side=28)[0], strict=True):
                Image.fromarray(image).save(path)
            for kind in (list, np.array):
                found = [
                    cached(estimators, X=kind(photos), y=LABELS[:6], cv=2)[1] for _ in range(2)
                ]
                assert found == [2, 0]


def run_script(path, code):
    """What a script prints in a process of its own."""
    path.write_text(textwrap.dedent(code))
    return run_python(
        f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')",
        PYTHONPATH=os.pathsep.join([str(path.parent), *filter(None, sys.path)]),
        PYTHONDONTWRITEBYTECODE="1",
    )


def test_code_of_ones_own_counts_with_all_modules_but_not_the_script_that_compares(tmp_path):
    helper = tmp_path / "helper.py"
    helper.write_text("def shift(X): return X + 1")
    (tmp_path / "mine.py").write_text(
        "from helper import shift\n"
        "from sklearn.naive_bayes import GaussianNB\n"
        "class Mine(GaussianNB):\n"
        "    def fit(self, X, y):\n"
        "        return super().fit(shift(X), y)\n"
    )

    def from_memory(edit=""):
        code = f"""
            import contextlib, sys, warnings
            from helpers import make_images
            from mine import Mine
            from sklearn.dummy import DummyClassifier
            from skfashion import compare
            warnings.simplefilter("ignore")
            X, y = make_images()
            estimators = {{"mine": Mine(), "dummy": DummyClassifier()}}
            how = {{"cv": 2, "memory": {str(tmp_path / "memory")!r}, "verbose": 1}}
            with contextlib.redirect_stderr(sys.stdout):
                {edit}
                compare(estimators, X.reshape(120, -1), y, **how)
        """
        lines = run_script(tmp_path / "script.py", code).splitlines()
        return [line.endswith("from memory") for line in lines]

    assert from_memory() == [False, False, False, False]
    assert from_memory(edit="pass") == [True, True, True, True]
    # What is loaded is no longer what the file says: nothing is taken, and nothing kept.
    edit = f"open({str(helper)!r}, 'w').write('def shift(X): return X - 1')"
    assert from_memory(edit) == [False, False, True, True]
    assert from_memory() == [False, False, True, True]


def test_classes_of_a_notebook_are_not_kept_and_that_is_told(tmp_path):
    out = run_python(f"""
        import warnings
        from helpers import make_images
        from sklearn.naive_bayes import GaussianNB
        from skfashion import compare
        class Mine(GaussianNB): pass
        X, y = make_images()
        with warnings.catch_warnings(record=True) as told:
            compare({{"mine": Mine()}}, X.reshape(120, -1), y, cv=2, memory={str(tmp_path)!r})
        print(told[0].message)
    """)
    assert "'mine' are not stored" in out
    assert "__main__ has no file: define classes and functions in a module." in out


class TestWhatCannotBeKept:
    def test_is_a_failure(self, cached, tmp_path):
        (tmp_path / "fits" / "broken").touch()
        assert cached()[0].table["error"].tolist() == ["RuntimeError: not yet"]
        (tmp_path / "fits" / "broken").unlink()
        assert cached()[0].table["error"].tolist() == [""]

    @pytest.mark.parametrize(
        ("estimators", "how", "told", "expected"),
        [
            ({}, {"scoring": lambda *of: 0.5}, r"fits are not stored, because .*lambda", 3),
            ({"local": type("Local", (GaussianNB,), {})()}, {}, "fits of 'local' are not", 0),
            ({"abstaining": Abstaining()}, {}, ".*cannot be stored.*unseen labels", 0),
        ],
        ids=["metric without a name", "class without a name", "labels that y has not"],
    )
    def test_harms_no_other_and_is_told(self, cached, counted, estimators, how, told, expected):
        for _ in range(2):
            with pytest.warns(UserWarning, match=f"memory: {told}") as warned:
                found, fits = cached({**estimators, "counted": counted}, **how)
            assert {warning.filename for warning in warned} == {__file__}
            assert (found.table["error"] == "").all()
        assert fits == expected

    def test_is_what_finds_no_room_and_leaves_no_half_file(self, cached, full):
        folder = full("memory", size="16k")
        with pytest.warns(UserWarning, match="fits cannot be stored in .*No space left on device"):
            found, _ = cached(memory=folder)
        expected, _ = cached(memory=None)
        assert found.scores["score"].tolist() == expected.scores["score"].tolist()
        files = [*folder.glob(".skfashion-cache/fits/*")]
        assert {path.suffix for path in files} == {".fit"}
        with warnings.catch_warnings(record=True, action="always") as told:
            assert 0 < cached(memory=folder)[1] == 3 - len(files) < 3
        assert not [warning for warning in told if "cannot be used" in str(warning.message)]

    def test_is_what_may_not_be_written_but_what_is_there_is_read(
        self, cached, tmp_path, read_only
    ):
        first, _ = cached()
        with read_only(tmp_path / "memory"), warnings.catch_warnings(action="error"):
            again, fits = cached()
        pd.testing.assert_frame_equal(again.table, first.table)
        assert fits == 0
        with read_only(tmp_path / "memory"), pytest.warns(match="Read-only file system"):
            assert cached(cv=2)[0].table["error"].tolist() == [""]

    @pytest.mark.parametrize(
        ("damage", "told"),
        [
            (lambda path, other: path.write_bytes(path.read_bytes()[:50]), "checksum"),
            (lambda path, other: path.write_bytes(flipped(path.read_bytes())), "checksum"),
            (lambda path, other: path.write_bytes(sealed(no="fit")), "header"),
            (lambda path, other: path.write_bytes(sealed(header=[object()])), "allow_pickle"),
            (lambda path, other: path.write_bytes(other.read_bytes()), "another fit"),
        ],
        ids=["cut", "one bit", "foreign", "pickle", "of another fit"],
    )
    def test_is_what_was_damaged(self, cached, tmp_path, damage, told):
        first, _ = cached()
        damaged, other, _ = (tmp_path / "memory").rglob("*.fit")
        damage(damaged, other)
        with pytest.warns(UserWarning, match=rf"{damaged.name} cannot be used: .*{told}"):
            again, fits = cached()
        assert fits == 1
        assert again.scores["score"].tolist() == first.scores["score"].tolist()
        assert cached()[1] == 0


def flipped(content):
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def sealed(**arrays):
    """The content of a file whose checksum is right, whatever else is not."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return sha256(file.getvalue()).digest() + file.getvalue()


class TestMemory:
    def test_is_a_path_or_a_joblib_memory(self, cached, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert cached(memory=tmp_path / "m")[1] == 3
        for same in (str(tmp_path / "m"), "~/m", joblib.Memory(tmp_path / "m", verbose=0)):
            assert cached(memory=same)[1] == 0
        assert cached(memory=joblib.Memory(None))[1] == 3
        monkeypatch.chdir(tmp_path)
        cached(memory="relative")  # to where the call was, not to where a fit goes
        assert len(list((tmp_path / "relative").rglob("*.fit"))) == 3

    def test_that_cannot_be_made_is_an_error_before_any_fit(self, cached, counted, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OSError, match="file"):
            cached(memory=tmp_path / "file" / "deep")
        assert not [*Path(counted.folder).iterdir()]


class Slow(Counted):
    def fit(self, X, y):
        time.sleep(0.02)
        return super().fit(X, y)


def score_slow_ones(folder, n):
    estimators = {str(i): Slow(str(folder / "fits"), var_smoothing=10.0**-i) for i in range(n)}
    found = compare(estimators, ROWS, LABELS, cv=3, memory=folder / "memory")
    return found.scores["score"].tolist()


def kill_comparisons(folder, kills):
    """Fork children that are killed; count what they stored, score again, and count the fits."""
    folder, chance = Path(folder), random.Random(0)

    def begun():
        return len(list((folder / "fits").iterdir()))

    for _ in range(kills):
        before = begun()
        if (child := os.fork()) == 0:
            score_slow_ones(folder, 3 * kills)
            os._exit(1)
        while begun() < before + 2:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
    finished, before = len(list(folder.rglob("*.fit"))), begun()
    return finished, score_slow_ones(folder, 3 * kills), begun() - before


@pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_any_moment_the_next_call_does_what_is_missing(kills, tmp_path):
    (tmp_path / "fits").mkdir()
    finished, scores, fitted_again = run_function(kill_comparisons, str(tmp_path), kills)
    assert kills <= finished == 9 * kills - fitted_again
    plain = {str(i): GaussianNB(var_smoothing=10.0**-i) for i in range(3 * kills)}
    assert scores == compare(plain, ROWS, LABELS, cv=3).scores["score"].tolist()
