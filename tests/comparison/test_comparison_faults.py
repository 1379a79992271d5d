"""What fails in `compare` fails in the row of its estimator, and what is mistaken is refused."""

import os
import signal
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import make_images, run_python
from scipy.sparse import coo_array, csr_array
from sklearn.dummy import DummyClassifier
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skfashion import FashionCNN, compare
from skfashion.comparison._networks import contains_network

IMAGES, LABELS = make_images(n=60)
ROWS = IMAGES.reshape(60, -1)


class Odd(GaussianNB):
    """Predicts only `label`."""

    def __init__(self, label):
        super().__init__()
        self.label = label

    def predict(self, X):
        return np.array([self.label] * len(X))


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
@pytest.mark.parametrize(
    ("label", "y"),
    [("cat", LABELS), (None, LABELS), (np.nan, LABELS), (1.5, LABELS), (1, LABELS.astype(str))],
)
def test_labels_of_another_kind_are_an_error_of_the_row(label, y, scoring):
    found = compare({"odd": Odd(label), "NB": GaussianNB()}, ROWS, y, cv=2, scoring=scoring)
    assert found.failures["odd"].startswith("ValueError: predict returned labels unlike those of y")
    assert found.failures.index.tolist() == ["odd"]


@pytest.mark.parametrize(("label", "y"), [("unknown", LABELS.astype(str)), (-1, LABELS)])
def test_labels_that_y_lacks_are_kept_as_they_are(label, y):
    found = compare({"odd": Odd(label), "NB": GaussianNB()}, ROWS, y, cv=2)
    assert set(found.out_of_fold_predictions["odd"]) == {label}
    assert found.failures.empty


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("cannot be printed")


class Failing(GaussianNB):
    """Calls a function in `fit`."""

    def __init__(self, act, argument=None):
        super().__init__()
        self.act, self.argument = act, argument

    def fit(self, X, y):
        return self.act(self.argument)


def throw(error):
    raise error


@pytest.mark.parametrize("how", [{}, {"n_jobs": 2}, {"timeout": 60}])
@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), UnprintableError()])
def test_whatever_a_fit_raises_is_an_error_of_the_row(error, how):
    found = compare({"odd": Failing(throw, error), "NB": GaussianNB()}, ROWS, LABELS, cv=2, **how)
    assert found.failures["odd"].startswith(type(error).__name__)
    assert found.failures.index.tolist() == ["odd"]


@pytest.mark.parametrize("ignores_more_signals", [False, True])
def test_a_handler_of_sigterm_ends_the_program_during_a_fit(ignores_more_signals):
    def handle(number, frame):
        if ignores_more_signals:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(4)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        with pytest.raises(SystemExit, match="4"):
            compare({"odd": Failing(signal.raise_signal, signal.SIGTERM)}, ROWS, LABELS, cv=2)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("act", "argument", "error"),
    [
        (os._exit, 9, "TerminatedWorkerError"),
        (print, threading.Lock(), "PicklingError"),
    ],
    ids=["a dead process", "an estimator without a pickle"],
)
def test_what_joblib_cannot_run_is_an_error_of_the_row(act, argument, error):
    estimators = {"NB": GaussianNB(), "odd": Failing(act, argument), "other": GaussianNB()}
    found = compare(estimators, ROWS, LABELS, cv=2, n_jobs=2)
    assert found.failures["odd"].startswith(error)
    assert found.failures.index.tolist() == ["odd"]
    assert found.scores["fold"].tolist() == [0, 1] * 3


def run_with_modules(folder, code, n_jobs=1):
    """What is printed by code beside the user's modules `mine` and `helper`, which `fit` uses."""
    (folder / "helper.py").write_text("def shift(X): return X + 1")
    (folder / "mine.py").write_text(
        "from sklearn.naive_bayes import GaussianNB\n"
        "class Mine(GaussianNB):\n"
        "    def fit(self, X, y):\n"
        "        import helper\n"
        "        return super().fit(helper.shift(X), y)\n"
    )
    return run_python(
        f"""
        import os, sys
        from pathlib import Path
        os.dup2(1, 2)
        os.chdir({str(folder)!r})
        sys.path.insert(0, os.getcwd())
        {code}
        from helpers import make_images, run_python
        from mine import Mine
        from skfashion import compare
        X, y = make_images(n=60)
        how = {{"cv": 2, "memory": "memory", "verbose": 1}}
        compare({{"mine": Mine()}}, X.reshape(60, -1), y, n_jobs={n_jobs}, **how)
        """
    )


def test_a_fit_that_imports_a_module_of_the_user_is_not_stored(tmp_path):
    out = [run_with_modules(tmp_path, "", n_jobs) for n_jobs in (1, 2)]
    assert all("the fit imported helper: import it before the call" in text for text in out)
    assert "from memory" not in "".join(out)
    assert "memory" not in run_with_modules(tmp_path, "import helper")
    assert "from memory" in run_with_modules(tmp_path, "import helper", n_jobs=2)


