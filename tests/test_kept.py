"""With memory a comparison does no finished fit again, whatever ended it, and tells the same."""

import json
import os
import pickle
import textwrap
import uuid
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import make_images, run_python
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skfashion import FashionCNN, compare
from skfashion._utils.files import write_sealed
from skfashion.datasets import ImageFileReader


class Counted(GaussianNB):
    """Leaves a file for each fit."""

    def __init__(self, folder, *, alike=0, priors=None, var_smoothing=1e-9):
        super().__init__(priors=priors, var_smoothing=var_smoothing)
        self.folder, self.alike = folder, alike

    def fit(self, X, y):
        (Path(self.folder) / uuid.uuid4().hex).touch()
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


class Wandering(GaussianNB):
    """Leaves the directory for another."""

    def __init__(self, folder, *, priors=None, var_smoothing=1e-9):
        super().__init__(priors=priors, var_smoothing=var_smoothing)
        self.folder = folder

    def fit(self, X, y):
        os.chdir(self.folder)
        return super().fit(X, y)


@pytest.fixture
def flat(images):
    X, y = images
    return X.reshape(len(X), -1), y


@pytest.fixture
def counted(tmp_path):
    """An estimator, and how often it was fitted since the last question."""
    folder = tmp_path / "fits"
    folder.mkdir()
    asked = [0]

    def count():
        before, asked[0] = asked[0], len(list(folder.iterdir()))
        return asked[0] - before

    return Counted(str(folder)), count


@pytest.fixture
def kept(flat, tmp_path):
    """`compare` with memory and three folds."""

    def kept(estimators, X=flat[0], y=flat[1], **how):
        return compare(estimators, X, y, **{"cv": 3, "memory": tmp_path / "memory", **how})

    return kept


