"""With memory a comparison does no finished fit again, whatever ended it, and tells the same."""

import io
import json
import os
import sys
import textwrap
import uuid
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import make_images, run_python
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.metrics import make_scorer
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skfashion import FashionCNN, compare
from skfashion._utils.files import write_sealed
from skfashion.datasets import ImageFileReader


class Counted(GaussianNB):
    """Leaves a file for each fit, in another working directory."""

    def __init__(self, folder, *, priors=None, var_smoothing=1e-9):
        super().__init__(priors=priors, var_smoothing=var_smoothing)
        self.folder = folder

    def fit(self, X, y):
        (Path(self.folder) / uuid.uuid4().hex).touch()
        os.chdir(self.folder)
        return super().fit(X, y)


class Failing(ClassifierMixin, BaseEstimator):
    """As long as there is a file."""

    def __init__(self, file):
        self.file = file

    def fit(self, X, y):
        if Path(self.file).exists():
            raise RuntimeError("not yet")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


class Abstaining(GaussianNB):
    def predict(self, X):
        return np.full(len(X), -1)


def sum_of_rows(estimator, X, y):
    return float(np.sum(X))


@pytest.fixture
def data():
    X, y = make_images()
    return X.reshape(len(X), -1), y


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """An estimator, and how often it was fitted since the last question."""
    folder = tmp_path / "fits"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    asked = [0]

    def count():
        before, asked[0] = asked[0], len(list(folder.iterdir()))
        return asked[0] - before

    return Counted(str(folder)), count


@pytest.fixture
def cached(data, tmp_path):
    """`compare` with memory and three folds."""

    def cached(estimators, X=data[0], y=data[1], **how):
        return compare(estimators, X, y, **{"cv": 3, "memory": tmp_path / "memory", **how})

    return cached


