"""What fails in `compare` fails in the row of its estimator, and what is mistaken is refused."""

import os
import threading

import numpy as np
import pytest
from helpers import make_images
from sklearn.naive_bayes import GaussianNB

from skfashion import compare

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