def test_code_that_was_edited_before_skfashion_was_imported_is_not_stored(tmp_path):
    out = run_with_modules(tmp_path, "import helper; Path('helper.py').touch()")
    assert "helper.py was edited after Python had started" in out


def make_choices(part):
    return GridSearchCV(Pipeline([("part", GaussianNB())]), {"part": [GaussianNB(), part]}, cv=2)


@pytest.mark.parametrize("wrap", [make_choices, lambda part: make_choices(make_pipeline(part))])
def test_a_search_that_may_choose_a_network_is_one(wrap):
    assert contains_network(wrap(FashionCNN()))
    assert not contains_network(wrap(GaussianNB()))


class Stepwise(GaussianNB):
    """Has attributes that look like those of a Pipeline, of a search and of a network."""

    def __init__(self, steps=100):
        super().__init__()
        self.steps = steps

    @property
    def history_(self):
        raise RuntimeError("no history")


class OwnBest(GaussianNB):
    @property
    def best_estimator_(self):
        return self


@pytest.mark.parametrize("odd", [Stepwise(), OwnBest()])
def test_attributes_that_are_no_history_are_no_error(odd):
    found = compare({"odd": odd}, ROWS, LABELS, cv=2)
    assert found.failures.empty
    assert found.histories.empty


class Worried(GaussianNB):
    """Warns of its probabilities."""

    def predict_proba(self, X):
        warnings.warn("too sure", stacklevel=1)
        return super().predict_proba(X)


def test_warnings_of_probabilities_stand_in_the_row_with_memory(tmp_path):
    how = {"cv": 2, "scoring": "neg_log_loss", "memory": tmp_path}
    with warnings.catch_warnings(record=True) as printed:
        for _ in range(2):
            found = compare({"NB": Worried()}, ROWS, LABELS, **how)
            assert found.table.loc["NB", "warnings"] == "UserWarning: too sure"
    assert not printed


class Bare:
    def fit(self, X, y):
        pytest.fail("was fitted")


class Tagless(GaussianNB):
    def __sklearn_tags__(self):
        raise RuntimeError("no tags here")


def hits(labels, guesses):
    return np.mean(labels == guesses)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scoring": make_scorer(fbeta_score)}, "'fbeta_score' cannot be computed.*beta"),
        ({"scoring": make_scorer(lambda a, b: {"a": 1})}, "'<lambda>' cannot be computed.*dict"),
        ({"scoring": hits}, r"has hits\(labels, guesses\): expected.*use .*make_scorer\(hits\)"),
        ({"scoring": lambda clf, X, y, beta: 1}, r"has <lambda>\(clf, X, y, beta\): expected a sc"),
        ({"cv": [((0, 1), (2, 60)), ((0, 1), (2, 3))]}, "cv: split 0 .*60 is out of bounds"),
        ({"cv": [((0, 1), (2, 3)), ((0, 1.5), (2, 3))]}, "cv: split 1 .*integer"),
        ({"cv": [(LABELS[:9] > 0, LABELS[:9] == 0)] * 2}, "cv: split 0 .*size of axis is 60"),
        ({"n_jobs": 0}, "n_jobs=0: expected an int other than 0, or None"),
        ({"n_jobs": "2"}, "n_jobs='2': expected"),
        ({"params": {"sample_weight": np.ones(59)}}, "inconsistent numbers of samples"),
        ({"estimators": {"bare": Bare()}}, r"estimators\['bare'\] is not a classifier.*tags"),
        ({"estimators": {"bare": Tagless()}}, r"\['bare'\] is not a classifier.*no tags here"),
    ],
)
def test_mistakes_are_told_before_the_first_fit(changes, message):
    untouched = {"untouched": Failing(pytest.fail)}
    with pytest.raises(ValueError, match=message):
        compare(**{"estimators": untouched, "X": ROWS, "y": LABELS, "cv": 2, **changes})


def test_folds_may_be_tuples_and_count_from_the_end():
    halves = [(range(30), range(-30, 0)), (range(30, 60), range(30))]
    found = [
        compare({"NB": GaussianNB()}, ROWS, LABELS, cv=cv).out_of_fold_predictions
        for cv in ([tuple(map(tuple, fold)) for fold in halves], KFold(2))
    ]
    pd.testing.assert_frame_equal(*found)


@pytest.mark.parametrize("kind", [coo_array, csr_array])
def test_a_test_set_may_be_of_any_sparse_kind(kind):
    X = kind(ROWS)
    estimators = {"dummy": DummyClassifier(), "tree": DecisionTreeClassifier(random_state=0)}
    found = compare(estimators, X, LABELS, cv=2, X_test=X, y_test=LABELS)
    assert found.failures.empty