def assert_same(one, other):
    for name in ("table", "scores", "histories", "predictions"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    assert one.out_of_fold.keys() == other.out_of_fold.keys()
    for name, probabilities in one.out_of_fold.items():
        np.testing.assert_array_equal(probabilities, other.out_of_fold[name])


class TestAnEqualCall:
    @pytest.mark.parametrize("dtype", [int, str, object])
    def test_fits_nothing_and_tells_the_same_with_times_and_epochs(
        self, cached, counted, data, small, capsys, dtype
    ):
        estimators = {
            "counted": counted[0],
            "scaled": make_pipeline(MinMaxScaler(), counted[0]),
            "network": FashionCNN(**{**small, "epochs": 2}),
        }
        y = data[1] if dtype is int else np.array(["a", "bc", "d"], dtype=dtype)[data[1]]
        how = {"y": y, "X_test": data[0][:40], "y_test": y[:40]}
        first = cached(estimators, **how, scoring=["accuracy", "neg_log_loss"])
        assert counted[1]() == 2 * (3 + 1)
        again = cached(estimators, **how, scoring=["accuracy", "neg_log_loss"], verbose=1)
        assert counted[1]() == 0
        assert_same(again, first)
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 12
        assert all(line.endswith(" s, from memory") for line in lines)

    def test_fits_nothing_in_other_processes_with_other_threads(self, cached, counted):
        """Baselines do not depend on their number, which `n_jobs` shares out."""
        estimators = {"counted": counted[0], "dummy": DummyClassifier()}
        first = cached(estimators)
        assert counted[1]() == 3
        for how in ({"n_jobs": 2}, {"n_jobs": 2, "timeout": 60}):
            pd.testing.assert_frame_equal(cached(estimators, **how).table, first.table)
            assert counted[1]() == 0

    def test_does_not_depend_on_names(self, cached, counted):
        first = cached({"one": counted[0], "other": counted[0]})
        assert counted[1]() == 3
        renamed = cached({"another": counted[0]})
        assert counted[1]() == 0
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
    def test_costs_no_fit(self, cached, counted, data, metric):
        how = {"scoring": metric, "X_test": data[0][::2], "y_test": data[1][::2]}
        estimators = {"counted": counted[0]}
        cached(estimators, **{**how, "scoring": "accuracy"})
        counted[1]()
        found = cached(estimators, **how)
        assert counted[1]() == 0
        expected = cached(estimators, **how, memory=None)
        pd.testing.assert_series_equal(found.scores["score"], expected.scores["score"])
        tests = [name for name in found.table.columns if name.startswith("test_")]
        pd.testing.assert_frame_equal(found.table[tests], expected.table[tests])

    def test_that_sees_estimator_and_rows_costs_one_that_is_kept(self, cached, counted):
        estimators = {"counted": counted[0]}
        cached(estimators)
        counted[1]()
        for expected in (3, 0):
            found = cached(estimators, scoring={"sum": sum_of_rows, "f1": "f1_macro"})
            assert counted[1]() == expected
            assert (found.scores.query("metric == 'sum'")["score"] > 1e5).all()


class TestAnotherCall:
    @pytest.mark.parametrize(
        ("changed", "fits"),
        [
            ({"cv": StratifiedKFold(3, shuffle=True, random_state=0)}, 3),
            ({"X": make_images(seed=1)[0].reshape(120, -1)}, 3),
            ({"y": (np.arange(120) % 3)[::-1]}, 3),
            ({"parameters": {"var_smoothing": 0.1}}, 3),
            ({"X_test": make_images()[0].reshape(120, -1), "y_test": make_images()[1]}, 1),
        ],
        ids=["folds", "X", "y", "parameters", "test set"],
    )
    def test_fits_what_is_new(self, cached, counted, changed, fits):
        cached({"counted": counted[0]})
        counted[1]()
        counted[0].set_params(**changed.get("parameters", {}))
        how = {name: value for name, value in changed.items() if name != "parameters"}
        found = cached({"counted": counted[0]}, **how)
        assert counted[1]() == fits
        expected = cached({"counted": counted[0]}, **how, memory=None)
        pd.testing.assert_series_equal(found.scores["score"], expected.scores["score"])

    def test_trains_networks_anew_with_other_threads_but_no_baseline(
        self, cached, counted, small, monkeypatch, capsys
    ):
        estimators = {"network": FashionCNN(**small), "counted": counted[0]}
        cached(estimators)
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
        cached(estimators, verbose=1)
        lines = capsys.readouterr().err.splitlines()
        assert [line.endswith("from memory") for line in lines] == [False] * 3 + [True] * 3

    @pytest.mark.parametrize("kind", [list, np.array])
    def test_has_other_photos_of_the_same_names(self, cached, counted, tmp_path, data, kind):
        photos = [str(tmp_path / f"{number}.png") for number in range(12)]
        estimators = {"photos": make_pipeline(ImageFileReader(), counted[0])}
        for seed, expected in ((0, 3), (None, 0), (1, 3)):
            if seed is not None:
                for path, image in zip(photos, make_images(seed=seed, side=28)[0], strict=False):
                    Image.fromarray(image).save(path)
            cached(estimators, X=kind(photos), y=data[1][:12])
            assert counted[1]() == expected


def run_script(path, code):
    """What a script prints in a process of its own."""
    path.write_text(textwrap.dedent(code))
    return run_python(
        f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')",
        PYTHONPATH=os.pathsep.join([str(path.parent), str(Path(__file__).parent), *sys.path]),
        PYTHONDONTWRITEBYTECODE="1",
    )


def test_code_of_ones_own_counts_with_all_modules_but_not_the_script_that_compares(tmp_path):
    (tmp_path / "helper.py").write_text("def shift(X): return X + 1")
    (tmp_path / "mine.py").write_text(
        "from helper import shift\n"
        "from sklearn.naive_bayes import GaussianNB\n"
        "class Mine(GaussianNB):\n"
        "    def fit(self, X, y):\n"
        "        return super().fit(shift(X), y)\n"
    )

    def from_memory(edit=""):
        out = run_script(
            tmp_path / "script.py",
            f"""
            import contextlib, sys, warnings
            from helpers import make_images
            from mine import Mine
            from sklearn.dummy import DummyClassifier
            from skfashion import compare
            warnings.simplefilter("ignore")
            X, y = make_images()
            X = X.reshape(120, -1)
            estimators = {{"mine": Mine(), "dummy": DummyClassifier()}}
            with contextlib.redirect_stderr(sys.stdout):
                compare({{"dummy": DummyClassifier()}}, X, y, cv=2)
                {edit}
                compare(estimators, X, y, cv=2, memory={str(tmp_path / "memory")!r}, verbose=1)
            """,
        )
        return [line.endswith("from memory") for line in out.splitlines()]

    assert from_memory() == [False, False, False, False]
    assert from_memory(edit="pass") == [True, True, True, True]
    (tmp_path / "helper.py").write_text("def shift(X): return X - 1")
    assert from_memory() == [False, False, True, True]
    # What is loaded is no longer what the file says: nothing is taken, and nothing kept.
    edit = f"print('# edited', file=open({str(tmp_path / 'helper.py')!r}, 'a'))"
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
    assert "'mine' are not kept" in out
    assert "__main__ has no file: define classes and functions in a module." in out


class TestWhatCannotBeKept:
    def test_is_a_failure(self, cached, tmp_path):
        file = tmp_path / "fails"
        file.touch()
        estimators = {"failing": Failing(str(file)), "dummy": DummyClassifier()}
        assert cached(estimators).table.loc["failing", "error"] == "RuntimeError: not yet"
        file.unlink()
        assert cached(estimators).table.loc["failing", "error"] == ""

    @pytest.mark.parametrize(
        ("estimators", "how", "told", "fits"),
        [
            ({}, {"scoring": lambda *of: 0.5}, r"fits are not kept, since .*lambda", 6),
            ({"local": type("Local", (GaussianNB,), {})()}, {}, "fits of 'local' are not kept", 3),
            ({"abstaining": Abstaining()}, {}, ".*cannot be kept.*unseen labels", 3),
        ],
        ids=["metric without a name", "class without a name", "labels that y has not"],
    )
    def test_harms_no_other_and_is_told(self, cached, counted, estimators, how, told, fits):
        for _ in range(2):
            with pytest.warns(UserWarning, match=f"memory: {told}") as warned:
                found = cached({**estimators, "counted": counted[0]}, **how)
            assert {warning.filename for warning in warned} == {__file__}
            assert (found.table["error"] == "").all()
        assert counted[1]() == fits

    def test_is_what_finds_no_room_and_leaves_no_half_file(self, cached, counted, full):
        folder = full("memory", size="8k")
        estimators = {"counted": counted[0], "dummy": DummyClassifier()}
        with pytest.warns(UserWarning, match="fits cannot be kept in .*No space left on device"):
            found = cached(estimators, memory=folder)
        assert counted[1]() == 3
        expected = cached(estimators, memory=None)
        assert found.scores["score"].tolist() == expected.scores["score"].tolist()
        counted[1]()
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.suffix for path in files} == {".fit"}
        with warnings.catch_warnings(record=True, action="always") as told:
            cached(estimators, memory=folder)
        assert not [warning for warning in told if "cannot be used" in str(warning.message)]
        assert 0 < counted[1]() == 3 - len(files) < 3

    def test_is_what_may_not_be_written_but_what_is_there_is_read(
        self, cached, counted, data, tmp_path, read_only
    ):
        estimators = {"counted": counted[0]}
        first = cached(estimators)
        counted[1]()
        with read_only(tmp_path / "memory"), warnings.catch_warnings(action="error"):
            pd.testing.assert_frame_equal(cached(estimators).table, first.table)
            assert counted[1]() == 0
        with read_only(tmp_path / "memory"), pytest.warns(match="Read-only file system"):
            assert (cached(estimators, cv=2).table["error"] == "").all()

    @pytest.mark.parametrize(
        ("damage", "told"),
        [
            (lambda path, other: path.write_bytes(path.read_bytes()[:50]), "checksum"),
            (lambda path, other: path.write_bytes(b""), "checksum"),
            (lambda path, other: path.write_bytes(flipped(path.read_bytes())), "checksum"),
            (lambda path, other: write_sealed(path, archive(no="fit")), "header"),
            (lambda path, other: write_sealed(path, archive(header=[object()])), "allow_pickle"),
            (lambda path, other: write_sealed(path, b"no archive"), "cannot be used"),
            (lambda path, other: path.write_bytes(other.read_bytes()), "another fit"),
        ],
        ids=["cut", "empty", "one bit", "foreign", "pickle", "no archive", "of another fit"],
    )
    def test_is_what_was_damaged(self, cached, counted, tmp_path, damage, told):
        estimators = {"counted": counted[0]}
        first = cached(estimators)
        counted[1]()
        damaged, other, _ = (tmp_path / "memory").rglob("*.fit")
        damage(damaged, other)
        with pytest.warns(UserWarning, match=rf"{damaged.name} cannot be used.*{told}|{told}"):
            again = cached(estimators)
        assert counted[1]() == 1
        assert again.scores["score"].tolist() == first.scores["score"].tolist()
        cached(estimators)
        assert counted[1]() == 0