def assert_same(one, other):
    for name in ("table", "scores", "histories", "predictions"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    assert one.out_of_fold.keys() == other.out_of_fold.keys()
    for name, probabilities in one.out_of_fold.items():
        np.testing.assert_array_equal(probabilities, other.out_of_fold[name])


class TestAnEqualCall:
    def test_fits_nothing_and_tells_the_same_with_times_and_epochs(
        self, kept, counted, flat, small, capsys
    ):
        estimators = {
            "counted": counted[0],
            "scaled": make_pipeline(MinMaxScaler(), counted[0]),
            "network": FashionCNN(**{**small, "epochs": 2}),
        }
        how = {"X_test": flat[0][:40], "y_test": flat[1][:40]}
        first = kept(estimators, **how)
        assert counted[1]() == 2 * (3 + 1)
        again = kept(estimators, **how, verbose=1)
        assert counted[1]() == 0
        assert_same(again, first)
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 12
        assert all(line.endswith(" s, from memory") for line in lines)

    def test_does_so_from_other_processes_with_a_timeout_or_without(self, kept, counted):
        estimators = {"counted": counted[0], "dummy": DummyClassifier()}
        first = kept(estimators, n_jobs=2)
        assert counted[1]() == 3
        again = kept(estimators, n_jobs=2, timeout=60)
        assert counted[1]() == 0
        pd.testing.assert_frame_equal(again.table, first.table)

    def test_finds_the_folds_again_when_a_test_set_is_added(self, kept, counted, flat):
        estimators = {"counted": counted[0]}
        kept(estimators)
        counted[1]()
        kept(estimators, X_test=flat[0][:40], y_test=flat[1][:40])
        assert counted[1]() == 1

    def test_fits_twice_what_is_there_under_two_names(self, kept, counted):
        kept({"one": counted[0], "other": counted[0]})
        assert counted[1]() == 6


class TestAnotherCall:
    @pytest.mark.parametrize(
        "changed",
        [
            {"scoring": "f1_macro"},
            {"scoring": make_scorer(partial(accuracy_score, normalize=False))},
            {"cv": StratifiedKFold(3, shuffle=True, random_state=0)},
            {"X": make_images(seed=1)[0].reshape(120, -1)},
            {"y": (np.arange(120) % 3)[::-1]},
        ],
        ids=["metric", "scorer", "cv", "X", "y"],
    )
    def test_finds_nothing_of_this_one(self, kept, counted, changed):
        estimators = {"counted": counted[0]}
        kept(estimators)
        counted[1]()
        found = kept(estimators, **changed)
        assert counted[1]() == 3
        pd.testing.assert_frame_equal(
            found.scores.drop(columns=["fit_seconds", "predict_seconds"], errors="ignore"),
            kept(estimators, **changed, memory=None).scores.drop(
                columns=["fit_seconds", "predict_seconds"], errors="ignore"
            ),
        )

    def test_has_other_parameters(self, kept, counted):
        kept({"counted": counted[0]})
        counted[1]()
        kept({"counted": counted[0].set_params(alike=1)})
        assert counted[1]() == 3

    def test_is_that_of_another_machine(self, kept, counted, monkeypatch):
        for value, expected in (("AVX2", 3), ("AVX2", 0), ("SSE41", 3)):
            monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", value)
            kept({"counted": counted[0]})
            assert counted[1]() == expected

    def test_has_other_photos_of_the_same_names(self, kept, counted, tmp_path, flat):
        photos = [tmp_path / f"{number}.png" for number in range(12)]

        def take(seed):
            for path, image in zip(photos, make_images(seed=seed, side=28)[0], strict=False):
                Image.fromarray(image).save(path)

        estimators = {"photos": make_pipeline(ImageFileReader(), counted[0])}
        for seed, expected in ((0, 3), (None, 0), (1, 3)):
            if seed is not None:
                take(seed)
            kept(estimators, X=photos, y=flat[1][:12])
            assert counted[1]() == expected

    def test_has_other_code_of_ones_own_under_the_same_name(self, tmp_path):
        """Also in a package that a library has as well, and not if it was edited meanwhile."""
        library = tmp_path / "library"
        (library / "shared").mkdir(parents=True)
        (library / "shared-1.0.dist-info").mkdir()
        for name, text in {
            "shared/__init__.py": "",
            "shared-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: shared\nVersion: 1.0\n",
            "shared-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\n",
            "shared-1.0.dist-info/RECORD": "shared/__init__.py,,\n",
        }.items():
            (library / name).write_text(text)
        own = tmp_path / "own" / "shared"
        own.mkdir(parents=True)
        (own / "__init__.py").touch()
        script = f"""
            import sys
            from pathlib import Path
            sys.path[:0] = [{str(own.parent)!r}, {str(library)!r}]
            from helpers import make_images
            from importlib.metadata import packages_distributions
            from shared.mine import mine
            from sklearn.dummy import DummyClassifier
            from skfashion import compare
            assert packages_distributions()["shared"] == ["shared"]
            X, y = make_images()
            for edit in (False, {{edit}}):
                path = Path(sys.modules["shared.mine"].__file__)
                if edit:
                    path.write_text(path.read_text().replace("0.5", "0.75"))
                found = compare(
                    {{{{"dummy": DummyClassifier()}}}}, X.reshape(120, -1), y, cv=2, scoring=mine,
                    memory={str(tmp_path / "memory")!r},
                )
            print(found.table["mine_mean"].tolist())
        """
        code = "def mine(estimator, X, y):\n    return {} + 0 * len(X)\n"
        for value, edit, found in ((0.25, False, 0.25), (0.5, True, 0.5), (None, False, 0.75)):
            if value is not None:
                (own / "mine.py").write_text(code.format(value))
            out = run_python(script.format(edit=edit), PYTHONDONTWRITEBYTECODE="1")
            assert out == f"[{found}]\n"

    def test_has_an_estimator_from_another_cell_of_a_notebook(self, tmp_path):
        """Of which Python finds the source of functions alone."""
        assert run_python(f"""
            import linecache
            from helpers import make_images
            from sklearn.naive_bayes import GaussianNB
            from skfashion import compare
            X, y = make_images()
            for first in (0, 1, 1):
                cell = (
                    "class Mine(GaussianNB):\\n"
                    "    def fit(self, X, y):\\n"
                    "        print('fits', end=' ')\\n"
                    f"        return super().fit(X[{{first}}:], y[{{first}}:])\\n"
                )
                linecache.cache["<cell>"] = (len(cell), None, cell.splitlines(True), "<cell>")
                exec(compile(cell, "<cell>", "exec"))
                folder = {str(tmp_path)!r}
                compare({{"mine": Mine()}}, X.reshape(120, -1), y, cv=2, memory=folder)
                print(flush=True)
        """).split("\n") == ["fits fits ", "fits fits ", "", ""]


class TestWhatCannotBeKept:
    def test_is_a_failure(self, kept, tmp_path):
        file = tmp_path / "fails"
        file.touch()
        estimators = {"failing": Failing(str(file)), "dummy": DummyClassifier()}
        assert kept(estimators).table.loc["failing", "error"] == "RuntimeError: not yet"
        file.unlink()
        assert kept(estimators).table.loc["failing", "error"] == ""

    def test_is_a_metric_without_a_name(self, kept, counted):
        estimators = {"counted": counted[0], "dummy": DummyClassifier()}
        for _ in range(2):
            with pytest.warns(UserWarning, match=r"memory: fits are not kept.*lambda") as told:
                found = kept(estimators, scoring=lambda estimator, X, y: 0.5)
            assert [warning.filename for warning in told] == [__file__]
            assert found.table["<lambda>_mean"].tolist() == [0.5, 0.5]
            assert counted[1]() == 3

    def test_is_an_estimator_without_a_name_which_harms_no_other(self, kept, counted):
        class Local(GaussianNB):
            pass

        estimators = {"local": Local(), "counted": counted[0]}
        for expected in (3, 0):
            with pytest.warns(UserWarning, match=r"memory: fits of 'local' are not kept") as told:
                found = kept(estimators)
            assert len(told) == 1
            assert counted[1]() == expected
            assert (found.table["error"] == "").all()

    def test_is_what_finds_no_room_and_leaves_no_half_file(self, kept, counted, full):
        folder = full("memory", size="8k")
        estimators = {"counted": counted[0], "dummy": DummyClassifier()}
        with pytest.warns(UserWarning, match="fits cannot be kept in .*No space left on device"):
            found = kept(estimators, memory=folder)
        assert counted[1]() == 3
        expected = kept(estimators, memory=None)
        assert found.scores["score"].tolist() == expected.scores["score"].tolist()
        counted[1]()
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files
        assert {path.suffix for path in files} == {".fit"}
        with warnings.catch_warnings(record=True, action="always") as told:
            kept(estimators, memory=folder)
        assert not [warning for warning in told if "cannot be used" in str(warning.message)]
        assert counted[1]() == 3 - len(files) == 1

    def test_is_what_may_not_be_written_but_what_is_there_is_read(
        self, kept, counted, tmp_path, read_only
    ):
        estimators = {"counted": counted[0]}
        first = kept(estimators)
        counted[1]()
        with read_only(tmp_path / "memory"), warnings.catch_warnings(action="error"):
            pd.testing.assert_frame_equal(kept(estimators).table, first.table)
            assert counted[1]() == 0
        with read_only(tmp_path / "memory"), pytest.warns(match="Read-only file system"):
            assert (kept(estimators, scoring="f1_macro").table["error"] == "").all()

    @pytest.mark.parametrize(
        ("damage", "told"),
        [
            (lambda path, other: path.write_bytes(path.read_bytes()[:50]), "checksum"),
            (lambda path, other: path.write_bytes(b""), "checksum"),
            (lambda path, other: path.write_bytes(flipped(path.read_bytes())), "checksum"),
            (lambda path, other: write_sealed(path, pickle.dumps({"no": "fit"})), "something else"),
            (lambda path, other: write_sealed(path, b"no pickle"), "cannot be used"),
            (lambda path, other: path.write_bytes(other.read_bytes()), "something else"),
        ],
        ids=["cut", "empty", "one bit", "foreign", "no pickle", "of another fit"],
    )
    def test_is_what_was_damaged(self, kept, counted, tmp_path, damage, told):
        estimators = {"counted": counted[0]}
        first = kept(estimators)
        counted[1]()
        damaged, other, _ = (tmp_path / "memory").rglob("*.fit")
        damage(damaged, other)
        with pytest.warns(UserWarning, match=rf"{damaged.name} cannot be used") as warned:
            again = kept(estimators)
        assert told in str(warned[0].message)
        assert counted[1]() == 1
        assert again.scores["score"].tolist() == first.scores["score"].tolist()
        kept(estimators)
        assert counted[1]() == 0


def flipped(content):
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


class TestMemory:
    def test_is_a_path(self, kept, counted, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        estimators = {"counted": counted[0]}
        for memory, expected in ((tmp_path / "m", 3), (str(tmp_path / "m"), 0), ("~/m", 0)):
            kept(estimators, memory=memory)
            assert counted[1]() == expected

    def test_is_the_same_for_who_works_elsewhere(self, kept, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "elsewhere").mkdir()
        wandering = {"wandering": Wandering(str(tmp_path / "elsewhere"))}
        kept(wandering, memory="fits")
        assert len(list((tmp_path / "fits").rglob("*.fit"))) == 3

    @pytest.mark.parametrize("memory", [3, b"fits", ""])
    def test_is_refused_before_any_fit_where_it_is_something_else(self, kept, counted, memory):
        with pytest.raises(ValueError, match=rf"memory={memory!r}: expected the path"):
            kept({"counted": counted[0]}, memory=memory)
        assert counted[1]() == 0

    def test_that_cannot_be_made_is_an_error_before_any_fit(self, kept, counted, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OSError, match="file"):
            kept({"counted": counted[0]}, memory=tmp_path / "file" / "deep")
        assert counted[1]() == 0


# A process that imports once what a comparison needs, and forks children that are killed in one.
SCRIPT = """
    import os, random, signal, time, uuid
    from pathlib import Path
    from helpers import make_images, run_python
    from sklearn.naive_bayes import GaussianNB
    from skfashion import compare

    folder, memory = Path({folder!r}), Path({folder!r}).with_name("memory")

    class Slow(GaussianNB):
        def fit(self, X, y):
            (folder / uuid.uuid4().hex).touch()
            time.sleep(0.02)
            return super().fit(X, y)

    def found():
        X, y = make_images()
        estimators = {{str(i): Slow(var_smoothing=10.0**-i) for i in range({n_estimators})}}
        return compare(estimators, X.reshape(120, -1), y, cv=3, memory=memory).scores["score"]

    def begun():
        return len(list(folder.iterdir()))

    chance = random.Random(0)
    for _ in range({kills}):
        before = begun()
        child = os.fork()
        if child == 0:
            found()
            os._exit(1)
        while begun() < before + 2:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
    finished, before = len(list(memory.rglob("*.fit"))), begun()
    scores = found()
    print([finished, begun() - before, scores.tolist()])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_any_moment_the_next_call_does_what_is_missing(kills, kept, tmp_path):
    n_estimators = 3 * kills
    fits = tmp_path / "fits"
    fits.mkdir()
    script = tmp_path / "script.py"  # for what has no source is not kept
    code = SCRIPT.format(folder=str(fits), kills=kills, n_estimators=n_estimators)
    script.write_text(textwrap.dedent(code))
    run = f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
    finished, fitted_again, scores = json.loads(run_python(run))
    assert kills <= finished
    assert finished + fitted_again == 3 * n_estimators
    plain = {str(i): GaussianNB(var_smoothing=10.0**-i) for i in range(n_estimators)}
    assert scores == kept(plain, memory=None).scores["score"].tolist()
