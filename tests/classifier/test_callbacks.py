"""Each epoch is a task of scikit-learn's callbacks, trained or taken from memory."""

import re

import numpy as np
import pytest
from helpers import weights_equal
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from skfashion import FashionCNN

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 brought callbacks")


@pytest.fixture
def cnn(small):
    return FashionCNN(**{**small, "epochs": 4})


class Recorder:
    """Notes what it is told; stops after an epoch, or fails there."""

    def __init__(self, stop_after=None, error=None, predicts=True):
        self.stop_after, self.error, self.predicts = stop_after, error, predicts
        self.told, self.fitted, self.metadata = [], [], []

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.told.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.told.append(("end", context.task_name, context.task_id))
        self.metadata.append(metadata)
        if context.task_name == "epoch":
            self.fitted.append(fitted_estimator)
            if self.error and context.task_id == self.stop_after:
                raise self.error
        return context.task_name == "epoch" and context.task_id == self.stop_after


def epoch_tasks(n):
    return [(what, "epoch", epoch) for epoch in range(n) for what in ("begin", "end")]


def test_a_fit_and_its_epochs_are_tasks(images, cnn):
    recorder = Recorder()
    cnn.set_callbacks(recorder).fit(*images)
    inside = [("begin", "fit", 0), *epoch_tasks(4), ("end", "fit", 0)]
    assert recorder.told == ["setup", *inside, "teardown"]
    assert "_callback_fit_ctx" not in vars(cnn)


def test_callbacks_are_given_the_estimator_after_each_epoch(images, small, cnn):
    recorder = Recorder()
    cnn.set_callbacks(recorder).fit(*images)
    for epochs, clf in enumerate(recorder.fitted, start=1):
        expected = FashionCNN(**{**small, "epochs": epochs}).fit(*images)
        assert weights_equal(clf, expected)
        assert (clf.n_iter_, clf.history_) == (epochs, expected.history_)
        assert_array_equal(clf.predict_proba(images[0]), expected.predict_proba(images[0]))


def test_sample_weights_are_handed_on(images, cnn):
    X, y = images
    recorder = Recorder()
    weights = np.arange(1.0, 121)
    cnn.set_callbacks(recorder).fit(X, y, sample_weight=weights)
    assert all(metadata["sample_weight"] is weights for metadata in recorder.metadata)
    monitor = callback.ScoringMonitor(scoring="accuracy")
    cnn.set_callbacks(monitor).fit(X, y, sample_weight=weights)
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert scores[-1] == pytest.approx(cnn.score(X, y, weights))


@pytest.mark.parametrize("stored", [0, 1, 4])
def test_true_ends_the_fit_after_that_epoch(images, small, cnn, tmp_path, stored):
    if stored:
        FashionCNN(**{**small, "epochs": stored}, memory=tmp_path).fit(*images)
    cnn.set_params(memory=tmp_path).set_callbacks(Recorder(stop_after=1)).fit(*images)
    expected = FashionCNN(**{**small, "epochs": 2}).fit(*images)
    assert weights_equal(cnn, expected)
    assert (cnn.n_iter_, cnn.history_) == (2, expected.history_)
    assert cnn.n_epochs_trained_ == max(0, 2 - stored)


def test_true_with_early_stopping_keeps_the_best_epoch_so_far(images, cnn, tmp_path):
    X, y = images
    cnn.set_params(epochs=9, early_stopping=True, n_iter_no_change=9)
    validation = {"X_val": X[:30], "y_val": np.roll(y[:30], 1)}
    plain = FashionCNN(**cnn.get_params()).fit(X, y, **validation)
    scores = plain.history_["val_accuracy"][:3]
    for memory in (None, tmp_path, tmp_path):
        clf = FashionCNN(**cnn.get_params()).set_params(memory=memory)
        clf.set_callbacks(Recorder(stop_after=2)).fit(X, y, **validation)
        assert clf.history_["val_accuracy"] == scores
        assert clf.n_iter_ == 1 + np.argmax(scores)


def test_epochs_from_memory_are_told_like_trained_ones(images, cnn, tmp_path):
    cnn.set_params(memory=tmp_path)
    first, second = Recorder(), Recorder()
    cnn.set_callbacks(first).fit(*images)
    cnn.set_callbacks(second).fit(*images)
    assert cnn.n_epochs_trained_ == 0
    assert second.told == first.told
    for a, b in zip(first.fitted, second.fitted, strict=True):
        assert weights_equal(a, b)
        assert a.history_ == b.history_


def test_a_longer_fit_elsewhere_that_overtakes_ends_this_one(images, small, cnn, tmp_path):
    """As workers of a search over epochs do to each other."""

    class Overtaken(Recorder):
        def on_fit_task_begin(self, estimator, context):
            super().on_fit_task_begin(estimator, context)
            if context.task_name == "epoch" and context.task_id == 1:
                FashionCNN(**{**small, "epochs": 6}, memory=tmp_path).fit(*images)

    cnn.set_params(memory=tmp_path).set_callbacks(Overtaken()).fit(*images)
    assert weights_equal(cnn, FashionCNN(**{**small, "epochs": 4}).fit(*images))
    assert (cnn.n_iter_, cnn.n_epochs_trained_) == (4, 2)


def test_a_damaged_epoch_is_told_without_an_estimator_once(images, cnn, tmp_path):
    cnn.set_params(memory=tmp_path).fit(*images)
    next(tmp_path.glob(".skfashion-cache/*/00002.weights")).write_bytes(b"damaged")
    recorder = Recorder()
    with pytest.warns(UserWarning, match="00002.weights is damaged"):
        cnn.set_callbacks(recorder).fit(*images)
    assert [clf is None for clf in recorder.fitted] == [False, True, False, False]
    again = Recorder()
    cnn.set_callbacks(again).fit(*images)
    assert None not in again.fitted
    assert cnn.n_epochs_trained_ == 2  # the gap is closed, and the rest is there


@pytest.mark.parametrize("damaged", [2, 4])
def test_true_at_a_damaged_epoch_ends_the_fit_all_the_same(images, cnn, tmp_path, damaged):
    cnn.set_params(memory=tmp_path).fit(*images)
    next(tmp_path.glob(f".skfashion-cache/*/{damaged:05d}.weights")).write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="is damaged"):
        cnn.set_callbacks(Recorder(stop_after=damaged - 1)).fit(*images)
    assert cnn.n_iter_ == {2: 3, 4: 4}[damaged]  # the next one that is there


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()], ids=str)
def test_a_callback_that_fails_ends_the_fit_and_is_torn_down(images, cnn, error):
    recorder = Recorder(stop_after=1, error=error)
    with pytest.raises(type(error)):
        cnn.set_callbacks(recorder).fit(*images)
    assert recorder.told[-1] == "teardown"
    assert "_callback_fit_ctx" not in vars(cnn)
    if isinstance(error, KeyboardInterrupt):
        assert cnn.n_iter_ == 2
    else:
        with pytest.raises(NotFittedError):
            cnn.predict(images[0])


def test_a_progress_bar_nests_fits_in_the_search(images, cnn, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")  # of the terminal
    search = GridSearchCV(cnn, {"dropout": [0.0, 0.3]}, cv=2)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(*images)
    out = capsys.readouterr().out
    evaluations = r"^ {4}GridSearchCV - candidate-split-evaluation \| FashionCNN - fit #(\d) .*100%"
    assert set(re.findall(evaluations, out, re.MULTILINE)) == set("0123")
    assert re.search(r"^  GridSearchCV - refit.* \| FashionCNN - fit .*100%", out, re.MULTILINE)