def flipped(content):
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


class TestMemory:
    def test_is_a_path(self, cached, counted, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        estimators = {"counted": counted[0]}
        for memory, expected in ((tmp_path / "m", 3), (str(tmp_path / "m"), 0), ("~/m", 0)):
            cached(estimators, memory=memory)
            assert counted[1]() == expected
        monkeypatch.chdir(tmp_path)
        cached(estimators, memory="relative")  # to where the call was, not to where a fit is
        assert len(list((tmp_path / "relative").rglob("*.fit"))) == 3

    def test_that_cannot_be_made_is_an_error_before_any_fit(self, cached, counted, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OSError, match="file"):
            cached({"counted": counted[0]}, memory=tmp_path / "file" / "deep")
        assert counted[1]() == 0


@pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_any_moment_the_next_call_does_what_is_missing(kills, cached, tmp_path):
    (tmp_path / "fits").mkdir()
    # A process that imports once what a comparison needs, and forks children that are killed.
    out = run_script(
        tmp_path / "script.py",
        f"""
        import os, random, signal, time, uuid
        from pathlib import Path
        from helpers import make_images
        from sklearn.naive_bayes import GaussianNB
        from skfashion import compare

        home, chance = Path({str(tmp_path)!r}), random.Random(0)

        class Slow(GaussianNB):
            def fit(self, X, y):
                (home / "fits" / uuid.uuid4().hex).touch()
                time.sleep(0.02)
                return super().fit(X, y)

        def scores():
            X, y = make_images()
            estimators = {{str(i): Slow(var_smoothing=10.0**-i) for i in range({3 * kills})}}
            found = compare(estimators, X.reshape(120, -1), y, cv=3, memory=home / "memory")
            return found.scores["score"].tolist()

        def begun():
            return len(list((home / "fits").iterdir()))

        for _ in range({kills}):
            before = begun()
            if (child := os.fork()) == 0:
                scores()
                os._exit(1)
            while begun() < before + 2:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.05))
            os.kill(child, signal.SIGKILL)
            assert os.waitpid(child, 0)[1] == signal.SIGKILL
        before = begun()
        print([len(list(home.rglob("*.fit"))), scores(), begun() - before])
        """,
    )
    finished, scores, fitted_again = json.loads(out)
    assert kills <= finished == 9 * kills - fitted_again
    plain = {str(i): GaussianNB(var_smoothing=10.0**-i) for i in range(3 * kills)}
    assert scores == cached(plain, memory=None).scores["score"].tolist()
